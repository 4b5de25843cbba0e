//! What a text may be written as: escapes of URLs, forms, JSON, Rust, HTML, mail, LDAP, DNS and shells, lists of numbers,
//! base64 and hexadecimal. Each decoder undoes one of them, and any may be applied to what another one gives.

mod base64;
mod dialects;
mod entities;
mod hexadecimal;
mod lists;
mod text;

use super::reading::{Draft, Reading, Unit, character, is_invisible};

/// What an escape stands for.
pub(super) enum Decoded {
    Byte(u8),
    Char(char),
    Text(&'static str),
    /// A line that goes on, or the sign of an escape.
    Nothing,
}

/// The escape that these begin with, and how many of them it is.
pub(super) type Escape = fn(&[Unit]) -> Option<(Decoded, usize)>;

/// What makes another reading of one.
pub(super) enum Decoder {
    /// Escapes, of which there are none where a reading has none of these signs, of one or two bytes.
    Escapes(Escape, &'static [&'static [u8]]),
    /// Characters that show nothing, which may stand within an escape.
    Invisible,
    /// Numbers of this radix.
    List(u32),
    Base64,
    Hexadecimal,
}

/// All of them; those that are met most often come first.
pub(super) const DECODERS: [Decoder; 14] = [
    Decoder::Escapes(string, &[b"\\", b"%", b"&"]),
    // A `\` in front of what is escaped for a URL or in HTML is no sign of an escape.
    Decoder::Escapes(dialects::url, &[b"25", b"\\"]),
    Decoder::Escapes(dialects::html, &[b"p;", b"\\"]),
    Decoder::Escapes(form, &[b"+"]),
    Decoder::Escapes(dialects::dns, &[b"\\"]),
    Decoder::Escapes(dialects::mail, &[b"=", b"\\"]),
    Decoder::Invisible,
    Decoder::Escapes(dialects::encoded_word, &[b"=?"]),
    Decoder::Escapes(dialects::windows, &[b"^", b"`", b"%%"]),
    Decoder::Base64,
    Decoder::Hexadecimal,
    Decoder::List(10),
    Decoder::List(16),
    Decoder::List(8),
];

impl Decoder {
    /// What a reading reads as when it is decoded; nothing where there is nothing to decode.
    pub(super) fn apply(&self, reading: &Reading) -> Option<Reading> {
        match self {
            Self::Escapes(escape, signs) => {
                let may_be = signs.iter().any(|sign| reading.has(sign));
                may_be.then(|| unescaped(reading, *escape)).flatten()
            }
            Self::Invisible => (!reading.is_ascii())
                .then(|| unescaped(reading, invisible))
                .flatten(),
            Self::List(radix) => lists::decode(reading.units(), *radix),
            Self::Base64 => base64::decode(reading.units()),
            Self::Hexadecimal => hexadecimal::decode(reading.units()),
        }
    }
}

/// What is left of a reading when one level of its escapes is decoded.
pub(super) fn unescaped(reading: &Reading, escape: Escape) -> Option<Reading> {
    let units = reading.units();
    let mut draft = Draft::of(units);
    let mut place = 0;
    while let Some(rest) = units.get(place..).filter(|rest| !rest.is_empty()) {
        let Some((read, length)) = escape(rest) else {
            place += 1;
            continue;
        };
        let end = units.len().min(place + length);
        draft.replace(place..end, &read);
        place = end;
    }
    draft.finish()
}

/// As in a URL, a string of a programming language, or HTML.
pub(super) fn string(units: &[Unit]) -> Option<(Decoded, usize)> {
    match units.first()?.byte {
        b'%' => percent(units),
        b'\\' => backslash(units),
        b'&' => entities::decode(units),
        _ => None,
    }
}

/// The same where a `+` is a blank.
pub(super) fn form(units: &[Unit]) -> Option<(Decoded, usize)> {
    match units.first()?.byte {
        b'+' => Some((Decoded::Byte(b' '), 1)),
        _ => string(units),
    }
}

fn invisible(units: &[Unit]) -> Option<(Decoded, usize)> {
    let (char, length) = character(units);
    char.filter(|char| is_invisible(*char))
        .map(|_| (Decoded::Nothing, length))
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
        b'x' | b'X' => in_braces(units).or_else(|| {
            let byte = hex(units, 2, 2)?;
            Some((Decoded::Byte(byte), 4))
        }),
        b'u' => in_braces(units).or_else(|| utf16(units)),
        b'U' => in_braces(units).or_else(|| utf32(units)).or_else(|| utf16(units)),
        b'0'..=b'7' => octal(units),
        b'\n' => Some((Decoded::Nothing, 2)),
        _ if byte.is_ascii_punctuation() || byte == b' ' => simple(byte),
        _ if !byte.is_ascii() => Some((Decoded::Nothing, 1)),
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

/// `\u{e9}` of Rust, `\x{e9}` of Perl.
fn in_braces(units: &[Unit]) -> Option<(Decoded, usize)> {
    if at(units, 2) != Some(b'{') {
        return None;
    }
    let is_digit = |place: &usize| at(units, *place).is_some_and(|byte| byte.is_ascii_hexdigit());
    let end = 3 + (3..10).take_while(is_digit).count();
    let char = char::from_u32(number(units, 3, end)?)?;
    (at(units, end) == Some(b'}')).then_some((Decoded::Char(char), end + 1))
}

/// `\u00e9` of JSON, where two may make one character.
fn utf16(units: &[Unit]) -> Option<(Decoded, usize)> {
    let high = number(units, 2, 6)?;
    if let Some(char) = char::from_u32(high) {
        return Some((Decoded::Char(char), 6));
    }
    let is_pair = at(units, 6) == Some(b'\\') && matches!(at(units, 7), Some(b'u' | b'U'));
    let low = number(units, 8, 12).filter(|_| is_pair)?;
    let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    let char = char::decode_utf16(pair).next()?.ok()?;
    Some((Decoded::Char(char), 12))
}

/// `\U000000e9` of C and Python.
fn utf32(units: &[Unit]) -> Option<(Decoded, usize)> {
    let char = char::from_u32(number(units, 2, 10)?)?;
    Some((Decoded::Char(char), 10))
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
