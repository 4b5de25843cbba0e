//! Escapes of URLs, forms, JSON, Rust, HTML, mail and LDAP: what one stands for. Quotes, and what escapes them, count nowhere.

pub(super) mod dialects;
mod entities;
pub(super) mod lists;

use super::reading::Unit;

/// What an escape stands for.
pub(super) enum Decoded {
    Byte(u8),
    Char(char),
    Text(&'static str),
    /// A line that goes on, or the sign of an escape.
    Nothing,
}

/// The escape that these begin with, and how many of them it is.
pub(super) type Decoder = fn(&[Unit]) -> Option<(Decoded, usize)>;

/// The escape that these begin with, and how many of them it is.
pub(super) fn decode(units: &[Unit]) -> Option<(Decoded, usize)> {
    match units.first()?.byte {
        b'%' => percent(units),
        b'\\' => backslash(units),
        b'&' => entities::decode(units),
        _ => None,
    }
}

/// The same where a `+` is a blank.
pub(super) fn of_form(units: &[Unit]) -> Option<(Decoded, usize)> {
    match units.first()?.byte {
        b'+' => Some((Decoded::Byte(b' '), 1)),
        _ => decode(units),
    }
}

/// `%41`, and `%u0041` of JavaScript's `escape`.
fn percent(units: &[Unit]) -> Option<(Decoded, usize)> {
    if let Some(byte) = hex(units, 1, 2) {
        return Some((Decoded::Byte(byte), 3));
    }
    let is_long = matches!(at(units, 1), Some(b'u' | b'U'));
    let code = number(units, 2, 6).filter(|_| is_long)?;
    Some((Decoded::Char(char::from_u32(code)?), 6))
}

fn backslash(units: &[Unit]) -> Option<(Decoded, usize)> {
    let byte = at(units, 1)?;
    let simple = |byte| Some((Decoded::Byte(byte), 2));
    match byte {
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'a' | b'b' | b'e' | b'f' | b'v' => simple(0),
        b'x' => hex(units, 2, 2).map(|byte| (Decoded::Byte(byte), 4)),
        b'u' => unicode(units),
        b'0'..=b'7' => octal(units),
        b'\n' => Some((Decoded::Nothing, 2)),
        _ if byte.is_ascii_punctuation() || byte == b' ' => simple(byte),
        _ => None,
    }
}

/// Up to three digits.
fn octal(units: &[Unit]) -> Option<(Decoded, usize)> {
    let digits = (1..=3).map_while(|place| char::from(at(units, place)?).to_digit(8));
    let (mut value, mut length) = (0, 1);
    for digit in digits {
        let longer = value * 8 + digit;
        if longer > u32::from(u8::MAX) {
            break;
        }
        (value, length) = (longer, length + 1);
    }
    Some((Decoded::Byte(u8::try_from(value).ok()?), length))
}

/// `\u{e9}` of Rust, `\u00e9` of JSON, where two may make one character.
fn unicode(units: &[Unit]) -> Option<(Decoded, usize)> {
    if at(units, 2) == Some(b'{') {
        let digits =
            (3..10).take_while(|place| at(units, *place).is_some_and(|byte| byte.is_ascii_hexdigit()));
        let end = 3 + digits.count();
        let char = char::from_u32(number(units, 3, end)?)?;
        return (at(units, end) == Some(b'}')).then_some((Decoded::Char(char), end + 1));
    }
    let high = number(units, 2, 6)?;
    if let Some(char) = char::from_u32(high) {
        return Some((Decoded::Char(char), 6));
    }
    let is_pair = at(units, 6) == Some(b'\\') && at(units, 7) == Some(b'u');
    let low = number(units, 8, 12).filter(|_| is_pair)?;
    let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    let char = char::decode_utf16(pair).next()?.ok()?;
    Some((Decoded::Char(char), 12))
}

fn hex(units: &[Unit], start: usize, digits: usize) -> Option<u8> {
    u8::try_from(number(units, start, start + digits)?).ok()
}

/// Hexadecimal, between two places.
fn number(units: &[Unit], start: usize, end: usize) -> Option<u32> {
    let mut value = None;
    for place in start..end {
        let digit = char::from(at(units, place)?).to_digit(16)?;
        value = Some(value.unwrap_or(0_u32).checked_mul(16)? + digit);
    }
    value
}

fn at(units: &[Unit], place: usize) -> Option<u8> {
    units.get(place).map(|unit| unit.byte)
}
