//! Decimal numbers of any length, compared without rounding. Most differ in their sign, magnitude or first digits, so
//! a comparison is cheap once their digits were counted.

use std::cmp::Ordering;

use super::order;
use crate::effort::{Effort, TooCostly};

/// Effort units to read one byte of a number.
pub(super) const PER_DIGIT: usize = 3;

/// A decimal number within a text. Equal numbers are equal here, however they are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'t> {
    is_negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'t str,
    /// Digits after the point, without trailing zeros. For zero both parts are empty.
    fraction: &'t str,
    /// The power of ten of the first digit.
    magnitude: i128,
}

impl<'t> Decimal<'t> {
    /// Parses a JSON number, which may also have a leading `+`, leading zeros, or no digit on one side of its point.
    pub(super) fn parse(literal: &'t str) -> Option<Self> {
        let (is_negative, unsigned) = match literal.as_bytes().first() {
            Some(b'-') => (true, literal.get(1..)?),
            Some(b'+') => (false, literal.get(1..)?),
            _ => (false, literal),
        };
        let (whole, rest) = digits(unsigned);
        let (fraction, rest) = match rest.as_bytes().first() {
            Some(b'.') => digits(rest.get(1..)?),
            _ => ("", rest),
        };
        let exponent = match rest.as_bytes().first() {
            None => 0,
            Some(b'e' | b'E') => parse_exponent(rest.get(1..)?)?,
            Some(_) => return None,
        };
        let is_number = !whole.is_empty() || !fraction.is_empty();
        is_number.then(|| Self::of(is_negative, whole, fraction, exponent))
    }

    fn of(is_negative: bool, whole: &'t str, fraction: &'t str, exponent: i128) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let (whole, fraction, before_point) = match (whole, fraction) {
            ("", fraction) => {
                let significant = fraction.trim_start_matches('0');
                ("", significant, -length(fraction) + length(significant))
            }
            (whole, "") => (whole.trim_end_matches('0'), "", length(whole)),
            (whole, fraction) => (whole, fraction, length(whole)),
        };
        let is_zero = whole.is_empty() && fraction.is_empty();
        Self {
            is_negative: is_negative && !is_zero,
            whole,
            fraction,
            magnitude: if is_zero {
                i128::MIN
            } else {
                exponent.saturating_add(before_point)
            },
        }
    }

    /// Compares it with another number.
    ///
    /// # Errors
    /// The comparison costs too much effort.
    pub(super) fn order(&self, other: &Self, effort: &Effort) -> Result<Ordering, TooCostly> {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ok(Ordering::Greater),
            (true, false) => Ok(Ordering::Less),
            (false, false) => self.order_unsigned(other, effort),
            (true, true) => other.order_unsigned(self, effort),
        }
    }

    fn order_unsigned(&self, other: &Self, effort: &Effort) -> Result<Ordering, TooCostly> {
        match self.magnitude.cmp(&other.magnitude) {
            Ordering::Equal => self.order_digits(other, effort),
            decided => Ok(decided),
        }
    }

    /// Compares the digits piece by piece, as the points split them. Without trailing zeros, the shorter of two
    /// numbers with a common beginning is the smaller one.
    fn order_digits(&self, other: &Self, effort: &Effort) -> Result<Ordering, TooCostly> {
        let (mut one, mut other) = (Digits::of(self), Digits::of(other));
        loop {
            let length = one.first.len().min(other.first.len());
            let order = order::of_bytes(one.take(length), other.take(length), effort)?;
            if order.is_ne() || one.first.is_empty() || other.first.is_empty() {
                return Ok(order.then(one.first.len().cmp(&other.first.len())));
            }
        }
    }
}

/// The digits that are not compared yet.
struct Digits<'t> {
    /// The current piece; empty if no digits are left.
    first: &'t [u8],
    second: &'t [u8],
}

impl<'t> Digits<'t> {
    fn of(number: &Decimal<'t>) -> Self {
        let mut digits = Self {
            first: number.whole.as_bytes(),
            second: number.fraction.as_bytes(),
        };
        digits.take(0);
        digits
    }

