//! One value of a body, as a subject of rules.

use std::borrow::Cow;

use super::document::{Node, View};
use super::equality::same;
use super::expected::Expected;
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::Decimal;
use crate::expect::rule::{Condition, Subject};
use crate::memory::{MemoryBudget, OutOfMemory};
use crate::text::{MAX_QUOTED, quote};

/// Effort units per value, besides its rules.
const PER_VALUE: usize = 20;
/// Effort units per byte of JSON that is serialised to be searched: once to determine its length, and once more.
const PER_BYTE: usize = 4;
/// Effort units per piece of it: a bracket, a comma, a text.
const PER_PIECE: usize = 10;

/// A value, with its text if it was read.
pub(super) struct Value<'d> {
    node: Node<'d>,
    text: Cow<'d, str>,
}

/// Why a value is not serialised.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    TooCostly(#[from] TooCostly),
    #[error("is more text than a run has memory for (raise the quota `memory`)")]
    TooLarge(#[from] OutOfMemory),
}

impl<'d> Value<'d> {
    pub(super) fn of(node: Node<'d>) -> Self {
        Self {
            node,
            text: Cow::default(),
        }
    }

    pub(super) fn node(&self) -> Node<'d> {
        self.node
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.node.view(), View::Text(_))
    }

    /// Reads its text: a string without its quotes, a number as it is written, and anything else as JSON if
    /// `is_wanted`.
    ///
    /// # Errors
    /// It exceeds what a run can search. The text is for a person.
    pub(super) fn read(
        &mut self,
        is_wanted: bool,
        memory: MemoryBudget,
        effort: &Effort,
    ) -> Result<(), String> {
        match self.written(is_wanted, memory, effort) {
            Ok(text) => {
                self.text = text;
                Ok(())
            }
            Err(reason) => Err(format!("{} {reason}", self.quoted())),
        }
    }

    fn written(
        &self,
        is_wanted: bool,
        memory: MemoryBudget,
        effort: &Effort,
    ) -> Result<Cow<'d, str>, WriteError> {
        effort.charge(PER_VALUE)?;
        match self.node.view() {
            View::Text(text) => {
                effort.charge(text.plain().map_or(text.cost(), |_| 0))?;
                Ok(text.text(room(text.memory(), memory)?))
            }
            View::Number(written) => Ok(written.into()),
            _ if is_wanted => json(self.node, memory, effort).map(Cow::Owned),
            _ => Ok(Cow::default()),
        }
    }
}

/// An empty string with this capacity, allocated at once: one that grows would leave free places that are too small
/// for it.
fn room(bytes: usize, memory: MemoryBudget) -> Result<String, OutOfMemory> {
    Ok(String::from_utf8(memory.list(bytes)?).unwrap_or_default())
}

fn json(node: Node<'_>, memory: MemoryBudget, effort: &Effort) -> Result<String, WriteError> {
    let mut bytes = 0_usize;
    node.write(|piece| {
        bytes += piece.len();
        effort.charge(PER_PIECE + piece.len() * PER_BYTE)?;
        if bytes <= memory.left() {
            Ok(())
        } else {
            Err(WriteError::from(OutOfMemory))
        }
    })?;
    let mut text = room(bytes, memory)?;
    node.write(|piece| {
        text.push_str(piece);
        Ok::<_, WriteError>(())
    })?;
    Ok(text)
}

impl Subject<Expected> for Value<'_> {
    fn is(&self, expected: &Expected, effort: &Effort) -> Result<bool, TooCostly> {
        same(self.node, expected.root(), effort)
    }

    fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn quoted(&self) -> String {
        match self.node.view() {
            View::Number(written) => quote(written.as_bytes()),
            _ => quote(&self.node.start(MAX_QUOTED)),
        }
    }

    fn number(&self) -> Option<Decimal<'_>> {
        match self.node.view() {
            View::Number(_) | View::Text(_) => Decimal::parse(&self.text),
            _ => None,
        }
    }

    fn length(&self) -> Option<usize> {
        match self.node.view() {
            View::Text(text) => Some(text.count()),
            View::List { count } | View::Object { count } => Some(count),
            View::Null | View::Bool(_) | View::Number(_) => None,
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self.node.view(), View::Null) || self.length() == Some(0)
    }
}

/// The mismatch that a value of a suite would have if it were in the body.
pub(super) fn mismatch(expected: &Expected, condition: &Condition<'_, Expected>) -> Option<String> {
    let (memory, effort) = (MemoryBudget::unbounded(), Effort::unbounded());
    let mut value = Value::of(expected.root());
    // Other numbers, lists and objects that are equal to it may be written differently, unless it is empty.
    if condition.looks_into_text() && !value.is_text() && !value.is_empty() {
        return None;
    }
    let read_error = value.read(true, memory, &effort).err();
    read_error.or_else(|| Some(condition.mismatch(&value, &effort)?.message))
}
