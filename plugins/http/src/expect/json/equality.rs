//! Equality of JSON values. `1`, `1.0` and `1e0` are the same number.

use super::document::{Characters, Children, Node, View};
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::{Decimal, PER_DIGIT};

/// Effort units to compare two values, besides the bytes that are compared.
const PER_VALUE: usize = 40;
/// Effort units to compare two numbers that are written differently, besides their digits.
const PER_NUMBER: usize = 70;
/// Effort units to check a key, besides its bytes.
const PER_KEY: usize = 25;

/// Whether two values are equal.
///
/// # Errors
/// The comparison costs too much effort.
pub(super) fn same(one: Node<'_>, other: Node<'_>, effort: &Effort) -> Result<bool, TooCostly> {
    // Documents have a bounded number of levels.
    let mut levels = Vec::new();
    let mut pair = (one, other);
    loop {
        match compare(pair.0, pair.1, effort)? {
            Compared::Differ => return Ok(false),
            Compared::Same => {}
            Compared::Inside(level) => levels.push(level),
        }
        pair = loop {
            let Some(level) = levels.last_mut() else {
                return Ok(true);
            };
            match level.next(effort)? {
                Step::Pair(one, other) => break (one, other),
                Step::Missing => return Ok(false),
                Step::Over => drop(levels.pop()),
            }
        };
    }
}

/// The member with this name.
///
/// # Errors
/// The search costs too much effort.
pub(super) fn member<'d>(
    members: &mut Children<'d>,
    name: Characters<'_>,
    effort: &Effort,
) -> Result<Option<Node<'d>>, TooCostly> {
    for member in members {
        let Some(key) = member.key() else {
            continue;
        };
        effort.charge(PER_KEY)?;
        if key.same(name, effort)? {
            return Ok(Some(member));
        }
    }
    Ok(None)
}

enum Compared<'d> {
    Same,
    Differ,
    /// Equal if the values inside are equal.
    Inside(Level<'d>),
}

fn compare<'d>(one: Node<'d>, other: Node<'d>, effort: &Effort) -> Result<Compared<'d>, TooCostly> {
    effort.charge(PER_VALUE)?;
    let is_same = match (one.view(), other.view()) {
        (View::List { count }, View::List { count: expected })
        | (View::Object { count }, View::Object { count: expected })
            if count == expected =>
        {
            return Ok(Compared::Inside(Level {
                values: one.children(),
                others: other.children(),
                other,
            }));
        }
        (View::Null, View::Null) => true,
        (View::Bool(one), View::Bool(other)) => one == other,
        (View::Number(one), View::Number(other)) => is_same_number(one, other, effort)?,
        (View::Text(one), View::Text(other)) => one.same(other, effort)?,
        _ => false,
    };
    Ok(if is_same { Compared::Same } else { Compared::Differ })
}

fn is_same_number(one: &str, other: &str, effort: &Effort) -> Result<bool, TooCostly> {
    if one.len() == other.len() {
        effort.charge(one.len())?;
        if one == other {
            return Ok(true);
        }
    }
    effort.charge(PER_NUMBER + (one.len() + other.len()) * PER_DIGIT)?;
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Some(one), Some(other)) => Ok(one.order(&other, effort)?.is_eq()),
        _ => Ok(false),
    }
}

/// Two lists or two objects whose values are being compared.
struct Level<'d> {
    values: Children<'d>,
    others: Children<'d>,
    other: Node<'d>,
}

enum Step<'d> {
    Pair(Node<'d>, Node<'d>),
    Missing,
    Over,
}

impl<'d> Level<'d> {
    fn next(&mut self, effort: &Effort) -> Result<Step<'d>, TooCostly> {
        let Some(value) = self.values.next() else {
            return Ok(Step::Over);
        };
        let other = match value
            .key()
            .filter(|_| matches!(self.other.view(), View::Object { .. }))
        {
            None => self.others.next(),
            Some(key) => self.member(key, effort)?,
        };
        Ok(other.map_or(Step::Missing, |other| Step::Pair(value, other)))
    }

    /// Starts the search after the last match: members usually come in the same order.
    fn member(&mut self, name: Characters<'_>, effort: &Effort) -> Result<Option<Node<'d>>, TooCostly> {
        if let Some(found) = member(&mut self.others, name, effort)? {
            return Ok(Some(found));
        }
        self.others = self.other.children();
        member(&mut self.others, name, effort)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::document::Document;
    use super::*;
    use crate::memory::MemoryBudget;

    fn is_same(one: &str, other: &str) -> bool {
        let effort = Effort::default();
        let parse = |text| Document::parse(Cow::Borrowed(text), MemoryBudget::default(), &effort).unwrap();
        let (one, other) = (parse(one), parse(other));
        let same = |one: &Document, other: &Document| same(one.root(), other.root(), &effort).unwrap();
        assert_eq!(same(&one, &other), same(&other, &one));
        same(&one, &other)
    }

    #[test]
    fn numbers_are_the_same_when_they_are_written_so() {
        for (one, other) in [
            ("1", "1.0"),
            ("1e2", "100"),
            ("0.10", "0.1"),
            ("-0", "0"),
            ("0.1", "1e-1"),
            ("9007199254740993", "9007199254740993"),
            ("1.5e300", "1.5e300"),
            ("[1.0,{\"a\":2}]", "[1,{\"a\":2.0}]"),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn numbers_that_only_a_double_takes_for_the_same_are_not() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("9007199254740993", "9007199254740992.0"),
            ("18446744073709551615", "18446744073709551616"),
            ("12345678901234567890123", "12345678901234567890999"),
            ("0.1000000000000000000001", "0.1"),
            ("1e-400", "0"),
            ("1e400", "1e401"),
            ("[12345678901234567890123]", "[12345678901234567890999]"),
            ("1", "-1"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn values_are_the_same_whatever_their_blanks_escapes_and_order() {
        for (one, other) in [
            (
                r#"{"a":1,"b":[true,null]}"#,
                "{ \"b\" : [ true , null ] ,\n\"a\":1}",
            ),
            (r#""\u0061\/\ud83d\ude00""#, r#""a/😀""#),
            (r#"{"\u0061":1}"#, r#"{"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("[[],{}]", "[[],{}]"),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            ("[1,2]", "[1,2,3]"),
            ("[]", "{}"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#),
            ("[[[1]]]", "[[[2]]]"),
            ("null", "false"),
            ("\"1\"", "1"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_comparison_that_costs_too_much_is_given_up() {
        let text = format!("[{}0]", "0,".repeat(1_000));
        let list =
            Document::parse(Cow::Borrowed(&text), MemoryBudget::default(), &Effort::default()).unwrap();
        assert_eq!(
            same(list.root(), list.root(), &Effort::with_units(20_000)),
            Err(TooCostly)
        );
    }

    #[test]
    fn texts_of_different_lengths_cost_nothing_to_compare() {
        let (long, short) = (format!("\"{}\"", "a".repeat(1 << 20)), "\"a\"");
        let parse =
            |text| Document::parse(Cow::Borrowed(text), MemoryBudget::default(), &Effort::default()).unwrap();
        let (long, short) = (parse(&long), parse(short));
        let effort = Effort::with_units(PER_VALUE as u64);
        assert_eq!(same(long.root(), short.root(), &effort), Ok(false));
    }
}
