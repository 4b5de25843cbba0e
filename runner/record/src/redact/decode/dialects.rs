//! Escapes of specific formats: a text is decoded with and without each of them.

use super::{Replacement, Unit, at, entities, hex, percent};

/// Quoted-printable: `=41`, and a soft line break. LDAP: `\41`.
pub(super) fn mail(units: &[Unit]) -> Option<(Replacement, usize)> {
    match (units.first()?.byte, at(units, 1)) {
        (b'=', Some(b'\n')) => Some((Replacement::Empty, 2)),
        (b'=', Some(b'\r')) if at(units, 2) == Some(b'\n') => Some((Replacement::Empty, 3)),
        (b'=' | b'\\', _) => hex(units, 1, 2).map(|byte| (Replacement::Byte(byte), 3)),
        _ => None,
    }
}

/// Encoded words in mail headers (RFC 2047): `_` is a space.
pub(super) fn encoded_word(units: &[Unit]) -> Option<(Replacement, usize)> {
    match units.first()?.byte {
        b'_' => Some((Replacement::Byte(b' '), 1)),
        _ => mail(units),
    }
}

/// Names in DNS (RFC 1035, section 5.1): `\065`, decimal.
pub(super) fn dns(units: &[Unit]) -> Option<(Replacement, usize)> {
    let digit = |place| char::from(at(units, place)?).to_digit(10);
    if units.first()?.byte != b'\\' {
        return None;
    }
    let value = digit(1)? * 100 + digit(2)? * 10 + digit(3)?;
    Some((Replacement::Byte(u8::try_from(value).ok()?), 4))
}

/// PowerShell: `` `n ``, and `cmd`: `^&`, `%%`.
pub(super) fn windows(units: &[Unit]) -> Option<(Replacement, usize)> {
    let escaped = at(units, 1)?;
    match (units.first()?.byte, escaped) {
        (b'`', b'0' | b'a' | b'b' | b'e' | b'f' | b'n' | b'r' | b't' | b'v') => {
            Some((Replacement::Byte(b' '), 2))
        }
        (sign @ (b'`' | b'^' | b'%'), _) if sign == escaped => Some((Replacement::Byte(sign), 2)),
        // The escape character only, so that a quote before a value is not masked with it.
        (b'`' | b'^', _) => Some((Replacement::Empty, 1)),
        _ => None,
    }
}

/// Escapes of URLs only: `%41`, `%2541` and so on, nested to any depth. Separate from [`super::string`], because digits
/// that only follow an escape must not be decoded as part of it.
pub(super) fn url(units: &[Unit]) -> Option<(Replacement, usize)> {
    if units.first()?.byte != b'%' {
        return None;
    }
    let mut start = 1;
    while hex(units, start, 2) == Some(b'%') && hex(units, start + 2, 2).is_some() {
        start += 2;
    }
    match hex(units, start, 2) {
        Some(byte) => Some((Replacement::Byte(byte), start + 2)),
        None => percent(units),
    }
}

/// Escapes of HTML only: `&amp;amp;lt;`.
pub(super) fn html(units: &[Unit]) -> Option<(Replacement, usize)> {
    let is_escape = units.first()?.byte == b'&';
    is_escape.then(|| entities::decode_deep(units)).flatten()
}
