//! Texts written as a list of numbers, one for each byte: `[104, 117]` of Rust, `[104 117]` of Go, `68-75` of .NET,
//! `68:75` of OpenSSL, `[-61, -68]` of Java, `150 165` of od.

use super::text::{bytes_of, is_text};
use super::{DecodedText, DecodedTextBuilder, Unit, at};
use crate::redact::decoded_text::GAP;

/// Minimum number of consecutive characters; fewer are not a list, and neither is an IPv4 address.
const MIN_NUMBERS: usize = 4;
/// Maximum bytes between two numbers: a comma, a line break, an indent.
const MAX_BETWEEN: usize = 24;
/// Maximum bytes of a number: `0o`, and three digits. A longer one is not a byte.
const MAX_NUMBER: usize = 5;

/// The text with all lists replaced by their bytes; nothing if there are none.
pub(super) fn decode(units: &[Unit], radix: u32) -> Option<DecodedText> {
    let mut builder = DecodedTextBuilder::new(units);
    let mut place = 0;
    while let Some(start) = next_word(units, place) {
        let list = List::at(units, start, radix);
        place = list.end;
        if list.bytes.len() >= MIN_NUMBERS && is_text(&bytes_of(&list.bytes), MIN_NUMBERS) {
            builder.replace_all(start..list.end, &list.bytes);
        }
    }
    builder.finish()
}

/// Consecutive numbers.
struct List {
    bytes: Vec<Unit>,
    /// The end of what was consumed, which is at least a word.
    end: usize,
}

impl List {
    fn at(units: &[Unit], start: usize, radix: u32) -> Self {
        let mut list = Self {
            bytes: Vec::new(),
            end: start,
        };
        let mut next = Some(start);
        while let Some(start) = next {
            let end = word_end(units, start);
            let word = units.get(start..end).unwrap_or_default();
            let Some(byte) = number(word, is_negative(units, start), radix) else {
                // A word that is not a number is not part of the list, but is consumed if the list is empty.
                list.end = if list.bytes.is_empty() { end } else { list.end };
                break;
            };
            list.bytes.extend(Unit::spanning(byte, word));
            list.end = end;
            next = next_word(units, end).filter(|next| next - end <= MAX_BETWEEN);
        }
        list
    }
}

/// The index of the next letter or digit.
fn next_word(units: &[Unit], start: usize) -> Option<usize> {
    let rest = units.get(start..)?;
    let ahead = rest.iter().position(|unit| is_of_word(unit.byte))?;
    Some(start + ahead)
}

fn word_end(units: &[Unit], start: usize) -> usize {
    let rest = units.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|unit| is_of_word(unit.byte)).count()
}

/// A character that is not ASCII is part of a word, so that it ends a list.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() && byte != GAP
}

/// Whether the `-` before a number is its sign, not a separator.
fn is_negative(units: &[Unit], start: usize) -> bool {
    let before = |distance| start.checked_sub(distance).and_then(|place| at(units, place));
    before(1) == Some(b'-') && !before(2).is_some_and(is_of_word)
}

fn number(word: &[Unit], is_negative: bool, radix: u32) -> Option<u8> {
    let (digits, radix) = match (at(word, 0), at(word, 1)) {
        (Some(b'0'), Some(b'x' | b'X')) => (word.get(2..)?, 16),
        (Some(b'0'), Some(b'o' | b'O')) => (word.get(2..)?, 8),
        _ => (word, radix),
    };
    if digits.is_empty() || word.len() > MAX_NUMBER {
        return None;
    }
    let value = digits.iter().try_fold(0_u32, |value, unit| {
        Some(value * radix + char::from(unit.byte).to_digit(radix)?)
    })?;
    if is_negative && radix == 10 {
        Some(i8::try_from(-i64::from(value)).ok()?.cast_unsigned())
    } else {
        u8::try_from(value).ok()
    }
}
