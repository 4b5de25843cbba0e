//! Durations and sizes, as a suite writes them.

use std::time::Duration;

/// Suffixes of a size, in lower case, with their bytes.
const SIZES: [(&str, u64); 7] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// Why a text is no duration or no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// Neither of the forms in the hint.
    #[error("is no duration")]
    Duration,
    /// Neither of the forms in the hint.
    #[error("is no size")]
    Size,
    /// Does not fit 64 bits.
    #[error("is too large")]
    TooLarge,
}

impl UnitError {
    /// The forms that are understood.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Duration => "write a number with a unit, such as `500ms`, `30s`, `5m` or `1h 30m`",
            Self::Size => {
                "write bytes such as `4096`, or a whole number with a unit such as `64 KiB`, `8MiB` or `1GB`"
            }
            Self::TooLarge => "write a smaller number",
        }
    }
}

/// Such as `500ms`, `30s`, `1h 30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, UnitError> {
    humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => UnitError::TooLarge,
        _ => UnitError::Duration,
    })
}

/// A duration in its largest whole unit: `90s`, `1500ms`, `2h`.
pub(crate) fn show(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    // People say 60s and 90s.
    const SECONDS_BELOW: u64 = 120_000;
    let Ok(millis) = u64::try_from(duration.as_millis()) else {
        return humantime::format_duration(duration).to_string();
    };
    let fits = |unit: u64| millis.is_multiple_of(unit) && (millis >= SECONDS_BELOW || unit == 1_000);
    let unit = UNITS.into_iter().find(|(unit, _)| fits(*unit));
    unit.map_or_else(
        || format!("{millis}ms"),
        |(unit, name)| format!("{}{name}", millis / unit),
    )
}

/// Such as `4096`, `64 KiB`, `8MiB`, `1GB`.
pub(crate) fn size(text: &str) -> Result<u64, UnitError> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    if digits.is_empty() {
        return Err(UnitError::Size);
    }
    let number: u64 = digits.parse().map_err(|_| UnitError::TooLarge)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, bytes) = SIZES
        .into_iter()
        .find(|(suffix, _)| *suffix == unit || (unit.is_empty() && *suffix == "b"))
        .ok_or(UnitError::Size)?;
    number.checked_mul(bytes).ok_or(UnitError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_of_bytes_or_has_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096 B", 4096),
            ("8MiB", 8 << 20),
            ("8 mib", 8 << 20),
            ("1 GB", 1_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_without_number_or_with_a_fraction_is_refused() {
        for text in ["", "MiB", "-1", "1.5MiB", "1 parsec", "0x10"] {
            assert_eq!(size(text), Err(UnitError::Size), "{text}");
        }
        assert_eq!(size("99999999999999999999"), Err(UnitError::TooLarge));
        assert_eq!(size("99999999999999 GiB"), Err(UnitError::TooLarge));
    }

    #[test]
    fn a_duration_is_shown_in_its_largest_whole_unit() {
        for (millis, text) in [
            (0, "0s"),
            (10, "10ms"),
            (1_500, "1500ms"),
            (60_000, "60s"),
            (120_000, "2m"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(show(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_duration_needs_a_unit() {
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        for text in ["", "30", "soon", "-5s", "NaN", "30 parsecs"] {
            assert_eq!(duration(text), Err(UnitError::Duration), "{text}");
        }
        assert_eq!(duration("99999999999999999999s"), Err(UnitError::TooLarge));
    }
}
