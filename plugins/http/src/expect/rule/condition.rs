//! One condition, and what it is held against.

use super::Plain;
use super::bounds::{Number, Relation};
use crate::complaint::Complaint;
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::Decimal;
use crate::expect::find;
use crate::expect::pattern::Regex;
use crate::text::quote;

/// Values of a list that a message shows.
const SHOWN: usize = 8;
/// Units to hold one condition against one value, besides what it looks at.
const PER_CONDITION: usize = 20;
/// Units to compare two numbers, besides their digits.
const PER_NUMBER: usize = 90;
/// Units for one byte of a text that is counted, or read as a number.
const PER_BYTE: usize = 2;

/// One thing that is expected of a value.
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

/// A value that conditions are held against.
pub(in crate::expect) trait Subject<V: Plain> {
    /// Whether it is this value.
    ///
    /// # Errors
    /// To find out costs too much.
    fn is(&self, expected: &V, effort: &Effort) -> Result<bool, TooCostly>;

    /// What texts and patterns are looked for in.
    fn text(&self) -> &[u8];

    /// In backticks, bounded.
    fn shown(&self) -> String;

    /// The number that it is.
    fn number(&self) -> Option<Decimal<'_>> {
        Decimal::parse(str::from_utf8(self.text()).ok()?)
    }

    /// Characters of a text, unless it has elements or members.
    fn length(&self) -> Option<usize> {
        let chunks = self.text().utf8_chunks();
        let lengths =
            chunks.map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()));
        Some(lengths.sum())
    }

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.text().is_empty()
    }
}

impl<V: Plain> Condition<'_, V> {
    /// Its key in a suite.
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

    /// Whether it says what must not be: where there are several values, then it is for every one of them.
    pub(in crate::expect) fn is_negative(&self) -> bool {
        matches!(
            self,
            Self::NotEquals(_) | Self::NotContains(_) | Self::NotMatches(_)
        )
    }

    /// Whether the whole text of a value is looked through.
    pub(in crate::expect) fn looks_into_text(&self) -> bool {
        matches!(
            self,
            Self::Contains(_) | Self::NotContains(_) | Self::Matches(_) | Self::NotMatches(_)
        )
    }

    /// What is wrong with a value, as a sentence; nothing when it is as it should be.
    pub(in crate::expect) fn complaint(
        &self,
        subject: &impl Subject<V>,
        effort: &Effort,
    ) -> Option<Complaint> {
        let complaint = match self.reason(subject, effort) {
            Ok(reason) => Complaint::seen(reason?),
            Err(costly) => Complaint::unknown(self.too_costly(costly)),
        };
        Some(complaint.reworded(|reason| format!("{} {reason}", subject.shown())))
    }

    /// Why it is not known whether it holds.
    pub(in crate::expect) fn too_costly(&self, reason: TooCostly) -> String {
        let what = match self {
            Self::Matches(regex) | Self::NotMatches(regex) => quote(regex.as_str().as_bytes()),
            Self::Contains(text) | Self::NotContains(text) => quote(text.as_bytes()),
            _ => format!("`{}`", self.key()),
        };
        format!("cannot be held against {what}: it {reason}")
    }

    fn reason(&self, subject: &impl Subject<V>, effort: &Effort) -> Result<Option<String>, TooCostly> {
        effort.take(PER_CONDITION)?;
        let reason = match self {
            Self::Equals(expected) => {
                (!subject.is(expected, effort)?).then(|| format!("is not {}", expected.shown()))
            }
            Self::NotEquals(other) => subject
                .is(other, effort)?
                .then(|| format!("is {}, which it must not be", other.shown())),
            Self::OneOf(list) => {
                (!is_one(subject, list, effort)?).then(|| format!("is not one of {}", shown(list)))
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
                effort.take(PER_NUMBER + subject.text().len().saturating_mul(PER_BYTE))?;
                out_of_bound(subject.number().as_ref(), *relation, limit, effort)?
            }
            Self::Length(relation, limit) => {
                effort.take(PER_NUMBER + subject.text().len().saturating_mul(PER_BYTE))?;
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

fn shown<V: Plain>(list: &[V]) -> String {
    let values: Vec<_> = list.iter().take(SHOWN).map(V::shown).collect();
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
