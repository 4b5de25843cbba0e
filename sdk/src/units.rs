//! Durations and sizes in a suite.

pub use canary_units::pattern_reason;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A length of time in a configuration, as a suite has it: `300ms`, `5s`, `1.5h`, `21d`, or several in a row: `1h 30m`.
///
/// ```
/// use canary_sdk::Duration;
///
/// let limit: Duration = "1m30s".parse()?;
/// assert_eq!(limit.get(), std::time::Duration::from_secs(90));
/// assert_eq!(limit.to_string(), "1m30s");
/// # Ok::<(), canary_sdk::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// A number of bytes in a configuration, as a suite has it: `512`, `64KiB`, `1 MiB`, `2GB`.
///
/// ```
/// use canary_sdk::ByteSize;
///
/// assert_eq!("1MiB".parse::<ByteSize>()?.get(), 1_048_576);
/// # Ok::<(), canary_sdk::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is not a duration, or not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    message: String,
}

impl UnitError {
    fn new(text: &str, reason: canary_units::UnitError) -> Self {
        let text: String = text.chars().take(MAX_QUOTED).collect();
        let message = reason.message(&format!("`{text}`"));
        Self {
            message: format!("{message}; {}", reason.hint()),
        }
    }
}

/// Maximum characters of a text in an error.
const MAX_QUOTED: usize = 60;

/// The units in which a duration is displayed, in milliseconds.
const SHOWN_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl Duration {
    /// So many milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(time::Duration::from_millis(milliseconds))
    }

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    /// So many days.
    pub const fn from_days(days: u64) -> Self {
        Self::from_secs(days.saturating_mul(86_400))
    }

    /// The duration as the standard library's type.
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl ByteSize {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Duration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        canary_units::duration(text)
            .map(Self)
            .map_err(|reason| UnitError::new(text, reason))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        canary_units::size(text)
            .map(Self)
            .map_err(|reason| UnitError::new(text, reason))
    }
}

impl fmt::Display for Duration {
    /// Displays the two largest non-zero units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let mut written = 0;
        for (unit, scale) in SHOWN_UNITS {
            let count = rest / scale;
            rest %= scale;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                written += 1;
            }
            if written == 2 {
                break;
            }
        }
        if written == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units
            .into_iter()
            .find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
        {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl serde::Serialize for Duration {
    /// Serialised as by `Display` if that is exact, or else in one unit.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = self.to_string();
        match written.parse() {
            Ok(parsed) if *self == parsed => serializer.serialize_str(&written),
            _ => serializer.serialize_str(&canary_units::show(self.0)),
        }
    }
}

impl serde::Serialize for ByteSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: `300ms`, `5s`, `1m 30s`, `1.5h`, `21d`.",
            "type": "string",
            "format": canary_units::DURATION_FORMAT,
            "examples": ["300ms", "5s", "1m 30s", "21d"],
        })
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: `512`, `64KiB`, `1 MiB`.",
            "type": ["string", "integer"],
            "minimum": 0,
            "format": canary_units::SIZE_FORMAT,
            "examples": ["512", "64KiB", "1 MiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_parse_and_print_back() {
        for text in ["300ms", "5s", "1m30s", "12h", "21d", "1d12h", "0s"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        assert_eq!("2w".parse::<Duration>().unwrap(), Duration::from_days(14));
    }

    #[test]
    fn a_length_of_time_is_serialised_without_loss() {
        for text in ["21d", "1m30s", "90061001ms", "1500us", "7ns"] {
            let json = serde_json::to_string(&text.parse::<Duration>().unwrap()).unwrap();
            assert_eq!(json, format!("\"{text}\""));
        }
    }

    #[test]
    fn what_is_not_a_length_of_time_is_an_error_that_says_what_is() {
        let error = "soon".parse::<Duration>().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "invalid duration `soon`; {}",
                canary_units::UnitError::Duration.hint()
            )
        );
        let error = serde_json::from_str::<Duration>("\"99999999999999999999s\"").unwrap_err();
        assert!(error.to_string().contains("is too large"), "{error}");
    }

    /// [`canary_units`] parses both: a suite and the configurations in it have one grammar.
    #[test]
    fn a_configuration_is_read_as_a_suite_is() {
        for text in [
            "1h 30m", "1.5h", "2w", "1 s", "1 minute", "500MS", "100us", "30", "5M", "", "x",
        ] {
            let read = serde_json::from_value::<Duration>(text.into()).map(Duration::get);
            assert_eq!(read.ok(), canary_units::duration(text).ok(), "`{text}`");
        }
        for text in ["1mib", "1 MiB", "1M", "1.5KiB", "0.3KiB", "12", "", "x"] {
            let read = serde_json::from_value::<ByteSize>(text.into()).map(ByteSize::get);
            assert_eq!(read.ok(), canary_units::size(text).ok(), "`{text}`");
        }
    }

    #[test]
    fn sizes_are_numbers_or_text() {
        let parse = |json: &str| serde_json::from_str::<ByteSize>(json).map(ByteSize::get);
        assert_eq!(parse("512").unwrap(), 512);
        assert_eq!(parse("\"512\"").unwrap(), 512);
        assert_eq!(parse("\"64KiB\"").unwrap(), 65_536);
        assert_eq!(parse("\"2MB\"").unwrap(), 2_000_000);
        assert!(parse("-1").is_err() && parse("\"\"").is_err());
        assert_eq!(ByteSize::from_bytes(3 << 20).to_string(), "3MiB");
        assert_eq!(ByteSize::from_bytes(1000).to_string(), "1000B");
    }
}
