//! Resumes the cadence of checks after a restart: due times that passed while no runner was there are counted as
//! missed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use canary_run::publish::Restored;
use canary_run::schedule::{MAX_SPLAY, passed_since, splay, time_to_due};
use canary_suite::{Check, CheckId, Cron};
use canary_system::age::{Now, Since};

/// Maximum absence for which due times are counted after a reboot: only the time of day shows how long it was then,
/// and that can be wrong by years.
const MAX_UNCERTAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Half the shortest time between two due times of a cron expression.
const HALF_MIN_CRON_INTERVAL: Duration = Duration::from_secs(30);

/// Time until the next due time of a check that was last due at `last`, if ever; extra runs do not count.
pub(super) fn until_due(check: &Check, last: Option<Since>, now: &Now) -> Duration {
    match (check.cadence.interval(), last) {
        (Some(interval), Some(last)) => passed_since(last.age(now), interval).1,
        (Some(_), None) => Duration::ZERO,
        (None, _) => time_to_due(check, now.wall, 1),
    }
}

/// Resumed cadences of checks whose cadence is unchanged.
#[derive(Debug, Default)]
pub(super) struct ResumedCadences(HashMap<CheckId, ResumedCadence>);

#[derive(Debug)]
struct ResumedCadence {
    passed: u64,
    last: Since,
    wait: Duration,
}

impl ResumedCadence {
    /// From the last due time. A cron expression's may be in the future if the clock was set back: then no due time
    /// has passed.
    fn from_last_due(last: Since, check: &Check, now: &Now) -> Self {
        match &check.cadence {
            canary_suite::Cadence::Every(interval) => Self::from_interval(last, *interval, now),
            canary_suite::Cadence::Cron(cron) => {
                Self::from_cron(last, cron, splay(&check.id, MAX_SPLAY), now)
            }
        }
    }

    /// Counts back from the current time of day by the age of the last due time, which within one boot does not
    /// depend on how the clock was set.
    fn from_cron(last: Since, cron: &Cron, splay: Duration, now: &Now) -> Self {
        let age = if last.is_of_this_boot(now) {
            last.age(now)
        } else {
            last.age(now).min(MAX_UNCERTAIN)
        };
        // The last due time itself does not count as passed, however the clocks were slewed since.
        let unsplayed = now.wall.checked_sub(splay);
        let began = unsplayed.and_then(|unsplayed| (unsplayed + HALF_MIN_CRON_INTERVAL).checked_sub(age));
        let (passed, end) = unsplayed
            .zip(began)
            .map_or((0, None), |(unsplayed, began)| cron.count(began, unsplayed));
        let ago = end
            .zip(unsplayed)
            .and_then(|(end, unsplayed)| unsplayed.duration_since(end).ok());
        Self {
            passed,
            last: Since::now(now).earlier(ago.unwrap_or_default()),
            wait: Duration::ZERO,
        }
    }

    fn from_interval(last: Since, interval: Duration, now: &Now) -> Self {
        let (passed, wait) = passed_since(last.age(now), interval);
        let limit = if last.is_of_this_boot(now) {
            u64::MAX
        } else {
            passed_since(MAX_UNCERTAIN, interval).0.max(1)
        };
        Self {
            passed: passed.min(limit),
            last: Since::now(now).earlier(interval.saturating_sub(wait)),
            wait,
        }
    }
}

impl ResumedCadences {
    pub(super) fn resume(checks: &[Arc<Check>], restored: &Restored, now: &Now) -> Self {
        let cadence = |check: &Arc<Check>| {
            let last = restored.last_due(check)?;
            Some((check.id.clone(), ResumedCadence::from_last_due(last, check, now)))
        };
        Self(checks.iter().filter_map(cadence).collect())
    }

    /// Time until the next due time of a check.
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
    use canary_system::age::Clock;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SECOND: Duration = Duration::from_secs(1);

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    /// What passed and how long to wait: a check with an interval of a second was last due at noon of the first boot,
    /// and the runner started again `later`, in some boot, with a clock that says `wall`.
    fn passed(boot: u64, later: Duration, wall: SystemTime) -> (u64, Duration) {
        let last = Since::now(&Clock::of_boot(1).observe(noon(), DAY));
        let now = Clock::of_boot(boot).observe(wall, DAY + later);
        let ResumedCadence { passed, wait, last } = ResumedCadence::from_interval(last, SECOND, &now);
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
        assert_eq!(ResumedCadence::from_interval(last, month, &now).passed, 1);
        let now = Clock::of_boot(1).observe(noon(), DAY + 65 * DAY);
        assert_eq!(ResumedCadence::from_interval(last, month, &now).passed, 2);
    }

    fn cron(text: &str) -> Check {
        let cron = Cron::new(text, jiff::tz::TimeZone::UTC, "UTC").unwrap();
        Check {
            cadence: canary_suite::Cadence::Cron(Arc::new(cron)),
            ..Check::minimal("a", SECOND)
        }
    }

    #[test]
    fn by_the_time_of_day_what_passed_is_counted_without_the_due_time_that_was_there() {
        let check = cron("*/5 * * * *");
        let due = noon() + splay(&check.id, MAX_SPLAY);
        let last = Since::now(&Clock::of_boot(1).observe(due, DAY));
        let passed = |boot: u64, later: Duration, wall: SystemTime| {
            let now = Clock::of_boot(boot).observe(wall, DAY + later);
            ResumedCadence::from_last_due(last, &check, &now).passed
        };
        for (later, count) in [(0, 0), (299, 0), (300, 1), (1_499, 4), (1_500, 5)] {
            let later = later * SECOND;
            assert_eq!(passed(1, later, due + later), count, "{later:?}");
            // With a clock that was set meanwhile, the same count within one.
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
        let minutely = Check::minimal("a", 60 * SECOND);
        assert_eq!(until_due(&minutely, Some(last), &now), 40 * SECOND);
        assert_eq!(until_due(&minutely, None, &now), Duration::ZERO);
        let check = cron("*/5 * * * *");
        let splay = splay(&check.id, MAX_SPLAY);
        let until = splay.checked_sub(20 * SECOND).unwrap_or(280 * SECOND + splay);
        assert_eq!(until_due(&check, Some(last), &now), until);
    }
}
