//! Coercion of ambiguous values to what a schema allows: variables, which may be a text or a scalar, and keys with
//! `null`.

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::SchemaValidator;
use crate::json::{self, Coercions};
use crate::tree::Node;

/// Maximum number of rounds: a coercion may only reveal the next violation.
const MAX_ROUNDS: usize = 3;
/// Maximum number of violations that are examined.
const MAX_ERRORS: usize = 10_000;
/// Maximum depth of nested alternatives that are examined.
const MAX_DEPTH: usize = 16;

/// A configuration after coercion.
pub(crate) struct CoercedConfig {
    pub(crate) value: Value,
    pub(crate) coercions: Coercions,
    /// Whether the schema allows it.
    pub(crate) is_allowed: bool,
}

impl SchemaValidator {
    /// Finds coercions such that the schema allows the configuration, if there are any. Values that are valid without
    /// coercion are not coerced.
    pub(crate) fn coerce(&self, config: Option<&Node>) -> CoercedConfig {
        let mut coerced = self.coerce_with(config, Coercions::default());
        for _ in 0..MAX_ROUNDS {
            let Some(config) = config.filter(|_| !coerced.is_allowed) else {
                break;
            };
            let Some(coercions) = self.more_coercions(config, &coerced) else {
                break;
            };
            let other = self.coerce_with(Some(config), coercions);
            if !other.is_allowed && self.count_errors(&other) >= self.count_errors(&coerced) {
                break;
            }
            coerced = other;
        }
        match config {
            Some(config) if !coerced.is_allowed => self.without_useless(config, coerced),
            _ => coerced,
        }
    }

    /// The same without coercions of values that violate the schema all the same: what is wrong is reported of the
    /// value as it is written. Another value may be the reason why they were kept.
    fn without_useless(&self, config: &Node, coerced: CoercedConfig) -> CoercedConfig {
        let mut coercions = coerced.coercions.clone();
        let mut has_useless = false;
        for error in self.validator.iter_errors(&coerced.value).take(MAX_ERRORS) {
            visit(&error, MAX_DEPTH, &mut |pointer| {
                has_useless |= coercions.remove(pointer)
            });
        }
        if !has_useless {
            return coerced;
        }
        let other = self.coerce_with(Some(config), coercions);
        if self.count_errors(&other) > self.count_errors(&coerced) {
            coerced
        } else {
            other
        }
    }

    fn coerce_with(&self, config: Option<&Node>, coercions: Coercions) -> CoercedConfig {
        let value = json::to_value(config, &coercions);
        CoercedConfig {
            is_allowed: self.is_valid(&value),
            value,
            coercions,
        }
    }

    fn count_errors(&self, coerced: &CoercedConfig) -> usize {
        self.validator
            .iter_errors(&coerced.value)
            .take(MAX_ERRORS)
            .count()
    }

    /// The same coercions, and that of every ambiguous value that violates the schema.
    fn more_coercions(&self, config: &Node, coerced: &CoercedConfig) -> Option<Coercions> {
        let mut coercions = coerced.coercions.clone();
        let mut has_more = false;
        for error in self.validator.iter_errors(&coerced.value).take(MAX_ERRORS) {
            visit(&error, MAX_DEPTH, &mut |pointer| {
                has_more |= json::is_ambiguous(config, pointer) && coercions.add(pointer);
            });
        }
        has_more.then_some(coercions)
    }
}

/// Visits the position of an error, and those of its alternatives.
fn visit(error: &ValidationError<'_>, depth: usize, visitor: &mut impl FnMut(&str)) {
    visitor(error.instance_path().as_str());
    if let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }, Some(depth)) =
        (error.kind(), depth.checked_sub(1))
    {
        for error in context.iter().flatten() {
            visit(error, depth, visitor);
        }
    }
}
