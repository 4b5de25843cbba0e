//! Entities of HTML and XML.

use html_escape::NAMED_ENTITIES;

use super::{Replacement, Unit, at};

/// Bytes of the longest name, without `&` and `;`.
const LONGEST_NAME: usize = 31;
/// Maximum digits of a number; more of them are leading zeros.
const MAX_DIGITS: usize = 9;
/// Names that browsers also accept without the `;`.
const UNCLOSED: [&str; 8] = ["quot", "amp", "lt", "gt", "QUOT", "AMP", "LT", "GT"];

/// `&quot;`, `&#34;`, and some without the `;`.
pub(super) fn decode(units: &[Unit]) -> Option<(Replacement, usize)> {
    entity(units, 1).or_else(|| unclosed(units))
}

/// The same, and `&amp;quot;` and so on, nested to any depth.
pub(super) fn decode_deep(units: &[Unit]) -> Option<(Replacement, usize)> {
    let Some((mut decoded, mut length)) = entity(units, 1) else {
        return unclosed(units);
    };
    while let Replacement::Text("&") = decoded
        && let Some((deeper, end)) = entity(units, length)
    {
        (decoded, length) = (deeper, end);
    }
    Some((decoded, length))
}

/// The entity after an `&`, and its end.
fn entity(units: &[Unit], start: usize) -> Option<(Replacement, usize)> {
    if at(units, start) == Some(b'#') {
        return numbered(units, start + 1);
    }
    let name = name(units, start);
    let end = start + name.len();
    // The look-up is slow, so it comes last.
    let is_closed = at(units, end) == Some(b';');
    is_closed.then(|| Some((known(&name)?, end + 1))).flatten()
}

fn unclosed(units: &[Unit]) -> Option<(Replacement, usize)> {
    let name = name(units, 1);
    let begin = UNCLOSED.iter().find(|begin| name.starts_with(begin.as_bytes()))?;
    Some((known(begin.as_bytes())?, 1 + begin.len()))
}

fn name(units: &[Unit], start: usize) -> Vec<u8> {
    let letters = (start..=start + LONGEST_NAME).map_while(|place| at(units, place));
    letters.take_while(u8::is_ascii_alphanumeric).collect()
}

fn known(name: &[u8]) -> Option<Replacement> {
    let place = NAMED_ENTITIES.binary_search_by(|(known, _)| (*known).cmp(name));
    let (_, text) = NAMED_ENTITIES.get(place.ok()?)?;
    Some(Replacement::Text(text))
}

/// `&#39;` and `&#x27;`, which browsers also accept without the `;`.
fn numbered(units: &[Unit], start: usize) -> Option<(Replacement, usize)> {
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
    Some((Replacement::Char(char), end + usize::from(is_closed)))
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
