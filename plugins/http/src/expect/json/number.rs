//! Numbers of JSON, compared as they are written: a double does not hold every one of them.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// Digits that every double holds.
const DIGITS_OF_DOUBLE: usize = 15;

/// The numbers of a text that a double does not hold, by the double that stands for them.
#[derive(Default)]
pub(super) struct Rounded(BTreeMap<u64, String>);

impl Rounded {
    /// Looks through a text of JSON.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut rounded = BTreeMap::new();
        for literal in literals(text) {
            let is_long = literal.bytes().filter(u8::is_ascii_digit).count() > DIGITS_OF_DOUBLE;
            let is_integer = literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok();
            if !is_long || is_integer {
                continue;
            }
            let Ok(double) = literal.parse::<f64>() else {
                continue;
            };
            if decimal(literal) != decimal(&double.to_string()) {
                rounded.insert(double.to_bits(), literal.to_owned());
            }
        }
        Self(rounded)
    }

    /// What was written where this number stands, if that is not the number itself.
    pub(super) fn literal(&self, number: &Number) -> Option<&str> {
        if self.0.is_empty() || !number.is_f64() {
            return None;
        }
        self.0.get(&number.as_f64()?.to_bits()).map(String::as_str)
    }
}

/// The numbers in a text of JSON, outside of its strings.
fn literals(text: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (first, after) = rest.split_first()?;
            match first {
                b'"' => rest = after_string(after),
                b'-' | b'0'..=b'9' => {
                    let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                    let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                    let (literal, after) = rest.split_at(end);
                    rest = after;
                    return str::from_utf8(literal).ok();
                }
                _ => rest = after,
            }
        }
    })
}

fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => return after,
            b'\\' => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    rest
}

/// A number as its digits and a power of ten: without zeros at either end, so that equal numbers are equal here.
fn decimal(literal: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
    let behind = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX);
    let significant = significant.trim_start_matches('0');
    match significant.is_empty() {
        true => (false, String::new(), 0),
        false => (
            is_negative,
            significant.to_owned(),
            exponent.saturating_sub(behind).saturating_add(dropped),
        ),
    }
}

/// Whether a value is the expected one. `1`, `1.0` and `1e0` are the same number.
pub(super) fn same(value: &Value, expected: &Value, rounded: &Rounded) -> bool {
    match (value, expected) {
        (Value::Number(value), Value::Number(expected)) => {
            let written = rounded
                .literal(value)
                .map_or_else(|| decimal(&value.to_string()), decimal);
            written == decimal(&expected.to_string())
        }
        (Value::Array(values), Value::Array(expected)) => {
            let mut pairs = values.iter().zip(expected);
            values.len() == expected.len() && pairs.all(|(value, expected)| same(value, expected, rounded))
        }
        (Value::Object(values), Value::Object(expected)) => {
            let fits = |(key, expected): (&String, &Value)| {
                values
                    .get(key)
                    .is_some_and(|value| same(value, expected, rounded))
            };
            values.len() == expected.len() && expected.iter().all(fits)
        }
        _ => value == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_same(body: &str, expected: &str) -> bool {
        let value = serde_json::from_str(body).unwrap();
        let expected = serde_json::from_str(expected).unwrap();
        same(&value, &expected, &Rounded::of(body.as_bytes()))
    }

    #[test]
    fn numbers_are_the_same_when_they_are_written_so() {
        for (body, expected) in [
            ("1", "1.0"),
            ("1e2", "100"),
            ("0.10", "0.1"),
            ("-0", "0"),
            ("0.1", "1e-1"),
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("1.5e300", "1.5e300"),
            ("[1.0,{\"a\":2}]", "[1,{\"a\":2.0}]"),
        ] {
            assert!(is_same(body, expected), "{body} {expected}");
        }
    }

    #[test]
    fn numbers_that_only_a_double_takes_for_the_same_are_not() {
        for (body, expected) in [
            ("9007199254740993", "9007199254740992"),
            ("9007199254740993", "9007199254740992.0"),
            ("18446744073709551615", "18446744073709551616"),
            ("12345678901234567890123", "12345678901234567890999"),
            ("0.1000000000000000000001", "0.1"),
            ("[12345678901234567890123]", "[12345678901234567890999]"),
            ("1", "-1"),
        ] {
            assert!(!is_same(body, expected), "{body} {expected}");
        }
    }

    #[test]
    fn digits_in_a_text_are_no_numbers() {
        let text = br#"{"12345678901234567890123":"\"12345678901234567890124","a":[-1.5e3,7]}"#;
        assert_eq!(literals(text).collect::<Vec<_>>(), ["-1.5e3", "7"]);
    }
}
