//! Recovery of state that could not be read at startup, or that the disk lost.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::cadence::ResumedCadences;
use super::{RETIRED, Supervisor, row_change};
use canary_run::account::{MissReason, RunAccount};
use canary_run::publish::{CheckRecord, Restored, StatusStore};
use canary_sandbox::dispatch::Execute;
use canary_state::{Change, State, StoredRows, SyncRequest, Table};
use canary_suite::CheckId;
use canary_system::age::Now;

/// How long alerts are held back while it is unknown which notifications an earlier process sent. After that they are
/// sent again: a duplicate is better than silence.
const MAX_ALERT_HOLD: Duration = Duration::from_secs(60);

/// What is still unknown of an earlier process.
pub(super) struct LateState {
    /// When alerts are released; `None` if they are not held back.
    alerts_held_until: Option<Instant>,
    started: Now,
}

impl LateState {
    pub(super) fn new(state: &State, statuses: &StatusStore, now: Instant, started: Now) -> Self {
        let is_unread = state.is_unread();
        if is_unread {
            statuses.expect_records();
        }
        Self {
            alerts_held_until: is_unread.then(|| now + MAX_ALERT_HOLD),
            started,
        }
    }
}

impl<E: Execute> Supervisor<'_, E> {
    /// Handles a request of the state, and releases alerts that were held back for long enough.
    pub(super) fn handle_state_request(&mut self) {
        match self.state.take_sync_request() {
            Some(SyncRequest::Merge(stored)) => {
                self.merge_restored(&stored);
                self.catch_up();
                self.persist_everything();
            }
            Some(SyncRequest::RewriteAll) => self.persist_everything(),
            None => {}
        }
        if self
            .late_state
            .alerts_held_until
            .is_some_and(|until| until <= Instant::now())
        {
            self.catch_up();
            // Nothing is persisted yet; this releases the notifications.
            self.persist(Vec::new());
        }
    }

    fn merge_restored(&mut self, stored: &StoredRows) {
        let (records, retired, _unreadable) = parse(stored);
        let mut restored = Restored::from(records);
        let checks: Vec<_> = self
            .statuses
            .snapshot()
            .checks
            .into_iter()
            .map(|snapshot| snapshot.check)
            .collect();
        restored.migrate_ids(&checks);
        let absent: HashMap<CheckId, u64> =
            ResumedCadences::resume(&checks, &restored, &self.late_state.started)
                .passed(&checks)
                .map(|(check, count, _)| (check.id.clone(), count))
                .collect();
        let merged = self.statuses.merge(restored, &retired, &absent);
        for (id, count) in absent {
            self.observer.runs_missed(&id, MissReason::Absent, count);
        }
        for (id, count) in merged.killed {
            self.observer.runs_missed(&id, MissReason::Killed, count);
        }
        let now = self.clock.read();
        self.observer.state_read(stored, &now);
    }

    fn catch_up(&mut self) {
        self.late_state.alerts_held_until = None;
        let now = self.clock.read();
        self.observer.catch_up(&self.statuses.check_statuses(), &now);
    }

    fn persist_everything(&mut self) {
        let ids = self.statuses.check_ids();
        let records = ids.iter().filter_map(|id| Some((id, self.statuses.record(id)?)));
        let mut changes: Vec<Change> = records
            .filter_map(|(id, record)| row_change(Table::Check, id.as_str(), &record))
            .collect();
        changes.extend(row_change(
            Table::Runner,
            RETIRED,
            &self.statuses.archived_account(),
        ));
        let commit = self.observer.persist_all(changes, &self.state);
        self.observer.persisted(&commit);
    }
}

/// Parses the persisted records of checks and the account of removed ones; also returns the errors of unreadable
/// rows.
#[must_use]
pub fn parse(stored: &StoredRows) -> (HashMap<CheckId, CheckRecord>, RunAccount, Vec<String>) {
    let (mut records, mut unreadable) = (HashMap::new(), Vec::new());
    for (id, text) in stored.rows_in(Table::Check) {
        match serde_json::from_str::<CheckRecord>(text) {
            Ok(record) => drop(records.insert(CheckId::new(id), record)),
            Err(error) => unreadable.push(format!("cannot read the stored state of check {id}: {error}")),
        }
    }
    let retired = stored.rows_in(Table::Runner).find(|(key, _)| &***key == RETIRED);
    let retired = retired.and_then(|(_, text)| serde_json::from_str(text).ok());
    (records, retired.unwrap_or_default(), unreadable)
}
