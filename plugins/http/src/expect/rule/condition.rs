//! One condition, and the subject that it is evaluated on.

use super::Plain;
use super::bounds::{Number, Relation};
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::Decimal;
use crate::expect::find;
use crate::expect::pattern::Regex;
use crate::mismatch::Mismatch;
use crate::text::quote;

/// Maximum values of a list in a message.
const SHOWN: usize = 8;
/// Effort units to evaluate one condition on one value, besides what it reads.
const PER_CONDITION: usize = 20;
/// Effort units to compare two numbers, besides their digits.
const PER_NUMBER: usize = 90;
/// Effort units per byte of a text that is counted or parsed as a number.
const PER_BYTE: usize = 2;

/// One expectation of a value.
pub(in crate::expect) enum Condition<'c, V> {
    Equals(&'c V),
    NotEquals(&'c V),
    OneOf(&'c [V]),
    Contains(&'c str),
    NotContains(&'c str),
    Matches(&'c Regex),
    NotMatches(&'c Regex),
    Bound(Relation, &'c Number),
    Length(Relation, &'c Number),
    Empty(bool),
}

/// A value on which conditions are evaluated.
pub(in crate::expect) trait Subject<V: Plain> {
    /// Whether it equals this value.
    ///
    /// # Errors
    /// The comparison costs too much effort.
    fn is(&self, expected: &V, effort: &Effort) -> Result<bool, TooCostly>;

    /// The text in which texts and patterns are searched.
    fn text(&self) -> &[u8];

    /// The value in backticks, bounded.
    fn quoted(&self) -> String;

    /// The value as a number, if it is one.
    fn number(&self) -> Option<Decimal<'_>> {
        Decimal::parse(str::from_utf8(self.text()).ok()?)
    }

    /// Its length in characters, unless it has elements or members.
    fn length(&self) -> Option<usize> {
        let chunks = self.text().utf8_chunks();
        let lengths =
            chunks.map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()));
        Some(lengths.sum())
    }

    /// Whether it is empty.
    fn is_empty(&self) -> bool {
        self.text().is_empty()
    }
}

impl<V: Plain> Condition<'_, V> {
    /// The key of the condition in a suite.
    pub(in crate::expect) fn key(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::NotEquals(_) => "not_equals",
            Self::OneOf(_) => "one_of",
            Self::Contains(_) => "contains",
            Self::NotContains(_) => "not_contains",
            Self::Matches(_) => "matches",
            Self::NotMatches(_) => "not_matches",
            Self::Bound(relation, _) => relation.sign(),
            Self::Length(..) => "length",
            Self::Empty(_) => "empty",
        }
    }

    /// Whether it excludes something: of several values, each has to meet it.
    pub(in crate::expect) fn is_negative(&self) -> bool {
        matches!(
            self,
            Self::NotEquals(_) | Self::NotContains(_) | Self::NotMatches(_)
        )
    }

    /// Whether it searches the whole text of a value.
    pub(in crate::expect) fn looks_into_text(&self) -> bool {
        matches!(
            self,
            Self::Contains(_) | Self::NotContains(_) | Self::Matches(_) | Self::NotMatches(_)
        )
    }

    /// The mismatch of a value, as a sentence; `None` if the condition holds.
    pub(in crate::expect) fn mismatch(&self, subject: &impl Subject<V>, effort: &Effort) -> Option<Mismatch> {
        let mismatch = match self.reason(subject, effort) {
            Ok(reason) => Mismatch::new(reason?),
            Err(costly) => Mismatch::unknown(self.too_costly(costly)),
        };
        Some(mismatch.reworded(|reason| format!("{} {reason}", subject.quoted())))
    }

    /// Why it is unknown whether the condition holds.
    pub(in crate::expect) fn too_costly(&self, reason: TooCostly) -> String {
        let what = match self {
            Self::Matches(regex) | Self::NotMatches(regex) => quote(regex.as_str().as_bytes()),
            Self::Contains(text) | Self::NotContains(text) => quote(text.as_bytes()),
            _ => format!("`{}`", self.key()),
        };
        format!("cannot be compared with {what}: it {reason}")
    }

    fn reason(&self, subject: &impl Subject<V>, effort: &Effort) -> Result<Option<String>, TooCostly> {
        effort.charge(PER_CONDITION)?;
        let reason = match self {
            Self::Equals(expected) => {
                (!subject.is(expected, effort)?).then(|| format!("is not {}", expected.quoted()))
            }
            Self::NotEquals(other) => subject
                .is(other, effort)?
                .then(|| format!("is {}, which it must not be", other.quoted())),
            Self::OneOf(list) => {
                (!is_one(subject, list, effort)?).then(|| format!("is not one of {}", quoted_list(list)))
            }
            Self::Contains(text) => (!find::contains(subject.text(), text, effort)?)
                .then(|| format!("does not contain {}", quote(text.as_bytes()))),
            Self::NotContains(text) => find::contains(subject.text(), text, effort)?
                .then(|| format!("contains {}, which it must not", quote(text.as_bytes()))),
            Self::Matches(regex) => (!regex.is_match(subject.text(), effort)?)
                .then(|| format!("does not match {}", quote(regex.as_str().as_bytes()))),
            Self::NotMatches(regex) => regex
                .is_match(subject.text(), effort)?
                .then(|| format!("matches {}, which it must not", quote(regex.as_str().as_bytes()))),
            Self::Bound(relation, limit) => {
                effort.charge(PER_NUMBER + subject.text().len().saturating_mul(PER_BYTE))?;
                out_of_bound(subject.number().as_ref(), *relation, limit, effort)?
            }
            Self::Length(relation, limit) => {
                effort.charge(PER_NUMBER + subject.text().len().saturating_mul(PER_BYTE))?;
                wrong_length(subject.length(), *relation, limit, effort)?
            }
            Self::Empty(expected) => match (subject.is_empty(), expected) {
                (true, false) => Some("is empty".to_owned()),
                (false, true) => Some("is not empty".to_owned()),
                _ => None,
            },
        };
        Ok(reason)
    }
}

fn is_one<V: Plain>(subject: &impl Subject<V>, list: &[V], effort: &Effort) -> Result<bool, TooCostly> {
    for expected in list {
        if subject.is(expected, effort)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn quoted_list<V: Plain>(list: &[V]) -> String {
    let values: Vec<_> = list.iter().take(SHOWN).map(V::quoted).collect();
    let more = if list.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", values.join(", "))
}

fn out_of_bound(
    number: Option<&Decimal<'_>>,
    relation: Relation,
    limit: &Number,
    effort: &Effort,
) -> Result<Option<String>, TooCostly> {
    let Some(number) = number else {
        return Ok(Some("is not a number".to_owned()));
    };
    let holds = holds(number, relation, limit, effort)?;
    Ok((!holds).then(|| format!("is not {}{limit}", relation.words())))
}

fn wrong_length(
    length: Option<usize>,
    relation: Relation,
    limit: &Number,
    effort: &Effort,
) -> Result<Option<String>, TooCostly> {
    let Some(length) = length else {
        return Ok(Some("has no length".to_owned()));
    };
    let holds = match Decimal::parse(&length.to_string()) {
        Some(length) => holds(&length, relation, limit, effort)?,
        None => true,
    };
    let words = relation.words();
    Ok((!holds).then(|| format!("has the length {length}, which is not {words}{limit}")))
}

fn holds(
    number: &Decimal<'_>,
    relation: Relation,
    limit: &Number,
    effort: &Effort,
) -> Result<bool, TooCostly> {
    Ok(relation.holds(number.order(&limit.get(), effort)?))
}
