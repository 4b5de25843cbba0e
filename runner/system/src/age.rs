//! Ages of persisted things, measured by clocks that cannot be set.
//!
//! The time of day can be wrong for a while: set by hand, by a virtual machine that resumes, by NTP after a boot.
//! Nothing may expire because of that. Within a boot, ages are measured by `CLOCK_BOOTTIME`, which includes suspend
//! and cannot be set. Across a boot only the time of day is left; it is trusted once it has gone on without a step
//! for `STEADY_AFTER`.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock;

/// How long the time of day must have been steady before it is trusted for the age of something from an earlier boot.
pub(crate) const STEADY_AFTER: Duration = Duration::from_secs(10 * 60);
/// Smaller changes of the time of day are ordinary NTP corrections.
const MIN_STEP: Duration = Duration::from_secs(2);
/// The last moment with a year of four digits, in Unix microseconds. No clock shows a later one; a later value is
/// damaged, and is replaced by this.
const MAX_UNIX_MICROS: u64 = 253_402_300_799_999_999;
/// Linux's id of the current boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Identifies a boot of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootId(u64);

impl BootId {
    /// The current boot; a random id if the system does not provide one.
    fn current() -> Self {
        static CURRENT: OnceLock<BootId> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let text = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
            Self(u64::from_str_radix(&digits, 16).unwrap_or_else(|_| fastrand::u64(..)))
        })
    }
}

/// A sample of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day; can be set.
    pub wall: SystemTime,
    /// Since the boot, including suspend.
    boot: Duration,
    boot_id: BootId,
    /// How long the time of day has gone on without a step, as far as is known.
    steady_for: Duration,
}

impl Now {
    /// Samples the clocks; how long the time of day has been steady is unknown.
    #[must_use]
    pub fn read() -> Self {
        Clock::default().read()
    }

    /// A sample of a machine that was booted in 1970, whose clock was never set.
    #[cfg(any(test, feature = "test-util"))]
    pub fn at_wall(wall: SystemTime) -> Self {
        let boot = Duration::from_micros(unix_micros(wall));
        Clock::of_boot(1).observe(wall, boot)
    }

    /// Time since the boot, including suspend: independent of the time of day, and starting anew with each boot.
    #[must_use]
    pub fn since_boot(&self) -> Duration {
        self.boot
    }
}

/// When something began. Can be persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Unix microseconds, up to [`MAX_UNIX_MICROS`].
    #[serde(deserialize_with = "wall")]
    wall: u64,
    /// Microseconds since the boot; absent in data of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<(BootId, u64)>,
}

impl Since {
    /// Begins now.
    #[must_use]
    pub fn now(now: &Now) -> Self {
        Self {
            wall: unix_micros(now.wall),
            boot: Some((now.boot_id, micros(now.boot))),
        }
    }

    /// Began at this time of day; the boot is unknown.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        Self {
            wall: unix_micros(wall),
            boot: None,
        }
    }

    /// The time of day of that moment, by the clock as it was set then.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        from_unix_micros(self.wall)
    }

    /// An earlier moment.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        let by = micros(by);
        Self {
            wall: self.wall.saturating_sub(by),
            boot: self
                .boot
                .and_then(|(boot_id, boot)| Some((boot_id, boot.checked_sub(by)?))),
        }
    }

    /// Duration from this moment to a later one; by the time of day if there was a boot between them. Zero if the
    /// other is earlier by that.
    #[must_use]
    pub fn until(&self, later: &Self) -> Duration {
        Duration::from_micros(match (self.boot, later.boot) {
            (Some((boot_id, began)), Some((later_id, ended))) if boot_id == later_id => {
                ended.saturating_sub(began)
            }
            _ => later.wall.saturating_sub(self.wall),
        })
    }

    /// Whether its age is exact: it was in the current boot, whose clock cannot be set.
    #[must_use]
    pub fn is_of_this_boot(&self, now: &Now) -> bool {
        self.of_boot(now).is_some()
    }

    /// Its age; by the time of day if it was before the boot. Zero if it is in the future by that.
    #[must_use]
    pub fn age(&self, now: &Now) -> Duration {
        match self.of_boot(now) {
            Some(began) => now.boot.saturating_sub(began),
            None => Duration::from_micros(unix_micros(now.wall).saturating_sub(self.wall)),
        }
    }

    /// Whether it is certainly longer ago than `limit`.
    #[must_use]
    pub fn is_older_than(&self, limit: Duration, now: &Now) -> bool {
        self.is_certain(now) && self.age(now) > limit
    }

    /// Whether it is certainly at least `limit` ago.
    #[must_use]
    pub fn is_at_least(&self, limit: Duration, now: &Now) -> bool {
        self.is_certain(now) && self.age(now) >= limit
    }

    fn is_certain(&self, now: &Now) -> bool {
        self.is_of_this_boot(now) || now.steady_for >= STEADY_AFTER
    }

    fn of_boot(&self, now: &Now) -> Option<Duration> {
        let (_, micros) = self.boot.filter(|(boot_id, _)| *boot_id == now.boot_id)?;
        Some(Duration::from_micros(micros))
    }

    /// Encodes the boot and the microseconds since it for a file name; `None` if only the time of day is known.
    #[must_use]
    pub fn mark(&self) -> Option<String> {
        let (BootId(id), micros) = self.boot?;
        Some(format!("{id:016x}-{micros:016}"))
    }

    /// Parses what [`Since::mark`] returned.
    #[must_use]
    pub fn from_mark(wall: SystemTime, mark: &str) -> Option<Self> {
        let (id, micros) = mark.split_once('-')?;
        let is_mark =
            id.len() == 16 && micros.len() == 16 && micros.bytes().all(|byte| byte.is_ascii_digit());
        let id = u64::from_str_radix(id, 16).ok().filter(|_| is_mark)?;
        Some(Self {
            wall: unix_micros(wall),
            boot: Some((BootId(id), micros.parse().ok()?)),
        })
    }
}

