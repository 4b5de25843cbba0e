//! Decoders of common encodings: escapes of URLs, forms, JSON, Rust, HTML, mail, LDAP, DNS and shells, lists of
//! numbers, base64 and hexadecimal. Each decoder undoes one of them, and any may be applied to the output of another.

mod base64;
mod dialects;
mod entities;
mod hexadecimal;
mod lists;
mod text;

use super::decoded_text::{DecodedText, DecodedTextBuilder, Replacement, Unit, character, is_invisible};

/// Decodes the escape sequence at the start of the units, and returns its length.
pub(super) type Escape = fn(&[Unit]) -> Option<(Replacement, usize)>;

/// A decoder from one text to another.
pub(super) enum Decoder {
    /// Escape sequences, which occur only in texts that contain one of these signs of one or two bytes.
    Escapes(Escape, &'static [&'static [u8]]),
    /// Invisible characters, which may interrupt an escape sequence.
    Invisible,
    /// Lists of numbers of this radix.
    List(u32),
    Base64,
    Hexadecimal,
}

/// All decoders; the most common encodings come first.
pub(super) const DECODERS: [Decoder; 14] = [
    Decoder::Escapes(string, &[b"\\", b"%", b"&"]),
    // A `\` before what is escaped for a URL or in HTML is not an escape character.
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
    /// The decoded text; nothing if there is nothing to decode.
    pub(super) fn apply(&self, decoded: &DecodedText) -> Option<DecodedText> {
        match self {
            Self::Escapes(escape, signs) => {
                let may_be = signs.iter().any(|sign| decoded.has(sign));
                may_be.then(|| unescaped(decoded, *escape)).flatten()
            }
            Self::Invisible => (!decoded.is_ascii())
                .then(|| unescaped(decoded, invisible))
                .flatten(),
            Self::List(radix) => lists::decode(decoded.units(), *radix),
            Self::Base64 => base64::decode(decoded.units()),
            Self::Hexadecimal => hexadecimal::decode(decoded.units()),
        }
    }
}

/// The text with one level of escapes decoded.
pub(super) fn unescaped(decoded: &DecodedText, escape: Escape) -> Option<DecodedText> {
    let units = decoded.units();
    let mut builder = DecodedTextBuilder::new(units);
    let mut place = 0;
    while let Some(rest) = units.get(place..) {
        let Some((read, length)) = escape(rest) else {
            place += 1;
            continue;
        };
        builder.replace(place..place + length, &read);
        place += length;
    }
    builder.finish()
}

/// Escapes of URLs, strings of programming languages, or HTML.
pub(super) fn string(units: &[Unit]) -> Option<(Replacement, usize)> {
    match units.first()?.byte {
        b'%' => percent(units),
        b'\\' => backslash(units),
        b'&' => entities::decode(units),
        _ => None,
    }
}

/// As [`string`], and `+` for a space.
pub(super) fn form(units: &[Unit]) -> Option<(Replacement, usize)> {
    match units.first()?.byte {
        b'+' => Some((Replacement::Byte(b' '), 1)),
        _ => string(units),
    }
}

fn invisible(units: &[Unit]) -> Option<(Replacement, usize)> {
    let (char, length) = character(units);
    char.filter(|char| is_invisible(*char))
        .map(|_| (Replacement::Empty, length))
}

/// `%41`, and `%u0041` of JavaScript's `escape`.
fn percent(units: &[Unit]) -> Option<(Replacement, usize)> {
    if let Some(byte) = hex(units, 1, 2) {
        return Some((Replacement::Byte(byte), 3));
    }
    let is_long = matches!(at(units, 1), Some(b'u' | b'U'));
    let code = number(units, 2, 6).filter(|_| is_long)?;
    Some((Replacement::Char(char::from_u32(code)?), 6))
}

fn backslash(units: &[Unit]) -> Option<(Replacement, usize)> {
    let byte = at(units, 1)?;
    let simple = |byte| Some((Replacement::Byte(byte), 2));
    match byte {
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'a' | b'b' | b'e' | b'f' | b'v' => simple(0),
        b'x' | b'X' => in_braces(units).or_else(|| {
            let byte = hex(units, 2, 2)?;
            Some((Replacement::Byte(byte), 4))
        }),
        b'u' => in_braces(units).or_else(|| utf16(units)),
        b'U' => in_braces(units).or_else(|| utf32(units)).or_else(|| utf16(units)),
        b'0'..=b'7' => octal(units),
        b'\n' => Some((Replacement::Empty, 2)),
        _ if byte.is_ascii_punctuation() => simple(byte),
        _ if !byte.is_ascii() => Some((Replacement::Empty, 1)),
        _ => None,
    }
}

/// Up to three digits.
fn octal(units: &[Unit]) -> Option<(Replacement, usize)> {
    let digits = (1..=3).map_while(|place| char::from(at(units, place)?).to_digit(8));
    let (mut value, mut length) = (0, 1);
    for digit in digits {
        let longer = value * 8 + digit;
        if longer > u32::from(u8::MAX) {
            break;
        }
        (value, length) = (longer, length + 1);
    }
    Some((Replacement::Byte(u8::try_from(value).ok()?), length))
}

/// `\u{e9}` of Rust, `\x{e9}` of Perl.
fn in_braces(units: &[Unit]) -> Option<(Replacement, usize)> {
    if at(units, 2) != Some(b'{') {
        return None;
    }
    let is_digit = |place: &usize| at(units, *place).is_some_and(|byte| byte.is_ascii_hexdigit());
    let end = 3 + (3..10).take_while(is_digit).count();
    let char = char::from_u32(number(units, 3, end)?)?;
    (at(units, end) == Some(b'}')).then_some((Replacement::Char(char), end + 1))
}

/// `\u00e9` of JSON, including surrogate pairs.
fn utf16(units: &[Unit]) -> Option<(Replacement, usize)> {
    let high = number(units, 2, 6)?;
    if let Some(char) = char::from_u32(high) {
        return Some((Replacement::Char(char), 6));
    }
    let is_pair = at(units, 6) == Some(b'\\') && matches!(at(units, 7), Some(b'u' | b'U'));
    let low = number(units, 8, 12).filter(|_| is_pair)?;
    let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    let char = char::decode_utf16(pair).next()?.ok()?;
    Some((Replacement::Char(char), 12))
}

/// `\U000000e9` of C and Python.
fn utf32(units: &[Unit]) -> Option<(Replacement, usize)> {
    let char = char::from_u32(number(units, 2, 10)?)?;
    Some((Replacement::Char(char), 10))
}

fn hex(units: &[Unit], start: usize, digits: usize) -> Option<u8> {
    u8::try_from(number(units, start, start + digits)?).ok()
}

/// A hexadecimal number at `start..end`.
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
