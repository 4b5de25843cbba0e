//! What a schema makes of values that could be several things: what a variable stands for, and keys with `null`.

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::Contract;
use crate::suite::json::{self, Readings};
use crate::suite::tree::Node;

/// Times that values are read in another way: one that fits may be in the way of the next.
const MAX_ROUNDS: usize = 3;
/// Values that are read in another way.
const MAX_OTHERS: usize = 10_000;
/// Alternatives in each other that are looked into.
const MAX_DEPTH: usize = 16;

/// A configuration as its schema reads it.
pub(in crate::suite) struct Read {
    pub(in crate::suite) value: Value,
    pub(in crate::suite) readings: Readings,
    /// Whether the schema allows it.
    pub(in crate::suite) is_allowed: bool,
}

impl Contract {
    /// Reads a configuration such that the schema allows it, if there is a way. Values that the schema takes as they look
    /// are what they look like.
    pub(in crate::suite) fn read(&self, config: Option<&Node>) -> Read {
        let mut read = self.with(config, Readings::default());
        for _ in 0..MAX_ROUNDS {
            let Some(config) = config.filter(|_| !read.is_allowed) else {
                break;
            };
            let Some(readings) = self.others(config, &read) else {
                break;
            };
            let other = self.with(Some(config), readings);
            if !other.is_allowed && self.faults(&other) >= self.faults(&read) {
                break;
            }
            read = other;
        }
        read
    }

    fn with(&self, config: Option<&Node>, readings: Readings) -> Read {
        let value = json::of(config, &readings);
        Read {
            is_allowed: self.allows(&value),
            value,
            readings,
        }
    }

    fn faults(&self, read: &Read) -> usize {
        self.validator.iter_errors(&read.value).take(MAX_OTHERS).count()
    }

    /// The same readings, and the other one of every value that does not fit and has one.
    fn others(&self, config: &Node, read: &Read) -> Option<Readings> {
        let mut readings = read.readings.clone();
        let mut has_more = false;
        for error in self.validator.iter_errors(&read.value).take(MAX_OTHERS) {
            visit(&error, MAX_DEPTH, &mut |pointer| {
                has_more |= json::is_open(config, pointer) && readings.add(pointer);
            });
        }
        has_more.then_some(readings)
    }
}

/// Where an error is, and those of the alternatives that it is made of.
fn visit(error: &ValidationError<'_>, depth: usize, place: &mut impl FnMut(&str)) {
    place(error.instance_path().as_str());
    if let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }, Some(depth)) =
        (error.kind(), depth.checked_sub(1))
    {
        for error in context.iter().flatten() {
            visit(error, depth, place);
        }
    }
}
