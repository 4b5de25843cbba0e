//! Checks whose cadence begins.

use std::sync::Arc;

use super::Board;
use crate::age::{Now, Since};
use crate::schedule::splay;
use crate::suite::{Check, CheckId};

impl Board {
    /// Notes since when checks have their cadence that were never due by it: due times that come while no runner is there
    /// are known to be missed only by that. Gives the checks.
    pub fn begin_cadences(&self, checks: &[Arc<Check>], now: &Now) -> Vec<CheckId> {
        let mut state = self.state();
        let mut begun = Vec::new();
        for check in checks {
            let entry = state.entries.get_mut(&check.id);
            if let Some(entry) = entry.filter(|entry| !entry.record.is_in_cadence_of(check)) {
                let before = check.cadence.interval().unwrap_or_default();
                let wait = splay(&check.id, before);
                let at = Since::now(now).earlier(before.saturating_sub(wait));
                entry.record.note_due(check, at);
                begun.push(check.id.clone());
            }
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use tokio::time::Instant;

    use super::*;
    use crate::age::Clock;
    use crate::publish::Restored;

    const MINUTE: Duration = Duration::from_secs(60);
    const MICROSECOND: Duration = Duration::from_micros(1);

    #[test]
    fn a_check_that_was_never_due_is_known_by_when_it_would_have_been() {
        let board = Board::default();
        let now = Clock::of_boot(1).observe(SystemTime::UNIX_EPOCH + 1_000 * MINUTE, 100 * MINUTE);
        let begin = |interval: Duration| {
            let checks = [Arc::new(Check::plain("a", interval))];
            board.keep(&checks, &mut Restored::default(), Instant::now());
            let begun = board.begin_cadences(&checks, &now);
            let due = board.record(&checks[0].id).unwrap().last_due.unwrap();
            // Ages are kept in microseconds.
            let first = due.age(&now) + splay(&checks[0].id, interval) + MICROSECOND;
            (begun.len(), first.as_secs())
        };
        assert_eq!(begin(MINUTE), (1, 60));
        assert_eq!(begin(MINUTE), (0, 60));
        assert_eq!(begin(2 * MINUTE), (1, 120));
    }
}