/// Samples the clocks, and tracks how long the time of day has been steady, for which it has to be read regularly.
#[derive(Debug)]
pub struct Clock {
    source: fn() -> (SystemTime, Duration),
    boot_id: BootId,
    last: Option<(SystemTime, Duration)>,
    /// Start of the steady period, in time since the boot.
    steady_since: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            source: system,
            boot_id: BootId::current(),
            last: None,
            steady_since: Duration::ZERO,
        }
    }
}

/// The time of day, and the time since the boot.
fn system() -> (SystemTime, Duration) {
    (clock::wall(), clock::boot())
}

impl Clock {
    /// Samples the clocks.
    pub fn read(&mut self) -> Now {
        let (wall, boot) = (self.source)();
        self.observe(wall, boot)
    }

    /// Uses the given times as a sample.
    pub fn observe(&mut self, wall: SystemTime, boot: Duration) -> Now {
        let is_steady = self.last.is_some_and(|(wall_before, boot_before)| {
            let expected = wall_before + boot.saturating_sub(boot_before);
            let off = wall
                .duration_since(expected)
                .unwrap_or_else(|error| error.duration());
            off < MIN_STEP
        });
        if !is_steady {
            self.steady_since = boot;
        }
        self.last = Some((wall, boot));
        Now {
            wall,
            boot,
            boot_id: self.boot_id,
            steady_for: boot.saturating_sub(self.steady_since),
        }
    }

    /// A clock of a given boot, with times given by the test.
    #[cfg(any(test, feature = "test-util"))]
    pub fn of_boot(id: u64) -> Self {
        Self {
            boot_id: BootId(id),
            ..Self::default()
        }
    }

    /// Reads its times from `source`.
    #[cfg(any(test, feature = "test-util"))]
    pub fn with_source(self, source: fn() -> (SystemTime, Duration)) -> Self {
        Self { source, ..self }
    }
}

/// Deserializes a time of day.
fn wall<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(u64::deserialize(deserializer)?.min(MAX_UNIX_MICROS))
}

fn unix_micros(time: SystemTime) -> u64 {
    micros(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()).min(MAX_UNIX_MICROS)
}

