//! Values that must not leave: interpolated from the environment or from files.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands in place of a secret.
pub(super) const REDACTED: &str = "***";
/// Bytes; a shorter value would blank out ordinary words.
const MIN_BYTES: usize = 4;
/// Bytes; a shorter line of a secret with many lines may be anything.
const MIN_LINE_BYTES: usize = 8;
/// Characters; a shorter piece of base64 may be anything.
const MIN_BASE64_CHARS: usize = 8;
/// Lines of one secret that are looked for on their own.
const MAX_LINES: usize = 256;

/// The secrets of one check. `Debug` shows only how many there are.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[Arc<Secret>]>);

/// One interpolated value, and the forms in which it may turn up.
pub(super) struct Secret {
    value: Arc<str>,
    /// Longest first, so that no part of a secret is left over.
    needles: Vec<String>,
}

impl Secrets {
    pub(super) fn new(mut secrets: Vec<Arc<Secret>>) -> Self {
        secrets.sort_by(|a, b| {
            b.value
                .len()
                .cmp(&a.value.len())
                .then_with(|| a.value.cmp(&b.value))
        });
        secrets.dedup_by(|a, b| a.value == b.value);
        Self(secrets.into())
    }

    /// These values, whatever brought them in.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(
            values
                .into_iter()
                .map(|value| Arc::new(Secret::new(value)))
                .collect(),
        )
    }

    /// Replaces every secret in `text`, and its base64 form, even within that of a longer text, by `***`. Values of fewer than 4 bytes stay.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = text.to_owned();
        for needle in self.0.iter().flat_map(|secret| &secret.needles) {
            if redacted.contains(needle.as_str()) {
                redacted = redacted.replace(needle.as_str(), REDACTED);
            }
        }
        redacted
    }

    /// Whether there is nothing to redact.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({}, redacted)", self.0.len())
    }
}

impl Secret {
    pub(super) fn new(value: &str) -> Self {
        Self {
            value: value.into(),
            needles: needles(value),
        }
    }

    pub(super) fn expose(&self) -> &str {
        &self.value
    }
}

fn needles(value: &str) -> Vec<String> {
    if value.len() < MIN_BYTES {
        return Vec::new();
    }
    let mut needles = vec![value.to_owned()];
    for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        needles.push(alphabet.encode(value));
        needles.extend((0..3).filter_map(|shift| within_base64(alphabet, value, shift)));
    }
    // A peer or a parser may quote one line of a key.
    let lines = value
        .lines()
        .map(str::trim)
        .filter(|line| line.len() >= MIN_LINE_BYTES);
    let lines = lines.filter(|line| !line.starts_with("-----"));
    needles.extend(lines.take(MAX_LINES).map(str::to_owned));
    needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    needles.dedup();
    needles
}

/// What is always the same in the base64 of a longer text that holds `value` behind `shift` bytes more than a
/// multiple of three, as `user:password` does.
fn within_base64(alphabet: &GeneralPurpose, value: &str, shift: usize) -> Option<String> {
    let encoded = alphabet.encode([&vec![0; shift], value.as_bytes()].concat());
    // Characters that hold bits of what stands before it.
    let start = (shift * 8).div_ceil(6);
    // The last one holds bits of what comes after it, unless it is full.
    let end = (shift + value.len()) * 8 / 6;
    let piece = encoded.get(start..end)?;
    (piece.len() >= MIN_BASE64_CHARS).then(|| piece.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        Secrets::new(values.iter().map(|value| Arc::new(Secret::new(value))).collect())
    }

    #[test]
    fn a_secret_and_its_base64_form_are_replaced() {
        let secrets = secrets(&["hunter2!"]);
        let text = format!(
            "got hunter2! and {}",
            base64::engine::general_purpose::STANDARD.encode("hunter2!")
        );
        assert_eq!(secrets.redact(&text), "got *** and ***=");
    }

    #[test]
    fn a_secret_within_base64_is_replaced_wherever_it_begins() {
        for user in ["", "a", "ab", "abc", "canary"] {
            let credentials = STANDARD_NO_PAD.encode(format!("{user}:correct-horse:end"));
            let redacted = secrets(&["correct-horse"]).redact(&credentials);
            let (before, after) = redacted.split_once("***").unwrap();
            assert!(before.len() <= (user.len() + 1) * 8 / 6 + 1, "{redacted}");
            assert!(after.len() <= 8, "{redacted}");
        }
    }

    #[test]
    fn the_longer_of_two_secrets_goes_first() {
        assert_eq!(
            secrets(&["pass", "password1"]).redact("password1 pass"),
            "*** ***"
        );
    }

    #[test]
    fn a_line_of_a_key_is_a_secret_of_its_own() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----";
        assert_eq!(secrets(&[key]).redact("bad line MIIEvQIBADANBg"), "bad line ***");
    }

    #[test]
    fn a_value_of_three_bytes_is_left_alone() {
        assert_eq!(secrets(&["a"]).redact("a banana"), "a banana");
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", secrets(&["hunter2!"])), "Secrets(1, redacted)");
    }
}
