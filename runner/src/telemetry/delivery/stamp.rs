//! The place of a request in the order of its signal, and when it was begun.

use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::age::{Now, Since};

/// Numbers from here on are damage: others have to come after each.
const END: u64 = u64::MAX / 2;

/// A number that is always larger than that of the stamp before, also when the clock goes back and across restarts, with
/// the moment at which the request was begun. Names of files begin with the number, and sort by it. Stamps of the same
/// number are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Microseconds since 1970, or one more than the number before.
    number: u64,
    since: Since,
}

impl Stamp {
    /// The stamp of what begins `now`, after `last`.
    pub(super) fn after(last: Option<Self>, now: &Now) -> Self {
        Self::following(last, now.wall, Since::now(now))
    }

    /// Another stamp for a part of what began at this one, after `last`.
    pub(super) fn again(self, last: Option<Self>) -> Self {
        Self::following(last, UNIX_EPOCH, self.since)
    }

    fn following(last: Option<Self>, wall: SystemTime, since: Since) -> Self {
        let clock = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let clock = u64::try_from(clock).unwrap_or(u64::MAX);
        let next = last.map_or(0, |last| last.number.saturating_add(1));
        Self {
            number: clock.max(next),
            since,
        }
    }

    /// When it was begun.
    pub(super) fn since(self) -> Since {
        self.since
    }

    /// The number as the name of a file begins with it.
    pub(super) fn number(self) -> String {
        format!("{:020}", self.number)
    }

    /// Reads what `Display` wrote, now or in an older version, which wrote the number alone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, mark) = match text.split_once('.') {
            Some((number, mark)) => (number, Some(mark)),
            None => (text, None),
        };
        let is_number = number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| is_number && *number < END)?;
        let wall = UNIX_EPOCH.checked_add(Duration::from_micros(number))?;
        let since = match mark {
            Some(mark) => Since::from_mark(wall, mark)?,
            None => Since::at(wall),
        };
        Some(Self { number, since })
    }

    /// The stamp of a moment of which only the time of day is known.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn at(wall: SystemTime) -> Self {
        Self::following(None, wall, Since::at(wall))
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Stamp {}

impl PartialOrd for Stamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.number)?;
        match self.since.mark() {
            Some(mark) => write!(f, ".{mark}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age::Clock;

    #[test]
    fn a_stamp_is_later_than_the_one_before_though_the_clock_went_back() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut clock = Clock::of_boot(1);
        let first = Stamp::after(None, &clock.observe(noon, Duration::from_secs(100)));
        let back = clock.observe(noon - Duration::from_secs(60), Duration::from_secs(105));
        let second = Stamp::after(Some(first), &back);
        assert!(second > first);
        assert_eq!(first.since().age(&back), Duration::from_secs(5));
        assert_eq!(second.since().age(&back), Duration::ZERO);
    }

    #[test]
    fn the_largest_number_that_is_read_has_others_after_it() {
        let last = Stamp::parse("09223372036854775806").unwrap();
        let now = Clock::of_boot(1).observe(UNIX_EPOCH, Duration::ZERO);
        let next = Stamp::after(Some(last), &now);
        assert!(next > last && next.again(Some(next)) > next);
    }

    #[test]
    fn a_stamp_is_read_from_its_own_text_only() {
        let stamp = Stamp::at(UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(stamp.to_string(), "00000000000001000000");
        assert_eq!(Stamp::parse("00000000000001000000"), Some(stamp));
        let now = Clock::of_boot(0xca11a).observe(UNIX_EPOCH, Duration::from_secs(7));
        let marked = Stamp::after(Some(stamp), &now);
        let text = "00000000000001000001.00000000000ca11a-0000000007000000";
        assert_eq!(marked.to_string(), text);
        let read = Stamp::parse(text).unwrap();
        assert_eq!((read, read.since().age(&now)), (marked, Duration::ZERO));
        for text in [
            "",
            "1",
            "+0000000000001000000",
            "0000000000000100000x",
            "99999999999999999999",
            "18446744073709551615",
            "09223372036854775807",
            "18446744073709551615.00000000000ca11a-0000000007000000",
            "00000000000001000000.",
            "00000000000001000000.1-2",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
