//! Lengths of time and sizes as a person writes them in a suite.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A length of time in a configuration: `300ms`, `5s`, `1m`, `12h`, `21d`, `2w`, or several in a row: `1h30m`.
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

/// A number of bytes in a configuration: `512`, `64KiB`, `1MiB`, `2GB`.
///
/// ```
/// use canary_sdk::ByteSize;
///
/// assert_eq!("1MiB".parse::<ByteSize>()?.get(), 1_048_576);
/// # Ok::<(), canary_sdk::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is no length of time or no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a length of time.
    #[error("`{0}` is not a length of time such as `300ms`, `5s`, `1m30s`, `12h` or `21d`")]
    Duration(String),
    /// Not a size.
    #[error("`{0}` is not a size such as `512`, `64KiB` or `1MiB`")]
    Size(String),
}

const TIME_UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
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

    /// The same as the standard library has it.
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
        let mut rest = text;
        let mut total: Option<u64> = None;
        while let Some((milliseconds, tail)) = leading_amount(rest, &TIME_UNITS) {
            total = total.unwrap_or(0).checked_add(milliseconds);
            rest = tail;
        }
        match total {
            Some(milliseconds) if rest.is_empty() => Ok(Self::from_millis(milliseconds)),
            _ => Err(UnitError::Duration(text.into())),
        }
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match leading_amount(text, &SIZE_UNITS) {
            Some((bytes, "")) => Ok(Self(bytes)),
            _ => Err(UnitError::Size(text.into())),
        }
    }
}

/// Takes a number and its unit off the front and gives their product and what is left.
fn leading_amount<'t>(text: &'t str, units: &[(&str, u64)]) -> Option<(u64, &'t str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (word, rest) = rest.split_at_checked(end)?;
    let (_, scale) = units.iter().find(|(unit, _)| *unit == word)?;
    Some((number.parse::<u64>().ok()?.checked_mul(*scale)?, rest))
}

impl fmt::Display for Duration {
    /// The two largest units that matter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let mut written = 0;
        for (unit, scale) in TIME_UNITS.into_iter().skip(1) {
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
    /// As `Display` writes it where that is exact, or in milliseconds.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = self.to_string();
        match written.parse() {
            Ok(parsed) if *self == parsed => serializer.serialize_str(&written),
            _ => serializer.collect_str(&format_args!("{}ms", self.0.as_millis())),
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
            "description": "A length of time: `300ms`, `5s`, `1m30s`, `12h`, `21d`.",
            "type": "string",
            "pattern": "^([0-9]+(ms|s|m|h|d|w))+$",
            "examples": ["300ms", "5s", "1m30s", "21d"],
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
            "description": "A number of bytes: `512`, `64KiB`, `1MiB`.",
            "type": ["string", "integer"],
            "minimum": 0,
            "pattern": "^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)?$",
            "examples": ["512", "64KiB", "1MiB"],
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
        for text in ["21d", "1m30s", "90061001ms"] {
            let json = serde_json::to_string(&text.parse::<Duration>().unwrap()).unwrap();
            assert_eq!(json, format!("\"{text}\""));
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_an_error() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5 s",
            "5sec",
            "99999999999999999999s",
            "9999999999999999w",
            "1é",
        ] {
            assert!(text.parse::<Duration>().is_err(), "`{text}`");
        }
    }

    #[test]
    fn sizes_are_numbers_or_text() {
        let parse = |json: &str| serde_json::from_str::<ByteSize>(json).map(ByteSize::get);
        assert_eq!(parse("512").unwrap(), 512);
        assert_eq!(parse("\"512\"").unwrap(), 512);
        assert_eq!(parse("\"64KiB\"").unwrap(), 65_536);
        assert_eq!(parse("\"2MB\"").unwrap(), 2_000_000);
        assert!(parse("\"1 MiB\"").is_err() && parse("-1").is_err() && parse("\"\"").is_err());
        assert_eq!(ByteSize::from_bytes(3 << 20).to_string(), "3MiB");
        assert_eq!(ByteSize::from_bytes(1000).to_string(), "1000B");
    }
}
