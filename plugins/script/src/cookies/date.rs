//! Dates of cookies, which servers write in many forms (RFC 6265, section 5.1.1).

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The Unix time of a date in seconds.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|char: char| !char.is_ascii_alphanumeric() && char != ':') {
        let lower = token.to_ascii_lowercase();
        let named = MONTHS.iter().position(|name| lower.starts_with(name));
        if token.contains(':') {
            time = time.or_else(|| seconds(token));
        } else if let Some(index) = named {
            month = month.or(i64::try_from(index + 1).ok());
        } else if let Ok(number) = token.parse::<i64>() {
            match (day, year) {
                (None, _) => day = Some(number),
                (Some(_), None) => year = Some(number),
                (Some(_), Some(_)) => {}
            }
        }
    }
    let year = match year? {
        year @ 70..=99 => 1900 + year,
        year @ 0..=69 => 2000 + year,
        year => year,
    };
    let year = Some(year).filter(|year| (1601..=9999).contains(year))?;
    let day = day.filter(|day| (1..=31).contains(day))?;
    Some(days(year, month?, day) * 86_400 + time?)
}

/// `hh:mm:ss` in seconds.
fn seconds(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let is_valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    is_valid.then_some(hour * 3_600 + minute * 60 + second)
}

/// Days from the Unix epoch, in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_many_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse("29 Feb 2024 00:00:00"), Some(1_709_164_800));
        for text in [
            "",
            "soon",
            "1 Jan 2020",
            "40 Jan 2020 00:00:00",
            "1 Jan 2020 25:00:00",
            "1 Jan 999999999999999 00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