    fn take(&mut self, length: usize) -> &'t [u8] {
        let (taken, rest) = self.first.split_at_checked(length).unwrap_or((self.first, &[]));
        self.first = rest;
        if rest.is_empty() {
            self.first = std::mem::take(&mut self.second);
        }
        taken
    }
}

/// A number that is parsed once and compared repeatedly.
#[derive(Debug, Clone)]
pub(super) struct OwnedDecimal {
    is_negative: bool,
    whole: String,
    fraction: String,
    magnitude: i128,
}

impl OwnedDecimal {
    /// As [`Decimal::parse`].
    pub(super) fn parse(literal: &str) -> Option<Self> {
        let number = Decimal::parse(literal)?;
        Some(Self {
            is_negative: number.is_negative,
            whole: number.whole.to_owned(),
            fraction: number.fraction.to_owned(),
            magnitude: number.magnitude,
        })
    }

    /// The number, without parsing it again.
    pub(super) fn get(&self) -> Decimal<'_> {
        Decimal {
            is_negative: self.is_negative,
            whole: &self.whole,
            fraction: &self.fraction,
            magnitude: self.magnitude,
        }
    }
}

/// The leading digits of a text, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let is_other = |byte: u8| !byte.is_ascii_digit();
    text.split_at(text.bytes().position(is_other).unwrap_or(text.len()))
}

fn length(text: &str) -> i128 {
    i128::try_from(text.len()).unwrap_or(i128::MAX)
}

/// Beyond the range of an `i128`, which has 38 digits, all exponents are equivalent.
fn parse_exponent(text: &str) -> Option<i128> {
    let (all, rest) = digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    if all.is_empty() || !rest.is_empty() {
        return None;
    }
    // One more than the minimum, which is the magnitude of zero.
    let saturated = if text.starts_with('-') {
        i128::MIN + 1
    } else {
        i128::MAX
    };
    Some(text.parse().unwrap_or(saturated))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(one: &str, other: &str) -> Ordering {
        let (borrowed, owned) = (Decimal::parse(one).unwrap(), OwnedDecimal::parse(other).unwrap());
        borrowed.order(&owned.get(), &Effort::default()).unwrap()
    }

    #[test]
    fn numbers_are_ordered_as_they_are_written() {
        let ordered = [
            "-1e99999999999999999999",
            "-1e400",
            "-10.5",
            "-10",
            "-9.99",
            "-0.001",
            "-1e-99999999999999999999",
            "0",
            "1e-99999999999999999999",
            "1e-400",
            "0.1",
            "0.10000000000000000000001",
            "0.2",
            "1",
            "9007199254740992",
            "9007199254740993",
            "12345678901234567890123",
            "1e300",
            "1e99999999999999999998",
            "1e99999999999999999999",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(order(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(order(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn one_number_has_many_forms() {
        for (one, other) in [
            ("1", "1.0"),
            ("1e2", "100"),
            ("-0", "0"),
            ("0e99999999999999999999", "-0.0"),
            ("0.10", "1E-1"),
            ("0.0012", "12e-4"),
            ("1200", "1.2e+3"),
            ("007", "+7"),
            ("5.", "5"),
            (".5", "0.5"),
            ("12345e-2", "123.45"),
            ("1.2345e2", "12.345e1"),
        ] {
            assert_eq!(order(one, other), Ordering::Equal, "{one} {other}");
            assert_eq!(order(other, one), Ordering::Equal, "{one} {other}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_none() {
        for text in [
            "", "-", "+", ".", "-.", "e1", ".e1", "x", "1x", "1e", "1e+", "0x10", "1 2", "1.2.3", "1e5.0",
            "--1", "٣", "NaN", " 5", "5\u{a0}",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_long_number_costs_no_more_than_what_decides() {
        let effort = Effort::with_units(20_000);
        let (nines, eights) = ("9".repeat(100_000), format!("8{}", "9".repeat(99_999)));
        let [nines, eights, small] = [&*nines, &*eights, "-5"].map(|text| Decimal::parse(text).unwrap());
        for _ in 0..100 {
            assert_eq!(nines.order(&small, &effort), Ok(Ordering::Greater));
            assert_eq!(nines.order(&eights, &effort), Ok(Ordering::Greater));
        }
        assert_eq!(nines.order(&nines, &effort), Err(TooCostly));
    }
}
