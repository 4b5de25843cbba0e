//! The order of two texts, paid for as far as they are looked at: most differ at their beginning.

use std::cmp::Ordering;

use crate::effort::{Effort, TooCostly};

/// Bytes, or characters, that are compared at once.
const BLOCK: usize = 64;
/// Units to compare them.
const PER_BLOCK: usize = 64;
/// Units for one character that is put together first, on each side.
const PER_CHARACTER: usize = 24;

/// The order of two texts by their bytes, which is that of their characters.
///
/// # Errors
/// To find out costs too much.
pub(super) fn of_bytes(mut one: &[u8], mut other: &[u8], effort: &Effort) -> Result<Ordering, TooCostly> {
    loop {
        effort.take(PER_BLOCK)?;
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

/// The order of two texts by their characters.
///
/// # Errors
/// To find out costs too much.
pub(super) fn of_characters(
    mut one: impl Iterator<Item = char>,
    mut other: impl Iterator<Item = char>,
    effort: &Effort,
) -> Result<Ordering, TooCostly> {
    loop {
        effort.take(BLOCK * PER_CHARACTER)?;
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
    fn no_more_is_paid_than_is_looked_at() {
        let (one, other) = ("a".repeat(1 << 20), format!("b{}", "a".repeat(1 << 20)));
        let effort = Effort::of(10_000);
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
