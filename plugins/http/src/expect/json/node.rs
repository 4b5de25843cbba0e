//! One value of a body, as rules are held against it.

use std::borrow::Cow;

use super::document::{Node, View};
use super::equality::same;
use super::expected::Expected;
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::Decimal;
use crate::expect::rule::Subject;
use crate::memory::{Memory, OutOfMemory};
use crate::text::{MAX_QUOTED, quote};

/// Units for one value, whatever it is held against.
const PER_VALUE: usize = 20;
/// Units for one byte of JSON that is written to be looked into: once to know its length, and once more.
const PER_BYTE: usize = 4;
/// Units for one piece of it: a bracket, a comma, a text.
const PER_PIECE: usize = 10;

/// A value, and its text where it has one.
pub(super) struct Value<'d> {
    node: Node<'d>,
    text: Cow<'d, str>,
}

/// Why a value is not written as a text.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
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

    /// Reads its text: without its quotes, a number as it was written, and anything else as JSON where that is wanted.
    ///
    /// # Errors
    /// It is more than a run can look into. The text is for a person.
    pub(super) fn read(&mut self, is_wanted: bool, memory: Memory, effort: &Effort) -> Result<(), String> {
        match self.written(is_wanted, memory, effort) {
            Ok(text) => {
                self.text = text;
                Ok(())
            }
            Err(reason) => Err(format!("{} {reason}", self.shown())),
        }
    }

    fn written(&self, is_wanted: bool, memory: Memory, effort: &Effort) -> Result<Cow<'d, str>, Unwritten> {
        effort.take(PER_VALUE)?;
        match self.node.view() {
            View::Text(text) => {
                effort.take(text.plain().map_or(text.cost(), |_| 0))?;
                Ok(text.text(room(text.memory(), memory)?))
            }
            View::Number(written) => Ok(written.into()),
            _ if is_wanted => json(self.node, memory, effort).map(Cow::Owned),
            _ => Ok(Cow::default()),
        }
    }
}

/// An empty text with room for so many bytes, all at once: one that grows leaves places behind that are too small for it.
fn room(bytes: usize, memory: Memory) -> Result<String, OutOfMemory> {
    Ok(String::from_utf8(memory.list(bytes)?).unwrap_or_default())
}

fn json(node: Node<'_>, memory: Memory, effort: &Effort) -> Result<String, Unwritten> {
    let mut bytes = 0_usize;
    node.write(|piece| {
        bytes += piece.len();
        effort.take(PER_PIECE + piece.len() * PER_BYTE)?;
        if bytes <= memory.left() {
            Ok(())
        } else {
            Err(Unwritten::from(OutOfMemory))
        }
    })?;
    let mut text = room(bytes, memory)?;
    node.write(|piece| {
        text.push_str(piece);
        Ok::<_, Unwritten>(())
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

    fn shown(&self) -> String {
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
