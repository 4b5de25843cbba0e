//! Entities of HTML and XML.

use html_escape::NAMED_ENTITIES;

use super::{Decoded, Unit, at};

/// Bytes of the longest name, without `&` and `;`.
const LONGEST_NAME: usize = 31;
/// Digits of a number; more of them are leading zeros.
const MAX_DIGITS: usize = 9;

/// `&quot;`, `&#34;`, and `&amp;quot;` and so on to any depth.
pub(super) fn decode(units: &[Unit]) -> Option<(Decoded, usize)> {
    // Where what reads as `&` ends.
    let mut start = 1;
    loop {
        let (text, length) = match at(units, start) {
            Some(b'#') => return numbered(units, start + 1),
            _ => named(units, start)?,
        };
        let end = start + length;
        if text != "&" || !is_begun(units, end) {
            return Some((Decoded::Text(text), end));
        }
        start = end;
    }
}

/// Whether the rest of an entity follows.
fn is_begun(units: &[Unit], start: usize) -> bool {
    match at(units, start) {
        Some(b'#') => numbered(units, start + 1).is_some(),
        _ => named(units, start).is_some(),
    }
}

fn named(units: &[Unit], start: usize) -> Option<(&'static str, usize)> {
    let letters = (start..=start + LONGEST_NAME).map_while(|place| at(units, place));
    let name: Vec<u8> = letters.take_while(u8::is_ascii_alphanumeric).collect();
    if at(units, start + name.len()) != Some(b';') {
        return None;
    }
    let place = NAMED_ENTITIES.binary_search_by(|(known, _)| (*known).cmp(&name));
    let (_, text) = NAMED_ENTITIES.get(place.ok()?)?;
    Some((text, name.len() + 1))
}

/// `&#39;` and `&#x27;`, which browsers read without the `;` as well.
fn numbered(units: &[Unit], start: usize) -> Option<(Decoded, usize)> {
    let (start, radix) = match at(units, start) {
        Some(b'x' | b'X') => (start + 1, 16),
        _ => (start, 10),
    };
    let digits = (start..start + MAX_DIGITS).map_while(|place| char::from(at(units, place)?).to_digit(radix));
    let (mut code, mut end) = (0_u32, start);
    for digit in digits {
        code = code.checked_mul(radix)?.checked_add(digit)?;
        end += 1;
    }
    let char = char::from_u32(code).filter(|_| end > start)?;
    let is_closed = at(units, end) == Some(b';');
    Some((Decoded::Char(char), end + usize::from(is_closed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_none_is_longer() {
        assert!(NAMED_ENTITIES.is_sorted_by_key(|(name, _)| name));
        let longest = NAMED_ENTITIES.iter().map(|(name, _)| name.len()).max();
        assert_eq!(longest, Some(LONGEST_NAME));
    }
}
