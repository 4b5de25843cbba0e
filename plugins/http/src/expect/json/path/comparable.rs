//! Comparisons in filters (RFC 9535, section 2.3.5.2.2).

use std::cmp::Ordering;

use super::lengths::Lengths;
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::{Decimal, OwnedDecimal};
use crate::expect::json::document::{Characters, Node};
use crate::expect::json::equality::same;

/// One side of a comparison.
pub(super) enum Comparable<'o> {
    /// A path selected nothing, or a function has no result.
    Nothing,
    Null,
    Bool(bool),
    Number(Decimal<'o>),
    /// A count.
    Count(OwnedDecimal),
    Text(Characters<'o>),
    /// A list or an object.
    Container(Node<'o>),
}

impl<'o> Comparable<'o> {
    /// A count.
    pub(super) fn count(count: usize) -> Self {
        OwnedDecimal::parse(&count.to_string()).map_or(Self::Nothing, Self::Count)
    }

    /// The result of the function `length`.
    ///
    /// # Errors
    /// Counting costs too much effort.
    pub(super) fn length(&self, lengths: &Lengths, effort: &Effort) -> Result<Self, TooCostly> {
        Ok(match self {
            Self::Text(text) => Self::count(lengths.of(*text, effort)?),
            Self::Container(node) => Self::count(node.count()),
            Self::Nothing | Self::Null | Self::Bool(_) | Self::Number(_) | Self::Count(_) => Self::Nothing,
        })
    }

    fn number(&self) -> Option<Decimal<'_>> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Count(count) => Some(count.get()),
            _ => None,
        }
    }

    /// Whether both are equal.
    ///
    /// # Errors
    /// The comparison costs too much effort.
    pub(super) fn is(&self, other: &Self, effort: &Effort) -> Result<bool, TooCostly> {
        match (self, other) {
            (Self::Nothing, Self::Nothing) | (Self::Null, Self::Null) => Ok(true),
            (Self::Bool(one), Self::Bool(other)) => Ok(one == other),
            (Self::Text(one), Self::Text(other)) => one.same(*other, effort),
            (Self::Container(one), Self::Container(other)) => same(*one, *other, effort),
            _ => Ok(self.order(other, effort)? == Some(Ordering::Equal)),
        }
    }

    /// Compares two numbers or two texts; other values have no order.
    ///
    /// # Errors
    /// The comparison costs too much effort.
    pub(super) fn order(&self, other: &Self, effort: &Effort) -> Result<Option<Ordering>, TooCostly> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one.order(*other, effort).map(Some),
            _ => match (self.number(), other.number()) {
                (Some(one), Some(other)) => one.order(&other, effort).map(Some),
                _ => Ok(None),
            },
        }
    }
}
