//! Escapes that are none elsewhere: a text is read with those of each of these and without them.

use super::{Decoded, Unit, at, entities, hex, percent};

/// Quoted-printable: `=41`, and a line that goes on. LDAP: `\41`.
pub(super) fn mail(units: &[Unit]) -> Option<(Decoded, usize)> {
    match (units.first()?.byte, at(units, 1)) {
        (b'=', Some(b'\n')) => Some((Decoded::Nothing, 2)),
        (b'=', Some(b'\r')) if at(units, 2) == Some(b'\n') => Some((Decoded::Nothing, 3)),
        (b'=' | b'\\', _) => hex(units, 1, 2).map(|byte| (Decoded::Byte(byte), 3)),
        _ => None,
    }
}

/// As in a header of a mail (RFC 2047): `_` is a blank.
pub(super) fn encoded_word(units: &[Unit]) -> Option<(Decoded, usize)> {
    match units.first()?.byte {
        b'_' => Some((Decoded::Byte(b' '), 1)),
        _ => mail(units),
    }
}

/// As in a name of DNS (RFC 1035, section 5.1): `\065`, decimal.
pub(super) fn dns(units: &[Unit]) -> Option<(Decoded, usize)> {
    let digit = |place| char::from(at(units, place)?).to_digit(10);
    if units.first()?.byte != b'\\' {
        return None;
    }
    let value = digit(1)? * 100 + digit(2)? * 10 + digit(3)?;
    Some((Decoded::Byte(u8::try_from(value).ok()?), 4))
}

/// Of PowerShell: `` `n ``, and of `cmd`: `^&`, `%%`.
pub(super) fn windows(units: &[Unit]) -> Option<(Decoded, usize)> {
    let escaped = at(units, 1)?;
    match (units.first()?.byte, escaped) {
        (b'`', b'0' | b'a' | b'b' | b'e' | b'f' | b'n' | b'r' | b't' | b'v') => {
            Some((Decoded::Byte(b' '), 2))
        }
        (sign @ (b'`' | b'^' | b'%'), _) if sign == escaped => Some((Decoded::Byte(sign), 2)),
        // The sign alone, so that the quote in front of a value is not masked with it.
        (b'`' | b'^', _) => Some((Decoded::Nothing, 1)),
        _ => None,
    }
}

/// As in a URL alone: `%41`, `%2541` and so on to any depth. Digits that only follow are not to be taken for a part of
/// that, which is why it is no escape of [`super::string`].
pub(super) fn url(units: &[Unit]) -> Option<(Decoded, usize)> {
    if units.first()?.byte != b'%' {
        return None;
    }
    let mut start = 1;
    while hex(units, start, 2) == Some(b'%') && hex(units, start + 2, 2).is_some() {
        start += 2;
    }
    match hex(units, start, 2) {
        Some(byte) => Some((Decoded::Byte(byte), start + 2)),
        None => percent(units),
    }
}

/// As in HTML alone: `&amp;amp;lt;`.
pub(super) fn html(units: &[Unit]) -> Option<(Decoded, usize)> {
    let is_escape = units.first()?.byte == b'&';
    is_escape.then(|| entities::decode_deep(units)).flatten()
}
