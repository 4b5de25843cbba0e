//! Escapes of URLs, forms, JSON, Rust and HTML: what one stands for. Quotes, and what escapes them, count nowhere.

use super::reading::Unit;

/// What an escape stands for.
pub(super) enum Decoded {
    Byte(u8),
    Char(char),
    /// A line that goes on.
    Nothing,
}

/// Longest entity between `&` and `;`, in bytes.
const LONGEST_ENTITY: usize = 10;

/// The escape that these begin with, and how many of them it is.
pub(super) fn decode(units: &[Unit]) -> Option<(Decoded, usize)> {
    match units.first()?.byte {
        b'%' => hex(units, 1, 2).map(|byte| (Decoded::Byte(byte), 3)),
        b'+' => Some((Decoded::Byte(b' '), 1)),
        b'\\' => backslash(units),
        b'&' => entity(units),
        _ => None,
    }
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
        b'0'..=b'3' => octal(units).or_else(|| simple(byte - b'0')),
        b'\n' => Some((Decoded::Nothing, 2)),
        _ if byte.is_ascii_punctuation() || byte == b' ' => simple(byte),
        _ => None,
    }
}

fn octal(units: &[Unit]) -> Option<(Decoded, usize)> {
    let mut value = 0_u32;
    for place in 1..=3 {
        value = value * 8 + char::from(at(units, place)?).to_digit(8)?;
    }
    Some((Decoded::Byte(u8::try_from(value).ok()?), 4))
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

fn entity(units: &[Unit]) -> Option<(Decoded, usize)> {
    let end = (1..=LONGEST_ENTITY + 1).find(|place| at(units, *place) == Some(b';'))?;
    let name: Vec<u8> = (1..end).filter_map(|place| at(units, place)).collect();
    let char = match name.as_slice() {
        b"quot" => '"',
        b"apos" => '\'',
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"nbsp" => ' ',
        [b'#', b'x' | b'X', ..] => char::from_u32(number(units, 3, end)?)?,
        [b'#', digits @ ..] => {
            let digits = str::from_utf8(digits).ok()?;
            char::from_u32(digits.parse().ok()?)?
        }
        _ => return None,
    };
    Some((Decoded::Char(char), end + 1))
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
