//! Observer of the supervisor's events.

use std::sync::Arc;

use canary_alert::SuiteIndex;
use canary_run::account::MissReason;
use canary_run::outcome::Run;
use canary_run::publish::StatusStore;
use canary_run::status::CheckStatus;
use canary_state::{Change, PendingCommit, State, StoredRows};
use canary_suite::{Check, CheckId, Suite};
use canary_system::age::Now;

/// Receives the supervisor's events. It is called in the supervisor's own task, so it must not block. Returned
/// changes are persisted atomically with the change that caused them.
pub trait RunObserver {
    /// A new suite is active. `suite_index` is its index for alerts; afterwards it is the previous one, which the
    /// caller drops where that blocks nothing.
    fn suite_changed(&mut self, _suite: &Suite, _suite_index: &mut SuiteIndex) -> Vec<Change> {
        Vec::new()
    }

    /// A run is due and will start when there is capacity.
    fn run_due(&mut self, _check: &Arc<Check>) {}

    /// A run was recorded.
    fn run_finished(
        &mut self,
        run: &Arc<Run>,
        check_status: &CheckStatus,
        statuses: &StatusStore,
    ) -> Vec<Change>;

    /// Due times passed without an outcome.
    fn runs_missed(&mut self, _check: &CheckId, _reason: MissReason, _count: u64) {}

    /// The time of day was set by this many seconds.
    fn clock_set(&mut self, _seconds: i64) {}

    /// The returned changes were handed to the state and will be committed.
    fn persisted(&mut self, _written: &PendingCommit) {}

    /// The rows of an earlier process were read late.
    fn state_read(&mut self, _kept: &StoredRows, _now: &Now) {}

    /// There is no need to wait for rows of an earlier process any longer. The last run of each check is given.
    fn catch_up(&mut self, _last_runs: &[(Arc<Run>, CheckStatus)], _now: &Now) {}

    /// Persists everything, including `changes`, in place of what is on disk.
    fn persist_all(&mut self, changes: Vec<Change>, state: &State) -> PendingCommit {
        state.put_all(changes)
    }

    /// Called about once a second.
    fn tick(&mut self, _now: &Now) -> Vec<Change> {
        Vec::new()
    }
}
