//! How old something is, by clocks that nobody sets.
//!
//! The time of day can be wrong for a moment: set by hand, by a virtual machine that wakes up, by NTP after a boot. What
//! waits must not be given up for that. Since the boot, ages are measured by `CLOCK_BOOTTIME`, which goes on in sleep
//! and cannot be set. Across a boot only the time of day is left; it counts once it has gone on without a step for
//! [`SETTLE`].

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock;

/// How long the time of day must have been steady to tell how old something is that an earlier boot left.
pub const SETTLE: Duration = Duration::from_secs(10 * 60);
/// Smaller changes of the time of day are those that NTP makes all the time.
const STEP: Duration = Duration::from_secs(2);
/// The last moment that can be written with four digits of a year, in Unix microseconds. No clock shows a later one; what
/// says so is damaged, and counts as this.
const LAST: u64 = 253_402_300_799_999_999;
/// Where Linux says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// One boot of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(u64);

impl BootId {
    /// The boot that goes on; where the system does not say, one that no other process has.
    fn current() -> Self {
        static CURRENT: OnceLock<BootId> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let text = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
            Self(u64::from_str_radix(&digits, 16).unwrap_or_else(|_| fastrand::u64(..)))
        })
    }
}

/// A reading of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day; can be set.
    pub wall: SystemTime,
    /// Since the boot, sleep included.
    boot: Duration,
    boot_id: BootId,
    /// How long the time of day has gone on without a step, as far as is known.
    steady_for: Duration,
}

impl Now {
    /// The clocks as they are; how long the time of day has been steady is not known.
    #[must_use]
    pub fn read() -> Self {
        Clock::default().read()
    }

    /// Of a clock that was never set since 1970, when this machine was booted.
    #[cfg(test)]
    pub(crate) fn of(wall: SystemTime) -> Self {
        let boot = Duration::from_micros(unix_micros(wall));
        Clock::of_boot(1).observe(wall, boot)
    }

    /// Since the boot, sleep included: goes on whatever the time of day is set to, and begins anew with each boot.
    #[must_use]
    pub fn since_boot(&self) -> Duration {
        self.boot
    }
}

/// When something began. It can be kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Unix microseconds, up to [`LAST`].
    #[serde(deserialize_with = "wall")]
    wall: u64,
    /// Microseconds since the boot; absent in what an older version left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<(BootId, u64)>,
}

impl Since {
    /// It begins now.
    #[must_use]
    pub fn now(now: &Now) -> Self {
        Self {
            wall: unix_micros(now.wall),
            boot: Some((now.boot_id, micros(now.boot))),
        }
    }

    /// It began at this time of day, and more is not known.
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

    /// So much earlier.
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

    /// From this moment to a later one; by the time of day if the machine was booted between them. Zero if that says that
    /// the other is earlier.
    #[must_use]
    pub fn until(&self, later: &Self) -> Duration {
        Duration::from_micros(match (self.boot, later.boot) {
            (Some((boot_id, began)), Some((later_id, ended))) if boot_id == later_id => {
                ended.saturating_sub(began)
            }
            _ => later.wall.saturating_sub(self.wall),
        })
    }

    /// Whether its age is certain: it was in this boot, which has a clock that nobody sets.
    #[must_use]
    pub fn is_of_this_boot(&self, now: &Now) -> bool {
        self.of_boot(now).is_some()
    }

    /// How long ago that is; by the time of day if it was before the boot. Zero if that says that it is yet to come.
    #[must_use]
    pub fn age(&self, now: &Now) -> Duration {
        match self.of_boot(now) {
            Some(began) => now.boot.saturating_sub(began),
            None => Duration::from_micros(unix_micros(now.wall).saturating_sub(self.wall)),
        }
    }

    /// Whether it is certain that this is longer ago than `limit`.
    #[must_use]
    pub fn is_older_than(&self, limit: Duration, now: &Now) -> bool {
        self.is_certain(now) && self.age(now) > limit
    }

    /// Whether it is certain that this is so long ago, or longer.
    #[must_use]
    pub fn is_at_least(&self, limit: Duration, now: &Now) -> bool {
        self.is_certain(now) && self.age(now) >= limit
    }

    fn is_certain(&self, now: &Now) -> bool {
        self.is_of_this_boot(now) || now.steady_for >= SETTLE
    }

    fn of_boot(&self, now: &Now) -> Option<Duration> {
        let (_, micros) = self.boot.filter(|(boot_id, _)| *boot_id == now.boot_id)?;
        Some(Duration::from_micros(micros))
    }

    /// The boot and the microseconds since it, in a form for the name of a file; nothing where only the time of day is
    /// known.
    #[must_use]
    pub fn mark(&self) -> Option<String> {
        let (BootId(id), micros) = self.boot?;
        Some(format!("{id:016x}-{micros:016}"))
    }

    /// Reads what [`Since::mark`] wrote.
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

/// Reads the clocks, and remembers how long the time of day has been steady. It has to be read now and then for that.
#[derive(Debug)]
pub struct Clock {
    source: fn() -> (SystemTime, Duration),
    boot_id: BootId,
    last: Option<(SystemTime, Duration)>,
    /// Since when, in time since the boot.
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
    /// The clocks as they are.
    pub fn read(&mut self) -> Now {
        let (wall, boot) = (self.source)();
        self.observe(wall, boot)
    }

    /// The clocks as they are said to be.
    pub(crate) fn observe(&mut self, wall: SystemTime, boot: Duration) -> Now {
        let is_steady = self.last.is_some_and(|(wall_before, boot_before)| {
            let expected = wall_before + boot.saturating_sub(boot_before);
            let off = wall
                .duration_since(expected)
                .unwrap_or_else(|error| error.duration());
            off < STEP
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

    /// The clock of a boot, which somebody else tells the time.
    #[cfg(test)]
    pub(crate) fn of_boot(id: u64) -> Self {
        Self {
            boot_id: BootId(id),
            ..Self::default()
        }
    }

    /// The same, told the time by `source`.
    #[cfg(test)]
    pub(crate) fn told_by(self, source: fn() -> (SystemTime, Duration)) -> Self {
        Self { source, ..self }
    }
}

/// A time of day that was read.
fn wall<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(u64::deserialize(deserializer)?.min(LAST))
}

fn unix_micros(time: SystemTime) -> u64 {
    micros(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()).min(LAST)
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
        let kept = serde_json::to_string(&since).unwrap();
        let read: Since = serde_json::from_str(&kept).unwrap();
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
        // The clock of the hardware is wrong, until NTP has set it.
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
        let now = clock.observe(noon() + DAY + SETTLE, MINUTE + SETTLE);
        assert!(since.is_older_than(DAY - MINUTE, &now));
    }

    #[test]
    fn a_time_of_day_beyond_the_calendar_is_its_last_moment_wherever_it_comes_from() {
        let end = "9999-12-31T23:59:59.999999000Z";
        for wall in [LAST, LAST + 1, i64::MAX as u64, u64::MAX] {
            let kept = format!(r#"{{"wall":{wall},"boot":[7,{}]}}"#, u64::MAX);
            let mut found = vec![serde_json::from_str::<Since>(&kept).unwrap()];
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
