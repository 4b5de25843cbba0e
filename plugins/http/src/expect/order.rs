//! The order of two texts, charged as far as they are compared: most differ at their beginning.

use std::cmp::Ordering;

use crate::effort::{Effort, TooCostly};

/// Bytes or characters that are compared at once.
const BLOCK: usize = 64;
/// Effort units per such block.
const PER_BLOCK: usize = 64;
/// Effort units per character that is decoded first, on each side.
const PER_CHARACTER: usize = 24;

/// Compares two texts by their bytes, which is the order of their characters.
///
/// # Errors
/// The comparison costs too much effort.
pub(super) fn of_bytes(mut one: &[u8], mut other: &[u8], effort: &Effort) -> Result<Ordering, TooCostly> {
    loop {
        effort.charge(PER_BLOCK)?;
        let (start, rest) = split(one);
        let (other_start, other_rest) = split(other);
        let order = start.cmp(other_start);
        if order.is_ne() || rest.is_empty() && other_rest.is_empty() {
            return Ok(order);
        }
        (one, other) = (rest, other_rest);
    }
}

fn split(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at_checked(BLOCK).unwrap_or((text, &[]))
}

/// Compares two texts by their characters.
///
/// # Errors
/// The comparison costs too much effort.
pub(super) fn of_characters(
    mut one: impl Iterator<Item = char>,
    mut other: impl Iterator<Item = char>,
    effort: &Effort,
) -> Result<Ordering, TooCostly> {
    loop {
        effort.charge(BLOCK * PER_CHARACTER)?;
        for _ in 0..BLOCK {
            let pair = (one.next(), other.next());
            match pair.0.cmp(&pair.1) {
                Ordering::Equal if pair.0.is_none() => return Ok(Ordering::Equal),
                Ordering::Equal => {}
                order => return Ok(order),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_order_of_their_characters() {
        let long = "é".repeat(100);
        let texts = ["", "a", "ab", "b", "z", "é", &long, "€", "\u{ffff}", "\u{10000}"];
        let longer = texts.map(|text| format!("{}{text}", "x".repeat(BLOCK - 1)));
        let all: Vec<&str> = texts
            .into_iter()
            .chain(longer.iter().map(String::as_str))
            .collect();
        for one in &all {
            for other in &all {
                let effort = Effort::default();
                let expected = Ok(one.cmp(other));
                assert_eq!(of_bytes(one.as_bytes(), other.as_bytes(), &effort), expected);
                assert_eq!(
                    of_characters(one.chars(), other.chars(), &effort),
                    expected,
                    "{one} {other}"
                );
            }
        }
    }

    #[test]
    fn no_more_is_charged_than_is_compared() {
        let (one, other) = ("a".repeat(1 << 20), format!("b{}", "a".repeat(1 << 20)));
        let effort = Effort::with_units(10_000);
        assert_eq!(
            of_bytes(one.as_bytes(), other.as_bytes(), &effort),
            Ok(Ordering::Less)
        );
        assert_eq!(
            of_characters(one.chars(), other.chars(), &effort),
            Ok(Ordering::Less)
        );
        assert_eq!(of_bytes(one.as_bytes(), one.as_bytes(), &effort), Err(TooCostly));
    }
}
