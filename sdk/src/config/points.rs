//! Integers that are written with a decimal point. Everything else of a configuration stays as it is written: a
//! number of `serde_json` has 64 bits, and would be rounded.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::problem::Pointer;

/// Maximum trailing zeros of a 64-bit number.
const MAX_ZEROS: usize = 19;

/// The configuration in which the integers at a location, or below it, are written without a point; `None` if there
/// are none.
pub(super) fn removed_at(config: &str, at: &Pointer) -> Option<String> {
    let pointer = at.to_string();
    let keys: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
    // The whole configuration is more than what does not fit.
    (!keys.is_empty()).then(|| at_keys(config, &keys)).flatten()
}

fn unescaped(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

fn at_keys(json: &str, keys: &[String]) -> Option<String> {
    let Some((key, below)) = keys.split_first() else {
        return removed(json);
    };
    if json.starts_with('[') {
        let mut values: Vec<Box<RawValue>> = serde_json::from_str(json).ok()?;
        let value = values.get_mut(key.parse::<usize>().ok()?)?;
        *value = raw(at_keys(value.get(), below)?)?;
        return written(&values);
    }
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
    let value = members.get_mut(key)?;
    *value = raw(at_keys(value.get(), below)?)?;
    written(&members)
}

/// All of them, not only the first.
fn removed(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'[' => {
            let mut values: Vec<Box<RawValue>> = serde_json::from_str(json).ok()?;
            removed_from(values.iter_mut()).then(|| written(&values))?
        }
        b'{' => {
            let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
            removed_from(members.values_mut()).then(|| written(&members))?
        }
        b'-' | b'0'..=b'9' => whole(json).map(|whole| whole.to_string()),
        _ => None,
    }
}

fn removed_from<'a>(values: impl Iterator<Item = &'a mut Box<RawValue>>) -> bool {
    values.fold(false, |any, value| {
        let changed = removed(value.get()).and_then(raw);
        let is_changed = changed.is_some();
        *value = changed.unwrap_or_else(|| value.clone());
        any | is_changed
    })
}

/// The exact value of a number with a point or an exponent, if it is an integer.
fn whole(number: &str) -> Option<i64> {
    let is_plain = !number.contains(['.', 'e', 'E']);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = [whole, fraction].concat();
    let power = exponent
        .parse::<i64>()
        .ok()?
        .checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let zeros = usize::try_from(power.unsigned_abs()).ok()?;
    let digits = match power {
        _ if is_plain || zeros > MAX_ZEROS => return None,
        0.. => digits + &"0".repeat(zeros),
        _ => digits.strip_suffix(&"0".repeat(zeros))?.to_owned(),
    };
    digits.parse().ok()
}

fn raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

fn written(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_when_nothing_is_left_behind_its_point() {
        for (number, expected) in [
            ("2048.0", 2048),
            ("-5.00", -5),
            ("2e0", 2),
            ("1.5E+3", 1500),
            ("1200e-2", 12),
            ("-0.0", 0),
            ("9223372036854775807.0", i64::MAX),
        ] {
            assert_eq!(whole(number), Some(expected), "{number}");
        }
        for number in [
            "5",
            "0.5",
            "1e-1",
            "5.00000000000000000000000000000001",
            "9223372036854775808.0",
            "1e400",
            "1e99999999999999999999",
        ] {
            assert_eq!(whole(number), None, "{number}");
        }
    }

    #[test]
    fn points_go_at_a_place_and_below_it_and_stay_elsewhere() {
        let config = r#"{"a/b":[{"n":1.0},2.0,0.5],"c":3.0,"id":0.1234567890123456789}"#;
        let at = |pointer: Pointer| removed_at(config, &pointer);
        let list = Pointer::root().key("a/b");
        assert_eq!(
            at(list.clone()).unwrap(),
            r#"{"a/b":[{"n":1},2,0.5],"c":3.0,"id":0.1234567890123456789}"#
        );
        assert_eq!(
            at(list.index(0).key("n")).unwrap(),
            r#"{"a/b":[{"n":1},2.0,0.5],"c":3.0,"id":0.1234567890123456789}"#
        );
        for unchanged in [
            Pointer::root(),
            list.index(2),
            list.index(9),
            Pointer::root().key("id"),
        ] {
            assert_eq!(at(unchanged), None);
        }
    }
}
