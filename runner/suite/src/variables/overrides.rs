//! Variables from the command line.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use super::declared::Declaration;
use super::name::{is_name, name_hint};
use super::pieces::{foreign_reference, has_variable};
use super::{Declarations, MAX_NAME, MAX_VALUE, Variable};
use crate::problem::Position;
use crate::tree::{Kind, scalar};

/// `NAME=VALUE`: the value of a variable, which takes precedence over the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableOverride {
    name: Arc<str>,
    value: Arc<str>,
}

/// Why an argument is not a valid `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariable {
    /// Without `=`.
    #[error("a value is missing; write `NAME=VALUE`")]
    NoValue,
    /// An invalid name.
    #[error("invalid variable name `{name}`; {hint}", hint = name_hint())]
    Name {
        /// As given.
        name: String,
    },
    /// The value is too long.
    #[error("the value of `{name}` is longer than {limit} characters", limit = MAX_VALUE)]
    TooLong {
        /// Name of the variable.
        name: String,
    },
    /// The value contains a reference. Variables are public, and must not contain secrets.
    #[error("the value of `{name}` holds a reference such as `${{env:..}}`; write the value itself")]
    Reference {
        /// Name of the variable.
        name: String,
    },
}

impl FromStr for VariableOverride {
    type Err = InvalidVariable;

    fn from_str(text: &str) -> Result<Self, InvalidVariable> {
        let (name, value) = text.split_once('=').ok_or(InvalidVariable::NoValue)?;
        let owned = || name.chars().take(MAX_NAME).collect();
        if !is_name(name) {
            return Err(InvalidVariable::Name { name: owned() });
        }
        if value.chars().nth(MAX_VALUE).is_some() {
            return Err(InvalidVariable::TooLong { name: owned() });
        }
        if has_variable(value) || foreign_reference(value).is_some() {
            return Err(InvalidVariable::Reference { name: owned() });
        }
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }
}

/// The variables of the command line; of several values for one, the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariableOverrides(BTreeMap<Arc<str>, Arc<str>>);

impl FromIterator<VariableOverride> for VariableOverrides {
    fn from_iter<I: IntoIterator<Item = VariableOverride>>(given: I) -> Self {
        Self(given.into_iter().map(|given| (given.name, given.value)).collect())
    }
}

impl VariableOverrides {
    /// Each with its value.
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable> {
        self.0.iter().map(|(name, value)| Variable {
            name: Arc::clone(name),
            value: Arc::clone(value),
            location: None,
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    /// Replaces declared values by those that were given.
    pub(super) fn apply(&self, declarations: &mut Declarations) {
        for (name, declared) in declarations {
            if let Some(given) = self.declaration(name, &declared.value) {
                *declared = given;
            }
        }
    }

    /// The given value: a text if it replaces one, otherwise resolved as in YAML.
    pub(super) fn declaration(&self, name: &str, replaced: &Kind) -> Option<Declaration> {
        let text = Arc::clone(self.0.get(name)?);
        let plain = match replaced {
            Kind::Text(_) => None,
            _ => scalar::plain(&text),
        };
        let as_text = || Kind::Text(Arc::clone(&text));
        Some(Declaration {
            value: plain.map_or_else(as_text, |plain| Kind::Plain(Arc::new(plain))),
            text,
            at: Position::new(1, 1),
            source: None,
        })
    }
}
