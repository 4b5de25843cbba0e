//! Secrets in texts: in whichever encoding, no output contains one.
//!
//! An input: a secret, a NUL, which encodings it goes through, a NUL, and a text. The secret stands in the text behind
//! its first half.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use canary::suite::Secrets;

/// Bytes of a secret; a shorter one is not redacted.
const MIN_SECRET: usize = 4;
/// Maximum nesting of encodings.
const MAX_LEVELS: usize = 3;
/// Additional bytes for a mask and the end of a truncated text.
const MASKS: usize = "***…".len();

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (secret, encodings, text) = (part(), part(), part());
    if !is_secret(secret) {
        return;
    }
    let written = encodings
        .chars()
        .take(MAX_LEVELS)
        .enumerate()
        .fold(secret.to_owned(), encoded);
    let place = text.floor_char_boundary(text.len() / 2);
    let (before, after) = text.split_at(place);
    let whole = format!("{before}{written}{after}");
    let secrets = Secrets::new([secret]);

    let redacted = secrets.redact(&whole);
    assert!(
        !redacted.contains(&written),
        "{secret:?} as {written:?} is left in {redacted:?}"
    );
    assert!(!redacted.contains(secret), "{secret:?} is left in {redacted:?}");
    for kept in [
        before.len(),
        before.len() + written.len() / 2,
        before.len() + written.len(),
    ] {
        let cut = secrets.redact_truncated(&whole, kept);
        assert!(
            cut.len() <= kept + MASKS,
            "{} bytes of {kept}: {cut:?}",
            cut.len()
        );
        assert!(!cut.contains(&written) && !cut.contains(secret), "{cut:?}");
    }
    assert!(
        secrets.contains_secret(&whole),
        "{secret:?} as {written:?} is not seen in {whole:?}"
    );
}

/// Whether it can be known from the mask and from nothing at all: only these characters count.
fn is_secret(text: &str) -> bool {
    let is_ignored = |char| matches!(char, '"' | '\'' | '\\' | '\u{300}'..='\u{36f}');
    let counts = |char: &char| (char.is_alphanumeric() || char.is_ascii_punctuation()) && !is_ignored(*char);
    text.chars().filter(counts).map(char::len_utf8).sum::<usize>() >= MIN_SECRET
        && !text.contains(['*', '…'])
        && text.trim() == text
}

/// One level of encoding. Only the innermost one may change the case, which others need, or hide where bytes end.
fn encoded(value: String, (level, which): (usize, char)) -> String {
    match which {
        'b' if level == 0 => STANDARD.encode(value),
        'B' if level == 0 => URL_SAFE_NO_PAD.encode(value),
        'h' if level == 0 => value.bytes().fold(String::new(), hex),
        'l' if level == 0 => value.to_lowercase(),
        'u' if level == 0 => value.to_uppercase(),
        'p' => value.bytes().fold(String::new(), percent),
        'j' => serde_json::to_string(&value).unwrap_or_default(),
        'r' => format!("{value:?}"),
        's' => format!("'{}'", value.replace('\'', r"'\''")),
        _ => value,
    }
}

fn hex(mut text: String, byte: u8) -> String {
    let _in_memory = write!(text, "{byte:02x}");
    text
}

fn percent(mut text: String, byte: u8) -> String {
    if byte.is_ascii_alphanumeric() {
        text.push(char::from(byte));
    } else {
        let _in_memory = write!(text, "%{byte:02X}");
    }
    text
}
