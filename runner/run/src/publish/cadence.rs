//! Recording when the cadence of a check starts.

use std::sync::Arc;

use super::StatusStore;
use crate::schedule::splay;
use canary_suite::{Check, CheckId};
use canary_system::age::{Now, Since};

impl StatusStore {
    /// Records the start of the cadence for checks that were never due by it: without it, due times that pass while no
    /// runner is running could not be counted as missed. Returns these checks.
    pub fn begin_cadences(&self, checks: &[Arc<Check>], now: &Now) -> Vec<CheckId> {
        let mut state = self.state();
        let mut started = Vec::new();
        for check in checks {
            let entry = state.entries.get_mut(&check.id);
            if let Some(entry) = entry.filter(|entry| !entry.record.is_in_cadence_of(check)) {
                let interval = check.cadence.interval().unwrap_or_default();
                let wait = splay(&check.id, interval);
                let at = Since::now(now).earlier(interval.saturating_sub(wait));
                entry.record.record_due(check, at);
                started.push(check.id.clone());
            }
        }
        started
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use tokio::time::Instant;

    use super::*;
    use crate::publish::Restored;
    use canary_system::age::Clock;

    const MINUTE: Duration = Duration::from_secs(60);
    const MICROSECOND: Duration = Duration::from_micros(1);

    #[test]
    fn the_cadence_of_a_check_that_was_never_due_starts_one_interval_before_its_first_due_time() {
        let store = StatusStore::default();
        let now = Clock::of_boot(1).observe(SystemTime::UNIX_EPOCH + 1_000 * MINUTE, 100 * MINUTE);
        let begin = |interval: Duration| {
            let checks = [Arc::new(Check::minimal("a", interval))];
            store.apply_suite(&checks, &mut Restored::default(), Instant::now());
            let started = store.begin_cadences(&checks, &now);
            let due = store.record(&checks[0].id).unwrap().last_due.unwrap();
            // Ages have a resolution of microseconds.
            let first = due.age(&now) + splay(&checks[0].id, interval) + MICROSECOND;
            (started.len(), first.as_secs())
        };
        assert_eq!(begin(MINUTE), (1, 60));
        assert_eq!(begin(MINUTE), (0, 60));
        assert_eq!(begin(2 * MINUTE), (1, 120));
    }
}
