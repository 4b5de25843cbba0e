//! How long a check may go without a finished run. This is computed when a run finishes, so that the calendar is not
//! evaluated while the store is locked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Entry, StatusStore};
use crate::outcome::Run;
use crate::schedule::time_to_due;
use canary_suite::{Cadence, Check, CheckId};
use canary_system::clock;

/// A check is stale when no run has finished for this many intervals, or due times of a cron expression.
const STALE_DUE_TIMES: u32 = 3;

/// How long a check may be silent, measured from the end of its last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilenceLimits {
    /// The time to the next due time.
    pub next_due: Duration,
    /// The time to the due time at which the check becomes stale.
    pub stale_after: Duration,
}

impl SilenceLimits {
    /// The limits of a check whose last run ended at the wall-clock time `last_finish`.
    pub(super) fn new(check: &Check, last_finish: SystemTime) -> Self {
        Self {
            next_due: time_to_due(check, last_finish, 1),
            stale_after: time_to_due(check, last_finish, STALE_DUE_TIMES),
        }
    }
}

impl StatusStore {
    /// The limits, from `wall` on, of checks whose cron expression is new to the store.
    pub(super) fn limits_of_new_crons(
        &self,
        checks: &[Arc<Check>],
        wall: SystemTime,
    ) -> HashMap<CheckId, SilenceLimits> {
        let new: Vec<&Arc<Check>> = {
            let state = self.state();
            let is_known = |check: &Arc<Check>| {
                let known = state.entries.get(&check.id);
                known.is_some_and(|known| known.check.cadence == check.cadence)
            };
            let with_cron = checks.iter().filter(|check| check.cadence.cron().is_some());
            with_cron.filter(|check| !is_known(check)).collect()
        };
        let limits = |check: &Arc<Check>| (check.id.clone(), SilenceLimits::new(check, wall));
        new.into_iter().map(limits).collect()
    }

    /// The limits after a run, with the check as it is in the current suite.
    pub(super) fn limits_after(&self, run: &Run, now: SystemTime) -> SilenceLimits {
        let known = self
            .state()
            .entries
            .get(&run.check.id)
            .map(|entry| Arc::clone(&entry.check));
        SilenceLimits::new(known.as_ref().unwrap_or(&run.check), now)
    }

    /// Recomputes the limits of checks with a cron expression after a step of the wall clock relative to the monotonic
    /// clock that measures silence: their due times come at other moments than computed before.
    pub fn on_clock_step(&self) {
        let with_cron = |entry: &Entry| match entry.check.cadence {
            Cadence::Every(_) => None,
            Cadence::Cron(_) => Some((Arc::clone(&entry.check), entry.silent_since)),
        };
        let checks: Vec<_> = self.state().entries.values().filter_map(with_cron).collect();
        let (wall, now) = (clock::wall(), Instant::now());
        let limits = |(check, silent_since): (Arc<Check>, Instant)| {
            let last_finish = wall.checked_sub(now - silent_since).unwrap_or(wall);
            (
                check.id.clone(),
                silent_since,
                SilenceLimits::new(&check, last_finish),
            )
        };
        let recomputed: Vec<_> = checks.into_iter().map(limits).collect();
        let mut state = self.state();
        for (id, silent_since, limits) in recomputed {
            let entry = state.entries.get_mut(&id);
            // Otherwise a run has finished meanwhile.
            if let Some(entry) = entry.filter(|entry| entry.silent_since == silent_since) {
                entry.silence_limits = limits;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::outcome::{Outcome, StopCause};
    use crate::publish::Restored;
    use canary_suite::Cron;
    use canary_system::age::Since;
    use canary_system::clock::simulated::Simulated;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// A Friday at 08:00 UTC.
    fn friday() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn by_schedule(text: &str) -> Arc<Check> {
        let cron = Cron::new(text, TimeZone::UTC, "UTC").unwrap();
        Arc::new(Check {
            cadence: Cadence::Cron(Arc::new(cron)),
            ..Check::minimal("a", Duration::from_secs(1))
        })
    }

    fn apply(store: &StatusStore, check: &Arc<Check>) {
        store.apply_suite(
            std::slice::from_ref(check),
            &mut Restored::default(),
            Instant::now(),
        );
    }

    /// Whole hours until the check is due, and until it is stale.
    fn hours(store: &StatusStore) -> (u64, u64) {
        let mut hours = (0, 0);
        store.for_each(|_, liveness| {
            let SilenceLimits {
                next_due,
                stale_after,
            } = liveness.limits;
            hours = (next_due.as_secs() / 3_600, stale_after.as_secs() / 3_600);
        });
        hours
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_may_be_silent_until_the_due_times_after_its_last_run() {
        let clocks = Simulated::begin(friday());
        let (store, hourly) = (StatusStore::default(), by_schedule("0 8-17 * * mon-fri"));
        apply(&store, &hourly);
        let (_, stale_after) = hours(&store);
        assert_eq!(stale_after, 2, "the next hour, and two more");
        clocks.step(9 * 3_600);
        store.schedule(&hourly, Since::at(friday())).unwrap();
        store.start(&hourly.id);
        let run = Run::plain(
            Arc::clone(&hourly),
            Outcome::Stopped(StopCause::Shutdown),
            friday(),
        );
        store.publish(&Arc::new(run), clock::wall());
        assert!(hours(&store).1 > 48, "a weekend: {:?}", hours(&store));
        apply(&store, &by_schedule("0 0 1 1 *"));
        assert!(hours(&store).0 > 100 * 24, "{:?}", hours(&store));
    }

    #[tokio::test(start_paused = true)]
    async fn due_times_follow_a_clock_that_is_set() {
        let clocks = Simulated::begin(friday());
        let (store, hourly) = (StatusStore::default(), by_schedule("0 8-17 * * mon-fri"));
        apply(&store, &hourly);
        tokio::time::advance(HOUR).await;
        clocks.step(12 * 3_600);
        assert!(hours(&store).1 < 3);
        store.on_clock_step();
        assert!(hours(&store).1 > 48, "a weekend: {:?}", hours(&store));
    }
}
