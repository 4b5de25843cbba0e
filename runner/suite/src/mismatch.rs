//! Why a key or a value is not allowed, in the same words for suites and for settings. The readers of both name the
//! place and the field.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::file_keys::{SETTINGS_KEYS, SUITE_KEYS};
use super::suggest;
use super::tree::quoted;
use super::units::{self, UnitError};

/// Prefix of keys that are ignored, for use as a place for anchors.
const EXTENSION_PREFIX: &str = "x-";

/// A key or a value that is not allowed.
pub struct Mismatch {
    /// What is wrong, in one line.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl Mismatch {
    /// A key that is not among those known, as it was written.
    pub fn unknown_key<'k>(key: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Self {
        Self {
            message: format!("unknown key {}", quoted(key)),
            hint: suggest::hint(key, known),
        }
    }

    /// A key that a suite does not have at its top level. One of the settings file is in the wrong file.
    pub(super) fn unknown_key_of_suite(key: &str) -> Self {
        let is_setting = SETTINGS_KEYS.contains(&key);
        let hint = is_setting
            .then(|| format!("`{key}` belongs in the settings file of the runner, which `--config` names"));
        Self::unknown_key(key, SUITE_KEYS).or_else(hint)
    }

    /// A key that the settings file does not have at its top level. One of a suite is in the wrong file.
    pub fn unknown_setting<'k>(key: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Self {
        let hint = SUITE_KEYS.contains(&key).then(|| {
            format!(
                "`{key}` belongs in a suite, whose file is an argument, such as in `canary run suite.yaml`"
            )
        });
        Self::unknown_key(key, known).or_else(hint)
    }

    /// With this hint, if there is one, in place of its own.
    fn or_else(self, hint: Option<String>) -> Self {
        Self {
            hint: hint.or(self.hint),
            ..self
        }
    }

    /// A value of another type: `expected a list, found nothing`.
    pub fn unexpected(expected: &str, found: &str) -> Self {
        Self {
            message: format!("expected {expected}, found {found}"),
            hint: None,
        }
    }

    /// A value that is not a string. A number or a boolean becomes one by quotes.
    pub fn not_a_string(found: &str, is_plain: bool) -> Self {
        Self {
            hint: is_plain.then(|| "put it in quotes".to_owned()),
            ..Self::unexpected("a string", found)
        }
    }

    fn of_unit(error: UnitError, quoted: &str) -> Self {
        Self {
            message: error.message(quoted),
            hint: Some(error.hint().to_owned()),
        }
    }
}

/// A value outside of the range that is allowed.
pub struct OutOfRange {
    /// The value, as text.
    pub value: String,
    /// `LOW to HIGH`.
    pub allowed: String,
}

/// Whether a key is ignored.
pub fn is_extension(key: &str) -> bool {
    key.starts_with(EXTENSION_PREFIX)
}

/// Parses a duration. `quoted` is the text as a message may show it.
pub fn duration(text: &str, quoted: &str) -> Result<Duration, Mismatch> {
    units::duration(text).map_err(|error| Mismatch::of_unit(error, quoted))
}

/// Parses a size. `quoted` is the text as a message may show it.
pub fn size(text: &str, quoted: &str) -> Result<u64, Mismatch> {
    units::size(text).map_err(|error| Mismatch::of_unit(error, quoted))
}

/// The value, if it is in the range. `show` formats a value for a message.
pub fn in_range<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, OutOfRange> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(OutOfRange {
        value: show(&value),
        allowed: format!("{} to {}", show(range.start()), show(range.end())),
    })
}
