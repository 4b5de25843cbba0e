//! The five fields of a cron expression, and the local times that they match.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, ToSpan as _};

/// Maximum length of an expression, in characters.
pub(crate) const MAX_EXPRESSION_CHARS: usize = 200;
const MINUTES_OF_DAY: u64 = 24 * 60;
/// Number of days that are searched for a match: the 29th of February recurs within eight years.
const HORIZON: usize = 9 * 366;
/// A leap year, which contains every possible date.
const LEAP_YEAR: i16 = 2024;

/// Shorthands for all five fields.
const SHORTHANDS: [(&str, [&str; 5]); 7] = [
    ("@hourly", ["0", "*", "*", "*", "*"]),
    ("@daily", ["0", "0", "*", "*", "*"]),
    ("@midnight", ["0", "0", "*", "*", "*"]),
    ("@weekly", ["0", "0", "*", "*", "0"]),
    ("@monthly", ["0", "0", "1", "*", "*"]),
    ("@yearly", ["0", "0", "1", "1", "*"]),
    ("@annually", ["0", "0", "1", "1", "*"]),
];

/// The specification of a field.
struct FieldSpec {
    name: &'static str,
    range: RangeInclusive<u8>,
    /// Names of the values, starting with the minimum.
    words: &'static [&'static str],
}

const MINUTE: FieldSpec = FieldSpec {
    name: "minute",
    range: 0..=59,
    words: &[],
};
const HOUR: FieldSpec = FieldSpec {
    name: "hour",
    range: 0..=23,
    words: &[],
};
const DAY: FieldSpec = FieldSpec {
    name: "day of month",
    range: 1..=31,
    words: &[],
};
const MONTH: FieldSpec = FieldSpec {
    name: "month",
    range: 1..=12,
    words: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: FieldSpec = FieldSpec {
    name: "day of week",
    // Both 0 and 7 are Sunday.
    range: 0..=7,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// Why a text is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Wrong number of fields.
    #[error("expected 5 fields, found {0}")]
    Count(usize),
    /// A value that is out of range.
    #[error("{field}: invalid value `{text}`; allowed: {least} to {most}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// The text.
        text: String,
        /// Minimum.
        least: u8,
        /// Maximum.
        most: u8,
    },
    /// A range ends before it begins.
    #[error("{field}: the range `{text}` ends before it begins")]
    Backwards {
        /// Name of the field.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// The step after `/` exceeds the number of values of the field.
    #[error("{field}: the step of `{text}` is longer than the field, which has {values} values")]
    LongStep {
        /// Name of the field.
        field: &'static str,
        /// The text.
        text: String,
        /// Number of values of the field.
        values: u8,
    },
    /// The text after `/` is not a step.
    #[error("{field}: invalid step `{text}`; write such as `*/5` or `0-30/10`")]
    Step {
        /// Name of the field.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// No date matches.
    #[error("this date never occurs")]
    Never,
}

impl CronError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Count(6..) => {
                "write minute, hour, day of month, month and day of week; fields for seconds and years are not supported"
            }
            Self::Backwards { .. } => "write two ranges, such as `22-23,0-6`",
            _ => "write minute, hour, day of month, month and day of week, such as `*/5 8-18 * * mon-fri`",
        }
    }
}

/// The local times that match, as bit sets with the lowest value first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// Whether a day must match both of its fields, because one of them begins with `*`; otherwise one is enough.
    needs_both: bool,
}

impl Fields {
    pub(super) fn parse(words: &[&str]) -> Result<Self, CronError> {
        let shorthand = SHORTHANDS.iter().find(|(name, _)| words == [*name]);
        let words = shorthand.map_or(words, |(_, fields)| fields);
        let &[minute, hour, day, month, weekday] = words else {
            return Err(CronError::Count(words.len()));
        };
        let weekdays = WEEKDAY.bits(weekday)?;
        let fields = Self {
            minutes: MINUTE.bits(minute)?,
            hours: HOUR.bits(hour)?,
            days: DAY.bits(day)?,
            months: MONTH.bits(month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            needs_both: day.starts_with('*') || weekday.starts_with('*'),
        };
        let is_ever_due = fields.next_date(Date::constant(LEAP_YEAR, 1, 1)).is_some();
        is_ever_due.then_some(fields).ok_or(CronError::Never)
    }

    /// The first local time that matches, at or after a whole minute.
    pub(super) fn at_or_after(&self, earliest: DateTime) -> Option<DateTime> {
        let date = self.next_date(earliest.date())?;
        let (hour, minute) = (number(earliest.hour()), number(earliest.minute()));
        if date == earliest.date()
            && let Some((hour, minute)) = self.next_time(hour, minute)
        {
            return Some(date.at(hour, minute, 0, 0));
        }
        let date = if date == earliest.date() {
            self.next_date(date.tomorrow().ok()?)?
        } else {
            date
        };
        let (hour, minute) = self.next_time(0, 0)?;
        Some(date.at(hour, minute, 0, 0))
    }

    /// The minimum time from one due time of a day to the next, or to the first of the next day.
    pub(super) fn min_interval(&self) -> Duration {
        let times: Vec<u64> = (0..MINUTES_OF_DAY)
            .filter(|minute| self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1)
            .collect();
        let overnight = times.first().zip(times.last());
        let overnight = overnight.map(|(first, last)| MINUTES_OF_DAY - last + first);
        let apart = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(one, next)| next - one);
        let least = apart.chain(overnight).min();
        Duration::from_secs(60 * least.unwrap_or(MINUTES_OF_DAY))
    }

