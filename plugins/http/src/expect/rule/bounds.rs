//! Numeric limits.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use canary_sdk::Problems;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use crate::effort::Effort;
use crate::expect::decimal::{Decimal, OwnedDecimal};
use crate::one_or_many::add_type;

/// Maximum digits of a number in a message.
const MAX_SHOWN: usize = 80;

/// How a number relates to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expect) enum Relation {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Relation {
    /// Whether this result of a comparison with the limit satisfies the relation.
    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::More => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }

    /// The sign in a suite.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The words between `is not` and the limit.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Equal => "",
            Self::Less => "less than ",
            Self::AtMost => "at most ",
            Self::More => "more than ",
            Self::AtLeast => "at least ",
        }
    }
}

/// A number of a suite, of any length. Boxed: it is large, and rules are moved on the stack.
pub(in crate::expect) struct Number(Box<Literal>);

struct Literal {
    /// Its beginning, for messages.
    shown: String,
    nearest: f64,
    value: OwnedDecimal,
}

impl Number {
    pub(super) fn get(&self) -> Decimal<'_> {
        self.0.value.get()
    }

    /// The nearest double: for lengths, which are never large.
    fn nearest(&self) -> f64 {
        self.0.nearest
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let value = OwnedDecimal::parse(json.get()).ok_or_else(|| D::Error::custom("expected a number"))?;
        let shown = match json.get().split_at_checked(MAX_SHOWN) {
            Some((start, rest)) if !rest.is_empty() => format!("{start}…"),
            _ => json.get().to_owned(),
        };
        // A number beyond 64 bits is effectively infinite compared with lengths.
        let nearest = json.get().parse().unwrap_or(f64::INFINITY);
        Ok(Self(Box::new(Literal {
            shown,
            nearest,
            value,
        })))
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        serde_json::Number::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        serde_json::Number::json_schema(generator)
    }
}

/// Limits of a number, which is compared as it is written.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Bounds {
    /// It must be a number less than this.
    #[serde(rename = "<")]
    less: Option<Number>,
    /// It must be a number of at most this.
    #[serde(rename = "<=")]
    at_most: Option<Number>,
    /// It must be a number more than this.
    #[serde(rename = ">")]
    more: Option<Number>,
    /// It must be a number of at least this.
    #[serde(rename = ">=")]
    at_least: Option<Number>,
}

impl Bounds {
    pub(super) const KEYS: &'static [&'static str] = &["<", "<=", ">", ">="];

    /// Reports limits that no number is within, and returns whether there are any.
    pub(super) fn check(&self, problems: &mut Problems) -> bool {
        let mut exclude_each_other = false;
        let lower = [(">", &self.more), (">=", &self.at_least)];
        let upper = [("<", &self.less), ("<=", &self.at_most)];
        for (sign, least) in lower {
            for (limit, most) in upper {
                let (Some(least), Some(most)) = (least, most) else {
                    continue;
                };
                let is_open = sign == ">" || limit == "<";
                if order(least, most).is_some_and(|order| order.is_gt() || order.is_eq() && is_open) {
                    exclude_each_other = true;
                    problems.at(sign, |problems| {
                        problems.report(format_args!("no number is {sign} {least} and {limit} {most}"));
                    });
                }
            }
        }
        exclude_each_other
    }

    /// The key of the first limit.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.each().next().map(|(relation, _)| relation.sign())
    }

    /// The limits that are set.
    pub(super) fn each(&self) -> impl Iterator<Item = (Relation, &Number)> {
        let limits = [
            (Relation::Less, &self.less),
            (Relation::AtMost, &self.at_most),
            (Relation::More, &self.more),
            (Relation::AtLeast, &self.at_least),
        ];
        limits
            .into_iter()
            .filter_map(|(relation, limit)| Some((relation, limit.as_ref()?)))
    }
}

/// Numbers of the suite itself count against no budget.
fn order(one: &Number, other: &Number) -> Option<Ordering> {
    one.get().order(&other.get(), &Effort::unbounded()).ok()
}

/// A length: the number itself, or its limits.
pub(super) enum Length {
    Exactly(Number),
    Within(Bounds),
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let length = if json.get().starts_with('{') {
            serde_json::from_str(json.get()).map(Self::Within)
        } else {
            serde_json::from_str(json.get()).map(Self::Exactly)
        };
        length.map_err(|_| D::Error::custom("expected a number, or an object of `<`, `<=`, `>` and `>=`"))
    }
}

impl Length {
    /// Reports limits that no length is within, or that contradict `empty`. If every value has a length, reports limits
    /// that every length is within.
    pub(super) fn check(&self, empty: Option<bool>, has_every_value_one: bool, problems: &mut Problems) {
        if self.check_negative(problems) {
            return;
        }
        if let Self::Within(bounds) = self
            && bounds.check(problems)
        {
            return;
        }
        let (least, most) = self.range();
        if self.each().next().is_none() {
            problems.report("has no limit: write a number, or `<`, `<=`, `>` or `>=`");
        } else if least > most {
            problems.report(format_args!("no length is {}", self.shown()));
        } else if empty == Some(true) && least > 0.0 {
            problems.report("with `empty: true` the length is 0");
        } else if empty == Some(false) && most < 1.0 {
            problems.report("with `empty: false` the length is more than 0");
        } else if has_every_value_one && least <= 0.0 && most.is_infinite() {
            problems.report_with(
                format_args!("every length is {}", self.shown()),
                "use `empty: false` to require that there is something, or leave it out",
            );
        }
    }

    /// Reports limits below every length.
    fn check_negative(&self, problems: &mut Problems) -> bool {
        let mut is_negative = false;
        for (relation, limit) in self.each() {
            if limit.nearest() < 0.0 && matches!(relation, Relation::More | Relation::AtLeast) {
                is_negative = true;
                problems.at(relation.sign(), |problems| {
                    problems.report_with("a length is never negative", "`\">=\": 0` allows any length");
                });
            }
        }
        is_negative
    }

    /// The limits as a message names them.
    fn shown(&self) -> String {
        let limits = self.each();
        let limits: Vec<_> = limits
            .map(|(relation, limit)| format!("{} {limit}", relation.sign()))
            .collect();
        limits.join(" and ")
    }

    /// The minimum and the maximum length: whole numbers, at least 0.
    pub(super) fn range(&self) -> (f64, f64) {
        let (mut least, mut most) = (0.0_f64, f64::INFINITY);
        for (relation, limit) in self.each() {
            let limit = limit.nearest();
            match relation {
                Relation::Equal => (least, most) = (least.max(limit), most.min(limit)),
                Relation::Less => most = most.min(limit.ceil() - 1.0),
                Relation::AtMost => most = most.min(limit.floor()),
                Relation::More => least = least.max(limit.floor() + 1.0),
                Relation::AtLeast => least = least.max(limit.ceil()),
            }
        }
        (least, most)
    }

    /// The limits that are set.
    pub(super) fn each(&self) -> impl Iterator<Item = (Relation, &Number)> {
        let (exactly, within) = match self {
            Self::Exactly(number) => (Some((Relation::Equal, number)), None),
            Self::Within(bounds) => (None, Some(bounds.each())),
        };
        exactly.into_iter().chain(within.into_iter().flatten())
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Bounds::json_schema(generator);
        add_type(&mut schema, "integer");
        let zero = json_schema!({ "minimum": 0 });
        for (key, value) in zero.as_object().into_iter().flatten() {
            schema.insert(key.clone(), value.clone());
        }
        schema
    }
}
