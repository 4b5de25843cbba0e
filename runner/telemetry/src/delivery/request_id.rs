//! The id of a request, which orders the requests of a signal and records its creation time.

use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use canary_system::age::{Now, Since};

/// Ids from here on are treated as damage: each id needs successors.
const END: u64 = u64::MAX / 2;

/// A monotonic id, also across restarts and when the clock is set back, with the creation time of the request. File
/// names begin with the number and sort by it. Ids are compared by number only.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId {
    /// Microseconds since the Unix epoch, or the previous number plus one.
    number: u64,
    since: Since,
}

impl RequestId {
    /// The id of a request created `now`, after `last`.
    pub(super) fn next(last: Option<Self>, now: &Now) -> Self {
        Self::new(last, now.wall, Since::now(now))
    }

    /// The id of a further part of the same batch, after `last`.
    pub(super) fn next_part(self, last: Option<Self>) -> Self {
        Self::new(last, UNIX_EPOCH, self.since)
    }

    fn new(last: Option<Self>, wall: SystemTime, since: Since) -> Self {
        let clock = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let clock = u64::try_from(clock).unwrap_or(u64::MAX);
        let next = last.map_or(0, |last| last.number.saturating_add(1));
        Self {
            number: clock.max(next),
            since,
        }
    }

    /// The creation time.
    pub(super) fn since(self) -> Since {
        self.since
    }

    /// The number as it appears at the start of file names.
    pub(super) fn number(self) -> String {
        format!("{:020}", self.number)
    }

    /// Parses the output of `Display`, also of older versions, which wrote the number only.
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

    /// The id for a wall-clock time.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn from_wall_clock(wall: SystemTime) -> Self {
        Self::new(None, wall, Since::at(wall))
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for RequestId {}

impl PartialOrd for RequestId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RequestId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl fmt::Display for RequestId {
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
    use canary_system::age::Clock;

    #[test]
    fn a_request_id_is_later_than_the_one_before_though_the_clock_went_back() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut clock = Clock::of_boot(1);
        let first = RequestId::next(None, &clock.observe(noon, Duration::from_secs(100)));
        let back = clock.observe(noon - Duration::from_secs(60), Duration::from_secs(105));
        let second = RequestId::next(Some(first), &back);
        assert!(second > first);
        assert_eq!(first.since().age(&back), Duration::from_secs(5));
        assert_eq!(second.since().age(&back), Duration::ZERO);
    }

    #[test]
    fn the_largest_number_that_is_read_has_others_after_it() {
        let last = RequestId::parse("09223372036854775806").unwrap();
        let now = Clock::of_boot(1).observe(UNIX_EPOCH, Duration::ZERO);
        let next = RequestId::next(Some(last), &now);
        assert!(next > last && next.next_part(Some(next)) > next);
    }

    #[test]
    fn a_request_id_is_read_from_its_own_text_only() {
        let id = RequestId::from_wall_clock(UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(id.to_string(), "00000000000001000000");
        assert_eq!(RequestId::parse("00000000000001000000"), Some(id));
        let now = Clock::of_boot(0xca11a).observe(UNIX_EPOCH, Duration::from_secs(7));
        let marked = RequestId::next(Some(id), &now);
        let text = "00000000000001000001.00000000000ca11a-0000000007000000";
        assert_eq!(marked.to_string(), text);
        let read = RequestId::parse(text).unwrap();
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
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }
}
