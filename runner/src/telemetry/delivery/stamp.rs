//! The place of a request in the order of its signal, which is also when it was begun.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970, but always later than the stamp before it, also when the clock goes back and across
/// restarts: names of files sort by it, and it says how old they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

impl Stamp {
    /// The stamp of what begins `now`, after `last`.
    pub(super) fn after(last: Option<Self>, now: SystemTime) -> Self {
        let clock = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let clock = u64::try_from(clock).unwrap_or(u64::MAX);
        let next = last.map_or(0, |last| last.0.saturating_add(1));
        Self(clock.max(next))
    }

    /// How long ago that was; zero when the clock went back behind it.
    pub(super) fn age(self, now: SystemTime) -> Duration {
        now.duration_since(UNIX_EPOCH + Duration::from_micros(self.0))
            .unwrap_or_default()
    }

    /// Reads what `Display` wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_stamp = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_stamp.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_later_than_the_one_before_though_the_clock_went_back() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let first = Stamp::after(None, noon);
        let second = Stamp::after(Some(first), noon - Duration::from_secs(60));
        assert!(second > first);
        assert_eq!(
            second.age(noon + Duration::from_secs(5)),
            Duration::from_micros(4_999_999)
        );
    }

    #[test]
    fn a_stamp_is_read_from_its_own_text_only() {
        let stamp = Stamp::after(None, UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(stamp.to_string(), "00000000000001000000");
        assert_eq!(Stamp::parse("00000000000001000000"), Some(stamp));
        for text in [
            "",
            "1",
            "+0000000000001000000",
            "0000000000000100000x",
            "99999999999999999999",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
