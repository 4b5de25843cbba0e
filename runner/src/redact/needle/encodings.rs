//! A value in base64 and in hexadecimal.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::MIN_BYTES;
use crate::redact::pieces::SEED;
use crate::redact::reading::Reading;

/// Characters; a shorter piece of base64 may be anything. A value of [`MIN_BYTES`] has so many at any place.
const MIN_BASE64_CHARS: usize = 4;
/// Bytes of an encoding of which each piece is known; of a longer one, as many as touch each other.
const MAX_DENSE: usize = 1 << 10;
/// Bytes of a value whose other spellings are known in an encoding as well: they take as much memory as the value.
const MAX_SPELLED: usize = 4 << 10;

/// Passes on the encodings of `value`, in lower case, and the distance of the pieces by which they are known. Where they
/// are long, any excerpt of 23 bytes has one.
pub(super) fn encodings(value: &str, mut pass_on: impl FnMut(&[u8], usize)) {
    if value.len() < MIN_BYTES {
        return;
    }
    let mut add = |form: &[u8], step| {
        if form.len() >= MIN_BYTES {
            pass_on(form, step);
        }
    };
    let trimmed = value.trim();
    let values = [Some(value), Some(trimmed).filter(|trimmed| *trimmed != value)];
    for value in values.into_iter().flatten() {
        encoded(value.as_bytes(), MAX_DENSE, &mut add);
        for spelling in spellings(value) {
            encoded(&spelling, 0, &mut add);
        }
        if !value.is_ascii() {
            // UTF-8 that was read as Latin-1.
            let misread: String = value.bytes().map(char::from).collect();
            add(&Reading::of(&misread).canonical().0, 1);
        }
    }
}

/// What is encoded in place of a value that is not ASCII: its UTF-16, which PowerShell takes in base64, and its Latin-1.
/// Other spellings are read once base64 and hexadecimal are decoded.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    if value.len() > MAX_SPELLED || value.is_ascii() {
        return Vec::new();
    }
    let wide = [u16::to_le_bytes, u16::to_be_bytes];
    let wide = wide.map(|bytes| value.encode_utf16().flat_map(bytes).collect());
    let narrow: Option<Vec<u8>> = value.chars().map(|char| u8::try_from(char).ok()).collect();
    wide.into_iter().chain(narrow).collect()
}

/// Base64 of either alphabet, also within that of a longer text; hexadecimal. Each piece of those of `most_dense` bytes.
fn encoded(bytes: &[u8], most_dense: usize, add: &mut impl FnMut(&[u8], usize)) {
    let mut add = |text: &str| {
        // There is nothing in it that a canonical reading leaves out.
        let form = text.as_bytes().to_ascii_lowercase();
        let step = if form.len() > most_dense { SEED } else { 1 };
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

/// What is always the same in the base64 of a longer text that holds `value` behind `shift` bytes more than a
/// multiple of three, as `user:password` does.
fn within_base64(alphabet: &GeneralPurpose, value: &[u8], shift: usize) -> Option<String> {
    let encoded = alphabet.encode([&vec![0; shift], value].concat());
    // Characters that hold bits of what stands before it.
    let start = (shift * 8).div_ceil(6);
    // The last one holds bits of what comes after it, unless it is full.
    let end = (shift + value.len()) * 8 / 6;
    let piece = encoded.get(start..end)?;
    (piece.len() >= MIN_BASE64_CHARS).then(|| piece.to_owned())
}
