//! The cadence of checks that an earlier process knew: it goes on through a restart, and what it brought while no
//! runner was there is missed, and counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::age::{Now, Since};
use crate::publish::Restored;
use crate::schedule::{MAX_SPLAY, reach, since, splay};
use crate::suite::{self, Check, CheckId, Cron};

/// The longest absence of which all due times are counted if the machine was booted meanwhile: only the time of day then
/// says how long it was, and that can be wrong by years.
const MAX_UNCERTAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Half the shortest time between two due times of a cron expression.
const NEAR: Duration = Duration::from_secs(30);

/// How long a check is not due yet that was last due then, if ever; extra runs do not count.
pub(super) fn until_due(check: &Check, last: Option<Since>, now: &Now) -> Duration {
    match (check.cadence.interval(), last) {
        (Some(interval), Some(last)) => since(last.age(now), interval).1,
        (Some(_), None) => Duration::ZERO,
        (None, _) => reach(check, now.wall, 1),
    }
}

/// Of checks whose cadence is what it was.
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
    fn since(last: Since, check: &Check, now: &Now) -> Self {
        match &check.cadence {
            suite::Cadence::Every(interval) => Self::of_interval(last, *interval, now),
            suite::Cadence::Cron(cron) => Self::of_cron(last, cron, splay(&check.id, MAX_SPLAY), now),
        }
    }

    /// By the time of day as it is now, but of a length that in one boot no clock can be set to.
    fn of_cron(last: Since, cron: &Cron, splay: Duration, now: &Now) -> Self {
        let age = match last.is_of_this_boot(now) {
            true => last.age(now),
            false => last.age(now).min(MAX_UNCERTAIN),
        };
        // The due time itself is not one that passed, however the clocks were slewed since.
        let named = now.wall.checked_sub(splay);
        let began = named.and_then(|named| (named + NEAR).checked_sub(age));
        let (passed, end) = named
            .zip(began)
            .map_or((0, None), |(named, began)| cron.count(began, named));
        let ago = end
            .zip(named)
            .and_then(|(end, named)| named.duration_since(end).ok());
        Self {
            passed,
            last: Since::now(now).earlier(ago.unwrap_or_default()),
            wait: Duration::ZERO,
        }
    }

    fn of_interval(last: Since, interval: Duration, now: &Now) -> Self {
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
            let last = restored.last_due(check)?;
            Some((check.id.clone(), Cadence::since(last, check, now)))
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
        let Cadence { passed, wait, last } = Cadence::of_interval(last, SECOND, &now);
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
        assert_eq!(Cadence::of_interval(last, month, &now).passed, 1);
        let now = Clock::of_boot(1).observe(noon(), DAY + 65 * DAY);
        assert_eq!(Cadence::of_interval(last, month, &now).passed, 2);
    }

    fn cron(text: &str) -> Check {
        let cron = Cron::new(text, jiff::tz::TimeZone::UTC, "UTC").unwrap();
        Check {
            cadence: suite::Cadence::Cron(Arc::new(cron)),
            ..Check::plain("a", SECOND)
        }
    }

    #[test]
    fn by_the_time_of_day_what_passed_is_counted_without_the_due_time_that_was_there() {
        let check = cron("*/5 * * * *");
        let due = noon() + splay(&check.id, MAX_SPLAY);
        let last = Since::now(&Clock::of_boot(1).observe(due, DAY));
        let passed = |boot: u64, later: Duration, wall: SystemTime| {
            let now = Clock::of_boot(boot).observe(wall, DAY + later);
            Cadence::since(last, &check, &now).passed
        };
        for (later, count) in [(0, 0), (299, 0), (300, 1), (1_499, 4), (1_500, 5)] {
            let later = later * SECOND;
            assert_eq!(passed(1, later, due + later), count, "{later:?}");
            // By a clock that was set meanwhile, as many within one.
            let by_another = passed(1, later, due + later + 70_000 * DAY / 1_000);
            assert!(by_another.abs_diff(count) <= 1, "{later:?}: {by_another}");
        }
        assert_eq!(
            passed(2, SECOND, due + 90 * DAY),
            7 * 24 * 12,
            "across a boot, a week at most"
        );
        assert_eq!(passed(2, SECOND, due - DAY), 0);
    }

    #[test]
    fn it_is_known_how_long_a_check_is_not_due() {
        let now = Clock::of_boot(1).observe(noon() + 20 * SECOND, DAY);
        let last = Since::now(&now).earlier(20 * SECOND);
        let minutely = Check::plain("a", 60 * SECOND);
        assert_eq!(until_due(&minutely, Some(last), &now), 40 * SECOND);
        assert_eq!(until_due(&minutely, None, &now), Duration::ZERO);
        let check = cron("*/5 * * * *");
        let splay = splay(&check.id, MAX_SPLAY);
        let until = splay.checked_sub(20 * SECOND).unwrap_or(280 * SECOND + splay);
        assert_eq!(until_due(&check, Some(last), &now), until);
    }
}
