//! Dates of cookies, which servers write in many forms (RFC 6265, section 5.1.1).

use std::ops::RangeInclusive;
use std::time::SystemTime;

use jiff::civil::DateTime;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// The first year of the current cycle of the Gregorian calendar.
const FIRST_YEAR: i16 = 1601;

/// Reads a date: its parts may come in any order, and everything else is ignored, the zone included.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let mut parts = Parts::default();
    for token in text.as_bytes().split(|byte| is_delimiter(*byte)) {
        parts.take(token);
    }
    parts.date()
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// The parts of a date found so far.
#[derive(Default)]
struct Parts {
    /// Hour, minute, second.
    time: Option<[i8; 3]>,
    day: Option<i8>,
    /// From 1.
    month: Option<i8>,
    year: Option<i16>,
}

impl Parts {
    /// A token is the first missing part that it can be.
    fn take(&mut self, token: &[u8]) {
        if self.time.is_none()
            && let Some(time) = time(token)
        {
            self.time = Some(time);
        } else if self.day.is_none()
            && let Some((day, _)) = number(token, 1..=2)
        {
            self.day = i8::try_from(day).ok();
        } else if self.month.is_none()
            && let Some(month) = month(token)
        {
            self.month = Some(month);
        } else if self.year.is_none()
            && let Some((year, _)) = number(token, 2..=4)
        {
            self.year = Some(full_year(year));
        }
    }

    /// `None` if a part is missing, or if there is no such date.
    fn date(&self) -> Option<SystemTime> {
        let [hour, minute, second] = self.time?;
        let year = self.year.filter(|year| *year >= FIRST_YEAR)?;
        let date = DateTime::new(year, self.month?, self.day?, hour, minute, second, 0).ok()?;
        let since = date.duration_since(EPOCH);
        if since.is_negative() {
            SystemTime::UNIX_EPOCH.checked_sub(since.unsigned_abs())
        } else {
            SystemTime::UNIX_EPOCH.checked_add(since.unsigned_abs())
        }
    }
}

/// The number that a text begins with, if it has so many digits, and what follows it.
fn number(text: &[u8], digits: RangeInclusive<usize>) -> Option<(i16, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let (number, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let number = digits.contains(&number.len()).then_some(number)?;
    Some((str::from_utf8(number).ok()?.parse().ok()?, rest))
}

fn time(token: &[u8]) -> Option<[i8; 3]> {
    let (hour, rest) = number(token, 1..=2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 1..=2)?;
    let (second, _) = number(rest.strip_prefix(b":")?, 1..=2)?;
    let [hour, minute, second] = [hour, minute, second].map(i8::try_from);
    Some([hour.ok()?, minute.ok()?, second.ok()?])
}

fn month(token: &[u8]) -> Option<i8> {
    let name = token.get(..3)?;
    let index = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))?;
    i8::try_from(index + 1).ok()
}

fn full_year(year: i16) -> i16 {
    match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    fn after_epoch(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn a_date_is_read_in_every_form_that_servers_write() {
        for text in [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Thu, 01-Jan-70 00:00:00 GMT",
            "Thu, 01-Jan-1970 00:00:00 GMT",
            "Thursday, 01-Jan-70 00:00:00 GMT",
            "Thu, 1 Jan 1970 00:00:00 GMT",
            "Thu, 01 Jan 1970 00:00:00 UTC",
            "Thu, 01 Jan 1970 00:00:00 +0000",
            "Thu, 01 Jan 1970 00:00:00",
            "Thu Jan  1 00:00:00 1970",
            "1970 January 1 0:0:0",
            "\"01/JAN/1970, 00:00:00.5z\"",
        ] {
            assert_eq!(parse(text), after_epoch(0), "{text}");
        }
        for text in ["Sunday, 06-Nov-94 08:49:37 GMT", "08:49:37 06 Nov 1994"] {
            assert_eq!(parse(text), after_epoch(784_111_777), "{text}");
        }
        assert_eq!(parse("1999 Jan 1 00:00:00"), after_epoch(915_148_800));
        assert_eq!(parse("1 Jan 69 00:00:00"), after_epoch(3_124_224_000));
        assert!(parse("1 Jan 1601 00:00:00").is_some_and(|date| date < SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "0",
            "Thu, 01 Jan 1970",
            "01 1970 00:00:00",
            "01 Jan 00:00:00",
            "Jan 1970 00:00:00",
            "01 Jan 1600 00:00:00",
            "01 Jan 19700 00:00:00",
            "01 Jan 1970 24:00:00",
            "01 Jan 1970 00:60:00",
            "01 Jan 1970 00:00:60",
            "01 Jan 1970 00:00:000",
            "00 Jan 1970 00:00:00",
            "30 Feb 1970 00:00:00",
            "01 Jän 1970 00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_date_of_http_is_read_as_it_is_meant() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            // Two digits name the years from 1970 to 2069.
            let seconds = random.u32(0..3_155_760_000);
            let date = Timestamp::from_second(seconds.into()).unwrap();
            for format in [
                "%a, %d %b %Y %H:%M:%S GMT",
                "%A, %d-%b-%y %H:%M:%S GMT",
                "%a %b %e %H:%M:%S %Y",
            ] {
                let text = date.strftime(format).to_string();
                assert_eq!(parse(&text), after_epoch(seconds.into()), "{text}");
                assert_eq!(parse(&text), httpdate::parse_http_date(&text).ok(), "{text}");
            }
        }
    }
}
