//! Decimal numbers, compared by their digits.

/// A number in its unique normalised form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without leading and trailing zeros; empty for zero.
    digits: String,
    /// Position of the point relative to the first digit.
    point: i64,
}

/// Parses numbers such as `-1.50e3`; nothing if the exponent overflows.
pub(super) fn parse(text: &str) -> Option<Decimal> {
    let unsigned = text.trim_start_matches(['-', '+']);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        let (is_negative, digits, point) = Default::default();
        return Some(Decimal {
            is_negative,
            digits,
            point,
        });
    }
    let zeros = i64::try_from(all.len() - significant.len()).ok()?;
    let point = i64::try_from(whole.len()).ok()?.checked_sub(zeros)?;
    Some(Decimal {
        is_negative: text.starts_with('-'),
        digits: digits.to_owned(),
        point: point.checked_add(exponent.parse().ok()?)?,
    })
}

/// The number in JSON syntax: no `+`, no leading zeros, and digits on both sides of the point.
pub(super) fn json(text: &str) -> String {
    let sign = if text.starts_with('-') { "-" } else { "" };
    let unsigned = text.trim_start_matches(['-', '+']);
    let exponent_at = unsigned.find(['e', 'E']).unwrap_or(unsigned.len());
    let (mantissa, exponent) = unsigned.split_at_checked(exponent_at).unwrap_or((unsigned, ""));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        significant => significant,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    [sign, whole, point, fraction, exponent].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_yaml_is_one_of_json_with_the_same_digits() {
        for (yaml, json_text) in [
            ("12345678901234567890123", "12345678901234567890123"),
            ("-9223372036854775809", "-9223372036854775809"),
            ("+0018446744073709551616", "18446744073709551616"),
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("-.1234567890123456789", "-0.1234567890123456789"),
            ("12345678901234567890123.", "12345678901234567890123"),
            ("000.10e+400", "0.10e+400"),
            ("5.E-400", "5E-400"),
        ] {
            assert_eq!(json(yaml), json_text);
            assert_eq!(parse(yaml), parse(json_text), "{yaml}");
        }
    }

    #[test]
    fn a_number_is_itself_however_it_is_written() {
        for (one, other) in [
            ("1", "1.0"),
            ("+1.50e3", "1500"),
            ("0.001", "1e-3"),
            ("-0", "0.0"),
            ("007", "7"),
            ("20000000000000000000", "2e19"),
        ] {
            assert_eq!(parse(one), parse(other), "{one} {other}");
        }
        for (one, other) in [("1", "-1"), ("1", "10"), ("0.1", "0.01"), ("12", "1.3e1")] {
            assert_ne!(parse(one), parse(other), "{one} {other}");
        }
        assert_eq!(parse("1e99999999999999999999"), None);
    }
}