    /// Whether every hour has the same due times, so that clock changes by whole hours make no difference.
    pub(super) fn is_unaffected_by(&self, moved: SignedDuration) -> bool {
        const EVERY_HOUR: u64 = (1 << 24) - 1;
        self.hours == EVERY_HOUR && moved.as_secs() % 3_600 == 0
    }

    /// The first date that matches, at or after `from`.
    fn next_date(&self, from: Date) -> Option<Date> {
        let mut date = from;
        for _ in 0..HORIZON {
            if self.months >> date.month() & 1 == 0 {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.matches_date(date) {
                return Some(date);
            } else {
                date = date.checked_add(1.day()).ok()?;
            }
        }
        None
    }

    fn matches_date(&self, date: Date) -> bool {
        let by_day = self.days >> date.day() & 1 == 1;
        let by_weekday = self.weekdays >> date.weekday().to_sunday_zero_offset() & 1 == 1;
        if self.needs_both {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        }
    }

    /// The first time of day that matches, at or after `hour` and `minute`.
    fn next_time(&self, hour: u32, minute: u32) -> Option<(i8, i8)> {
        let this_hour = self.hours >> hour & 1 == 1;
        let found = match first_from(self.minutes, minute).filter(|_| this_hour) {
            Some(minute) => (hour, minute),
            None => (first_from(self.hours, hour + 1)?, first_from(self.minutes, 0)?),
        };
        Some((i8::try_from(found.0).ok()?, i8::try_from(found.1).ok()?))
    }
}

/// The first bit that is set, at or after `from`.
fn first_from(bits: u64, from: u32) -> Option<u32> {
    let rest = bits.checked_shr(from)?;
    (rest != 0).then(|| from + rest.trailing_zeros())
}

fn number(part: i8) -> u32 {
    u32::try_from(part).unwrap_or_default()
}

impl FieldSpec {
    fn bits(&self, list: &str) -> Result<u64, CronError> {
        let mut parts = list.split(',').map(|part| self.part(part));
        parts.try_fold(0, |bits, part| Ok(bits | part?))
    }

    /// `*`, a number, a range, or one of these with a step; a step without a range extends to the end of the field.
    fn part(&self, text: &str) -> Result<u64, CronError> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.step(text, step)?)),
            None => (text, None),
        };
        let (least, most) = (*self.range.start(), *self.range.end());
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => self.range(from, to)?,
            None if step.is_some() => (self.value(range)?, most),
            None => (self.value(range)?, self.value(range)?),
        };
        if from > to {
            return Err(CronError::Backwards {
                field: self.name,
                text: range.to_owned(),
            });
        }
        let meant = (from..=to).step_by(step.unwrap_or(1));
        Ok(meant.fold(0, |bits, value| bits | 1 << value))
    }

    fn step(&self, text: &str, step: &str) -> Result<usize, CronError> {
        let is_number = step.bytes().all(|byte| byte.is_ascii_digit());
        let step = step.parse().ok().filter(|step| *step > 0 && is_number);
        let step: usize = step.ok_or_else(|| CronError::Step {
            field: self.name,
            text: text.to_owned(),
        })?;
        let values = self.values();
        if step > usize::from(values) {
            Err(CronError::LongStep {
                field: self.name,
                text: text.to_owned(),
                values,
            })
        } else {
            Ok(step)
        }
    }

    /// The number of values of the field. Sunday has two numbers.
    fn values(&self) -> u8 {
        let (least, most) = (*self.range.start(), *self.range.end());
        if self.words.contains(&"sun") {
            most - least
        } else {
            most - least + 1
        }
    }

    /// A range, in which Sunday is the last day unless it is also the first.
    fn range(&self, from: &str, to: &str) -> Result<(u8, u8), CronError> {
        let (from, to) = (self.value(from)?, self.value(to)?);
        let is_last_sunday = to == 0 && from > 0 && *self.range.end() == 7;
        Ok((from, if is_last_sunday { 7 } else { to }))
    }

    fn value(&self, text: &str) -> Result<u8, CronError> {
        let word = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let word = word.and_then(|index| u8::try_from(index).ok());
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        let (least, most) = (*self.range.start(), *self.range.end());
        let value = word.map(|index| index + least).or(number);
        value
            .filter(|value| self.range.contains(value))
            .ok_or_else(|| CronError::Value {
                field: self.name,
                text: text.to_owned(),
                least,
                most,
            })
    }
}
