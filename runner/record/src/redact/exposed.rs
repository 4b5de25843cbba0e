//! Detection of whole secrets in texts that are meant to be public.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use percent_encoding::percent_decode_str;

use super::Secrets;

/// Values of a suite's references that are long enough not to be an ordinary word.
pub struct ExposedSecrets {
    values: Vec<Arc<str>>,
    /// A fast filter, which also matches excerpts.
    parts: Secrets,
}

impl ExposedSecrets {
    /// `parts` must cover all of the values.
    pub(super) fn new(values: impl IntoIterator<Item = Arc<str>>, parts: Secrets) -> Self {
        /// Minimum length in bytes: a shorter one is masked in texts of its owner only.
        const MIN_BYTES: usize = 8;
        let is_long =
            |value: &Arc<str>| value.len() >= MIN_BYTES && value.chars().collect::<BTreeSet<_>>().len() > 2;
        Self {
            values: values.into_iter().filter(is_long).collect(),
            parts,
        }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether one of them occurs in a text as a whole, case-insensitively, in plain or in a common encoding.
    pub fn appear_in(&self, text: &str) -> bool {
        if self.is_empty() || !self.parts.contains_secret(text) {
            return false;
        }
        let unescaped = [text.to_owned(), text.replace('+', " ")];
        let unescaped = unescaped.map(|text| percent_decode_str(&text).decode_utf8_lossy().to_lowercase());
        let text = text.to_lowercase();
        self.values.iter().any(|value| {
            let plain = value.to_lowercase();
            if unescaped.iter().any(|text| text.contains(&plain)) {
                return true;
            }
            let encoded = BASE64_STANDARD_NO_PAD.encode(value.as_bytes());
            // The last character depends on what follows.
            let whole = encoded.get(..encoded.len().saturating_sub(1)).unwrap_or(&encoded);
            let forms = [value.to_string(), whole.to_owned(), hex::encode(value.as_bytes())];
            forms.iter().any(|form| text.contains(&form.to_lowercase()))
        })
    }
}
