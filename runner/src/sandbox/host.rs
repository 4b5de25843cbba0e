//! The host's side of the contract, one file an interface.

mod convert;
mod dns;
mod http;
mod log;
pub(super) mod tcp;
mod tls;

/// Longest text taken from a guest for a person to read, in bytes.
const LONGEST_TEXT: usize = 4 << 10;

/// Cuts a guest's text to 4 KiB, at a character.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}