fn from_unix_micros(micros: u64) -> SystemTime {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros));
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    #[test]
    fn a_clock_that_is_set_forth_or_back_makes_nothing_older_or_younger() {
        let mut clock = Clock::of_boot(1);
        let since = Since::now(&clock.observe(noon(), MINUTE));
        for wall in [noon() + 3 * DAY, noon(), noon() - 2 * DAY, SystemTime::UNIX_EPOCH] {
            let now = clock.observe(wall, 6 * MINUTE);
            assert_eq!(since.age(&now), 5 * MINUTE);
            assert!(!since.is_older_than(5 * MINUTE, &now));
            assert!(since.is_older_than(4 * MINUTE, &now));
        }
    }

    #[test]
    fn a_restart_of_the_process_changes_no_age_whatever_the_clock_was_set_to() {
        let since = Since::now(&Clock::of_boot(1).observe(noon() + 3 * DAY, MINUTE));
        let json = serde_json::to_string(&since).unwrap();
        let read: Since = serde_json::from_str(&json).unwrap();
        let now = Clock::of_boot(1).observe(noon(), 6 * MINUTE);
        assert_eq!(read.age(&now), 5 * MINUTE);
        assert!(read.is_older_than(4 * MINUTE, &now));
        let marked = Since::from_mark(noon() + 3 * DAY, &since.mark().unwrap());
        assert_eq!(marked, Some(since));
    }

    #[test]
    fn the_time_between_two_moments_of_a_boot_is_not_that_of_the_clock() {
        let mut clock = Clock::of_boot(1);
        let began = Since::now(&clock.observe(noon(), MINUTE));
        let ended = Since::now(&clock.observe(noon() + 3 * DAY, 6 * MINUTE));
        assert_eq!(began.until(&ended), 5 * MINUTE);
        assert_eq!(ended.until(&began), Duration::ZERO);
        let rebooted = Since::now(&Clock::of_boot(2).observe(noon() + DAY, MINUTE));
        assert_eq!(began.until(&rebooted), DAY);
        assert_eq!(rebooted.until(&began), Duration::ZERO);
    }

    #[test]
    fn a_moment_before_the_boot_has_its_time_of_day_only() {
        let now = Clock::of_boot(1).observe(noon(), MINUTE);
        let before = Since::now(&now).earlier(MINUTE);
        assert!(before.is_of_this_boot(&now));
        assert_eq!((before.age(&now), before.wall()), (MINUTE, noon() - MINUTE));
        let boot = Since::now(&now).earlier(DAY);
        assert!(!boot.is_of_this_boot(&now));
        assert_eq!(boot.age(&now), DAY);
    }

    #[test]
    fn after_a_boot_the_time_of_day_counts_once_it_is_steady() {
        let since = Since::now(&Clock::of_boot(1).observe(noon(), DAY));
        let mut clock = Clock::of_boot(2);
        // The hardware clock is wrong until NTP has set it.
        let wrong = clock.observe(noon() + 30 * DAY, MINUTE);
        assert!(!since.is_older_than(DAY, &wrong));
        let mut now = clock.observe(noon() + MINUTE, 2 * MINUTE);
        assert_eq!(since.age(&now), MINUTE);
        for minute in 3..=60 {
            now = clock.observe(noon() + (minute - 1) * MINUTE, minute * MINUTE);
        }
        assert!(!since.is_older_than(DAY, &now));
        assert!(since.is_older_than(30 * MINUTE, &now));
    }

    #[test]
    fn what_an_older_version_left_has_its_time_of_day() {
        let since = Since::at(noon());
        assert_eq!(since.mark(), None);
        let mut clock = Clock::of_boot(1);
        clock.observe(noon() + DAY, MINUTE);
        let now = clock.observe(noon() + DAY + STEADY_AFTER, MINUTE + STEADY_AFTER);
        assert!(since.is_older_than(DAY - MINUTE, &now));
    }

    #[test]
    fn a_time_of_day_beyond_the_calendar_is_its_last_moment_wherever_it_comes_from() {
        let end = "9999-12-31T23:59:59.999999000Z";
        for wall in [MAX_UNIX_MICROS, MAX_UNIX_MICROS + 1, i64::MAX as u64, u64::MAX] {
            let json = format!(r#"{{"wall":{wall},"boot":[7,{}]}}"#, u64::MAX);
            let mut found = vec![serde_json::from_str::<Since>(&json).unwrap()];
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(wall));
            found.extend(time.map(Since::at));
            found.extend(time.and_then(|time| Since::from_mark(time, "0000000000000007-0000000000000001")));
            for since in found {
                assert_eq!(humantime::format_rfc3339_nanos(since.wall()).to_string(), end);
            }
        }
        let early = serde_json::from_str::<Since>(r#"{"wall":1}"#).unwrap();
        assert_eq!(early.wall(), SystemTime::UNIX_EPOCH + Duration::from_micros(1));
    }

    #[test]
    fn a_mark_is_read_from_its_own_text_only() {
        for text in [
            "",
            "-",
            "1-2",
            "000000000000000g-0000000000000001",
            "0000000000000001-+000000000000001",
        ] {
            assert_eq!(Since::from_mark(noon(), text), None, "{text}");
        }
    }
}
