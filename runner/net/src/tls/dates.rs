//! The dates of certificates in messages.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// Such as `expired at 2030-01-01T00:00:00Z`.
pub(super) fn expired(at: i64) -> String {
    format!("expired at {}", date(at))
}

/// Such as `is not valid before 2030-01-01T00:00:00Z`.
pub(super) fn early(at: i64) -> String {
    format!("is not valid before {}", date(at))
}

/// RFC 3339, or Unix seconds for a date outside of the calendar.
pub(super) fn date(unix_seconds: i64) -> String {
    // Not a timestamp of `jiff`, which ends two hours before the day that RFC 5280 has for "no expiry".
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    EPOCH
        .checked_add(SignedDuration::from_secs(unix_seconds))
        .ok()
        .filter(|at| at.year() >= 0)
        .map_or_else(|| unix_seconds.to_string(), |at| format!("{at}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_rfc_3339_up_to_the_last_one_of_rfc_5280() {
        let dates = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            // Outside of the calendar.
            (-62_167_219_201, "-62167219201"),
            (253_402_300_800, "253402300800"),
            (i64::MIN, "-9223372036854775808"),
            (i64::MAX, "9223372036854775807"),
        ];
        for (unix_seconds, expected) in dates {
            assert_eq!(date(unix_seconds), expected);
        }
    }
}
