//! Durations and sizes as a person writes them: one grammar for suites, the configuration of plugins and the command
//! line.
//!
//! Both are numbers with a unit, in upper or lower case, with or without blanks, with or without a fraction: `1.5h`,
//! `8 MiB`. A duration may have several parts, `1h 30m`; a size without a unit is a number of bytes. Errors of
//! regular expressions are explained in common terms as well.

mod number;
mod pattern;
#[cfg(test)]
mod tests;

use std::time::Duration;

use number::leading;
pub use pattern::pattern_reason;

/// The name of the JSON Schema `format` of a duration: what [`duration`] parses.
pub const DURATION_FORMAT: &str = "canary-duration";
/// The name of the JSON Schema `format` of a size: what [`size`] parses.
pub const SIZE_FORMAT: &str = "canary-size";

/// Regular expression for tools that do not know [`DURATION_FORMAT`]: everything that [`duration`] parses, and more.
pub const DURATION_PATTERN: &str = r"^\s*(0|([0-9]+(\.[0-9]+)?\s*[A-Za-zµμΜ]+\s*)+)\s*$";
/// Regular expression for tools that do not know [`SIZE_FORMAT`]: everything that [`size`] parses, and a little more.
pub const SIZE_PATTERN: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*([KkMmGgTt][Ii]?)?[Bb]?\s*$";

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Units of time in nanoseconds, with the lower-case names of each.
const TIMES: [(u64, &[&str]); 10] = [
    (1, &["ns", "nsec", "nanos"]),
    (MICROSECOND, &["us", "µs", "μs", "usec"]),
    (MILLISECOND, &["ms", "msec", "millis"]),
    (SECOND, &["s", "sec", "secs", "second", "seconds"]),
    (MINUTE, &["m", "min", "mins", "minute", "minutes"]),
    (HOUR, &["h", "hr", "hrs", "hour", "hours"]),
    (DAY, &["d", "day", "days"]),
    (7 * DAY, &["w", "wk", "wks", "week", "weeks"]),
    // A twelfth of a year.
    (2_629_800 * SECOND, &["month", "months"]),
    (31_557_600 * SECOND, &["y", "yr", "yrs", "year", "years"]),
];

/// Units of size in bytes, with the lower-case names of each. `K`, `M`, `G` and `T` are powers of ten.
const SIZES: [(u64, &[&str]); 9] = [
    (1, &["", "b"]),
    (1_000, &["k", "kb"]),
    (1_000_000, &["m", "mb"]),
    (1_000_000_000, &["g", "gb"]),
    (1_000_000_000_000, &["t", "tb"]),
    (1 << 10, &["ki", "kib"]),
    (1 << 20, &["mi", "mib"]),
    (1 << 30, &["gi", "gib"]),
    (1 << 40, &["ti", "tib"]),
];

/// Why a text is not a duration, or not a size. [`UnitError::message`] names the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// Not in one of the forms of the hint.
    #[error("not a duration")]
    Duration,
    /// Not in one of the forms of the hint.
    #[error("not a size")]
    Size,
    /// More than 64 bits of seconds, or of bytes.
    #[error("too large")]
    TooLarge,
    /// A fraction of a byte is left over.
    #[error("not a whole number of bytes")]
    PartOfByte,
}

impl UnitError {
    /// The message about a text, which is passed as it is to be shown: quoted.
    #[must_use]
    pub fn message(self, quoted: &str) -> String {
        match self {
            Self::Duration => format!("invalid duration {quoted}"),
            Self::Size => format!("invalid size {quoted}"),
            Self::TooLarge | Self::PartOfByte => format!("{quoted} is {self}"),
        }
    }

    /// A hint at what to write.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Duration => {
                "write a number with a unit, such as `500ms`, `30s`, `5m`, `1.5h`, `1h 30m` or `21d`"
            }
            Self::Size => {
                "write bytes such as `4096`, or a number with a unit such as `64KiB`, `8 MiB` or `1GB`"
            }
            Self::TooLarge => "write a smaller number",
            Self::PartOfByte => "write a smaller unit",
        }
    }
}

/// Reads a duration: numbers with units, added up, such as `500ms`, `1.5h`, `1h 30m` or `2 weeks`; or `0`.
///
/// Parts of a nanosecond are dropped. A month is a twelfth of a year, and a year is 365.25 days. A lone `M` is refused:
/// it might be minutes or months.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(canary_units::duration("1h 30m"), Ok(Duration::from_secs(5_400)));
/// assert_eq!(canary_units::duration("1.5 H"), Ok(Duration::from_secs(5_400)));
/// ```
///
/// # Errors
/// The text is something else, or more than 64 bits of seconds.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(UnitError::Duration);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, word, behind) = leading(rest).ok_or(UnitError::Duration)?;
        let scale = scale(&TIMES, word).filter(|_| word != "M");
        let nanoseconds = number
            .times(scale.ok_or(UnitError::Duration)?)
            .ok_or(UnitError::TooLarge)?;
        total = total.checked_add(nanoseconds.whole).ok_or(UnitError::TooLarge)?;
        rest = behind;
    }
    from_nanoseconds(total).ok_or(UnitError::TooLarge)
}

fn from_nanoseconds(total: u128) -> Option<Duration> {
    let seconds = u64::try_from(total / u128::from(SECOND)).ok()?;
    let rest = u32::try_from(total % u128::from(SECOND)).ok()?;
    Some(Duration::new(seconds, rest))
}

/// Formats a duration exactly, so that [`duration`] parses it: in its largest whole unit, `90s`, `1500ms`, `2h`.
#[must_use]
pub fn show(duration: Duration) -> String {
    const UNITS: [(u64, &str); 6] = [
        (DAY, "d"),
        (HOUR, "h"),
        (MINUTE, "m"),
        (SECOND, "s"),
        (MILLISECOND, "ms"),
        (MICROSECOND, "us"),
    ];
    // 60s and 90s are more usual than 1m and 1.5m.
    const SECONDS_BELOW: u128 = 120;
    let total = duration.as_nanos();
    let is_short = total < SECONDS_BELOW * u128::from(SECOND);
    let fits = |unit: u64| total.is_multiple_of(u128::from(unit)) && (unit <= SECOND || !is_short);
    match UNITS.into_iter().find(|(unit, _)| fits(*unit)) {
        Some((unit, name)) => format!("{}{name}", total / u128::from(unit)),
        None => format!("{total}ns"),
    }
}

/// Reads a number of bytes, such as `4096`, `64KiB`, `1.5 MiB`, `1GB` or `1M`.
///
/// ```
/// assert_eq!(canary_units::size("1.5 MiB"), Ok(1_572_864));
/// assert_eq!(canary_units::size("1mib"), Ok(1_048_576));
/// assert_eq!(canary_units::size("1M"), Ok(1_000_000));
/// ```
///
/// # Errors
/// The text is something else, not a whole number of bytes, or more than 64 bits of them.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (number, word, rest) = leading(text.trim()).ok_or(UnitError::Size)?;
    let scale = scale(&SIZES, word).filter(|_| rest.is_empty());
    let bytes = number
        .times(scale.ok_or(UnitError::Size)?)
        .ok_or(UnitError::TooLarge)?;
    if !bytes.is_exact {
        return Err(UnitError::PartOfByte);
    }
    u64::try_from(bytes.whole).map_err(|_| UnitError::TooLarge)
}

fn scale(units: &[(u64, &[&str])], word: &str) -> Option<u64> {
    let word = word.to_lowercase();
    let named = units.iter().find(|(_, words)| words.contains(&&*word));
    named.map(|(scale, _)| *scale)
}
