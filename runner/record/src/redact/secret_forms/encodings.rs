//! The base64 and hexadecimal encodings of a value.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::MIN_BYTES;
use crate::redact::decoded_text::DecodedText;
use crate::redact::fingerprints::WINDOW;

/// Minimum length in characters; a shorter piece of base64 may be anything. A value of [`MIN_BYTES`] has that many at
/// any alignment.
const MIN_BASE64_CHARS: usize = 4;
/// Maximum bytes of an encoding of which each window is fingerprinted; of a longer one, adjacent windows are.
const MAX_DENSE: usize = 1 << 10;
/// Maximum bytes of a value whose other charsets are fingerprinted as well: they take as much memory as the value.
const MAX_CHARSET_BYTES: usize = 4 << 10;

/// Calls `emit` with the encodings of `value` in lower case, and the step of their fingerprints. In a long one, any
/// excerpt of 23 bytes contains a whole window.
pub(super) fn encodings(value: &str, mut emit: impl FnMut(&[u8], usize)) {
    if value.len() < MIN_BYTES {
        return;
    }
    let mut add = |form: &[u8], step| {
        if form.len() >= MIN_BYTES {
            emit(form, step);
        }
    };
    let trimmed = value.trim();
    let values = [Some(value), Some(trimmed).filter(|trimmed| *trimmed != value)];
    for value in values.into_iter().flatten() {
        encoded(value.as_bytes(), MAX_DENSE, &mut add);
        for encoded_value in other_charsets(value) {
            encoded(&encoded_value, 0, &mut add);
        }
        if !value.is_ascii() {
            // UTF-8 that was misread as Latin-1.
            let misread: String = value.bytes().map(char::from).collect();
            add(&DecodedText::new(&misread).canonical().0, 1);
        }
    }
}

/// Other charsets of a value that is not ASCII, which may be encoded: UTF-16, which PowerShell encodes in base64, and
/// Latin-1. Others are found after decoding base64 and hexadecimal.
fn other_charsets(value: &str) -> Vec<Vec<u8>> {
    if value.len() > MAX_CHARSET_BYTES || value.is_ascii() {
        return Vec::new();
    }
    let wide = [u16::to_le_bytes, u16::to_be_bytes];
    let wide = wide.map(|bytes| value.encode_utf16().flat_map(bytes).collect());
    let narrow: Option<Vec<u8>> = value.chars().map(|char| u8::try_from(char).ok()).collect();
    wide.into_iter().chain(narrow).collect()
}

/// Base64 of either alphabet, also as part of a longer text; hexadecimal. Each window is fingerprinted up to
/// `most_dense` bytes.
fn encoded(bytes: &[u8], most_dense: usize, add: &mut impl FnMut(&[u8], usize)) {
    let mut add = |text: &str| {
        // The canonical form is the same, but for case.
        let form = text.as_bytes().to_ascii_lowercase();
        let step = if form.len() > most_dense { WINDOW } else { 1 };
        add(&form, step);
    };
    add(&hex::encode(bytes));
    for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        let whole = std::iter::once(alphabet.encode(bytes));
        let within = (0..3).filter_map(|shift| within_base64(alphabet, bytes, shift));
        for text in whole.chain(within) {
            add(&text);
        }
    }
}

/// The part of the base64 of a longer text that depends only on `value`, which stands `shift` bytes after a multiple of
/// three, as in `user:password`.
fn within_base64(alphabet: &GeneralPurpose, value: &[u8], shift: usize) -> Option<String> {
    let encoded = alphabet.encode([&vec![0; shift], value].concat());
    // Skips characters with bits of what precedes the value.
    let start = (shift * 8).div_ceil(6);
    // Skips the last one, which contains bits of what follows, unless it is full.
    let end = (shift + value.len()) * 8 / 6;
    let piece = encoded.get(start..end)?;
    (piece.len() >= MIN_BASE64_CHARS).then(|| piece.to_owned())
}
