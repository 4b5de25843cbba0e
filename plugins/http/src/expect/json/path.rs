//! JSONPath (RFC 9535), without the functions `match` and `search`.
//!
//! Implemented here because the peer decides what a path costs: each step is charged as it is taken, none needs
//! memory for its results, and numbers are compared as they are written.

mod comparable;
mod filter;
mod lengths;
mod numbers;
mod parser;
mod query;
mod range;
mod recent_cache;
mod string;

use crate::expect::decimal::OwnedDecimal;
use crate::text::quote;
use parser::{MAX_NESTING, MAX_SEGMENTS, Mistake, Parser};
pub(super) use query::{Stop, Walk};

/// A parsed path.
pub(super) struct Path {
    segments: Vec<Segment>,
}

/// One step: from a value to some of those inside it.
struct Segment {
    /// Whether the step is also taken from every descendant.
    is_descendant: bool,
    selectors: Vec<Selector>,
}

enum Selector {
    Name(String),
    Wildcard,
    Index(i64),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Filter(Expression),
}

/// The expression of a filter.
enum Expression {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(Query),
    Compare(Operand, Operator, Operand),
}

/// A path within a filter.
struct Query {
    /// Whether it starts at the root, or else at the filtered value.
    is_from_root: bool,
    segments: Vec<Segment>,
}

impl Query {
    /// Whether it selects one value at most.
    fn is_singular(&self) -> bool {
        self.segments.iter().all(|segment| {
            let is_one = matches!(*segment.selectors, [Selector::Name(_) | Selector::Index(_)]);
            is_one && !segment.is_descendant
        })
    }
}

enum Operand {
    Null,
    Bool(bool),
    Number(OwnedDecimal),
    Text(String),
    /// A path that selects one value at most.
    Query(Query),
    Length(Box<Self>),
    Count(Query),
    Value(Query),
}

#[derive(Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Why a text is not a path.
pub(super) struct PathError {
    /// The end of a sentence about the text.
    pub(super) message: String,
    /// What to write instead.
    pub(super) hint: Option<&'static str>,
}

impl Path {
    /// Parses a path in time linear in its length.
    ///
    /// # Errors
    /// It is invalid, calls an unknown function, or exceeds the limits.
    pub(super) fn parse(path: &str) -> Result<Self, PathError> {
        let segments = Parser::new(path).path();
        let segments = segments.map_err(|mistake| PathError::of(path, mistake))?;
        Ok(Self { segments })
    }
}

impl PathError {
    fn of(path: &str, mistake: Mistake) -> Self {
        let (at, reason) = match mistake {
            Mistake::DecompressError { at } => (at, String::new()),
            Mistake::TooDeep { at } => {
                let reason = format!("more than {MAX_NESTING} nested filters, parentheses and functions");
                return Self::beyond(path, at, &format!("nested too deep: {reason}"));
            }
            Mistake::TooLong { at } => {
                return Self::beyond(path, at, &format!("too long: more than {MAX_SEGMENTS} steps"));
            }
            Mistake::NotSingular { at } => (
                at,
                ", which may select several values and cannot be compared".to_owned(),
            ),
            Mistake::NoFunction { at } => (
                at,
                ", the only functions are `length`, `count` and `value`".to_owned(),
            ),
            Mistake::NotCompared { at } => (at, ", which must be compared with something".to_owned()),
        };
        let rest = path.get(at..).unwrap_or_default();
        let place = match rest {
            "" => "it ends too early".to_owned(),
            rest => format!("syntax error at {}{reason}", quote(rest.as_bytes())),
        };
        Self {
            message: format!("not a JSONPath: {place}"),
            hint: hint(path, rest),
        }
    }

    fn beyond(path: &str, at: usize, reason: &str) -> Self {
        let rest = path.get(at..).unwrap_or_default();
        Self {
            message: format!("not a JSONPath: {reason}, at {}", quote(rest.as_bytes())),
            hint: None,
        }
    }
}

fn hint(path: &str, rest: &str) -> Option<&'static str> {
    if path.contains("match(") || path.contains("search(") {
        return Some("the functions `match` and `search` are not supported; use `matches`");
    }
    let is_name = rest.starts_with(|first: char| first.is_ascii_graphic() && !"[]()?@'\".*".contains(first));
    is_name.then_some("a key with other characters than letters, digits and `_` needs quotes: `$['a-b']`")
}

#[cfg(test)]
mod tests;
