//! The cadence of checks that an earlier process knew: it goes on through a restart, and what it brought while no
//! runner was there is missed, and counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::age::{Now, Since};
use crate::publish::Restored;
use crate::schedule::since;
use crate::suite::{Check, CheckId};

/// The longest absence of which all due times are counted if the machine was booted meanwhile: only the time of day then
/// says how long it was, and that can be wrong by years.
const MAX_UNCERTAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Of checks whose interval is what it was.
#[derive(Debug, Default)]
pub(super) struct Cadences(HashMap<CheckId, Cadence>);

#[derive(Debug)]
struct Cadence {
    passed: u64,
    last: Since,
    wait: Duration,
}

impl Cadence {
    /// Of a check that was last due then. By the time of day, that may be still to come: then nothing was due since.
    fn since(last: Since, interval: Duration, now: &Now) -> Self {
        let (passed, wait) = since(last.age(now), interval);
        let most = match last.is_of_this_boot(now) {
            true => u64::MAX,
            false => since(MAX_UNCERTAIN, interval).0.max(1),
        };
        Self {
            passed: passed.min(most),
            last: Since::now(now).earlier(interval.saturating_sub(wait)),
            wait,
        }
    }
}

impl Cadences {
    pub(super) fn of(checks: &[Arc<Check>], restored: &Restored, now: &Now) -> Self {
        let cadence = |check: &Arc<Check>| {
            let (last, interval) = restored.last_due(&check.id)?;
            (interval == check.interval).then(|| (check.id.clone(), Cadence::since(last, interval, now)))
        };
        Self(checks.iter().filter_map(cadence).collect())
    }

    /// How long a check is not due yet.
    pub(super) fn wait(&self, id: &CheckId) -> Option<Duration> {
        Some(self.0.get(id)?.wait)
    }

    /// Checks with due times that passed, how many, and the last of them.
    pub(super) fn passed<'a>(
        &'a self,
        checks: &'a [Arc<Check>],
    ) -> impl Iterator<Item = (&'a Arc<Check>, u64, Since)> {
        checks.iter().filter_map(|check| {
            let cadence = self.0.get(&check.id)?;
            (cadence.passed > 0).then_some((check, cadence.passed, cadence.last))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::age::Clock;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SECOND: Duration = Duration::from_secs(1);

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    /// What passed and how long to wait: a second's check was last due at noon of the first boot, and the runner started
    /// again `later`, in some boot, by a clock that says `wall`.
    fn passed(boot: u64, later: Duration, wall: SystemTime) -> (u64, Duration) {
        let last = Since::now(&Clock::of_boot(1).observe(noon(), DAY));
        let now = Clock::of_boot(boot).observe(wall, DAY + later);
        let Cadence { passed, wait, last } = Cadence::since(last, SECOND, &now);
        assert_eq!(last.age(&now), SECOND - wait);
        (passed, wait)
    }

    #[test]
    fn in_one_boot_nothing_counts_that_only_the_clock_says() {
        let later = Duration::from_millis(2_300);
        for wall in [
            noon() + later,
            noon() + 30 * DAY,
            noon() - 400 * DAY,
            SystemTime::UNIX_EPOCH,
        ] {
            assert_eq!(
                passed(1, later, wall),
                (2, Duration::from_millis(700)),
                "{wall:?}"
            );
        }
    }

    #[test]
    fn across_a_boot_the_clock_counts_for_a_week_at_most() {
        let week = 7 * 24 * 60 * 60;
        assert_eq!(passed(2, SECOND, noon() + 90 * SECOND).0, 90);
        assert_eq!(passed(2, SECOND, noon() + 7 * DAY).0, week);
        assert_eq!(passed(2, SECOND, noon() + 20_000 * DAY).0, week);
        assert_eq!(passed(2, SECOND, noon() - DAY).0, 0);
    }

    #[test]
    fn a_check_that_is_due_once_a_month_can_still_be_missed() {
        let month = 30 * DAY;
        let last = Since::now(&Clock::of_boot(1).observe(noon(), DAY));
        let now = Clock::of_boot(2).observe(noon() + 45 * DAY, DAY);
        assert_eq!(Cadence::since(last, month, &now).passed, 1);
        let now = Clock::of_boot(1).observe(noon(), DAY + 65 * DAY);
        assert_eq!(Cadence::since(last, month, &now).passed, 2);
    }
}
