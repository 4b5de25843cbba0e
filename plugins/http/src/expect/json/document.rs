//! JSON as it was sent: its numbers as they are written, and in little memory.
//!
//! The values stand in a row, each before those inside of it, and point into the text. Nothing here calls itself, so that
//! nesting takes no stack.

mod characters;
mod reader;
mod records;
mod write;

use std::borrow::Cow;
use std::iter;

use crate::effort::Effort;
use crate::memory::Memory;
pub(super) use characters::Characters;
pub(super) use reader::Unread;
use reader::{Limits, Reader};
use records::Records;

/// A text of JSON, and where the values are in it.
pub(super) struct Document<'t> {
    text: Cow<'t, str>,
    records: Records,
    /// What is left of it.
    pub(super) memory: Memory,
}

/// One value.
#[derive(Debug, Clone, Copy)]
struct Record {
    kind: Kind,
    place: Place,
    /// Where the value after this one is, and after all that is inside of it.
    next: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    Bool(bool),
    Number(Span),
    /// Without its quotes.
    Text(Span),
    List {
        count: usize,
    },
    Object {
        count: usize,
    },
}

/// What a value is to the one that it is in.
#[derive(Debug, Clone, Copy)]
enum Place {
    Element,
    /// By its key, without quotes.
    Member(Span),
    /// Another one with the same key came later.
    Replaced,
}

/// A part of the text, in bytes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    is_escaped: bool,
}

/// Nothing, which is `null`.
impl Default for Document<'_> {
    fn default() -> Self {
        Self {
            text: Cow::default(),
            records: Records::default(),
            memory: Memory::unbounded(),
        }
    }
}

impl<'t> Document<'t> {
    /// Reads a text of JSON.
    ///
    /// # Errors
    /// It is not JSON, or more than a run can take in.
    pub(super) fn parse(text: Cow<'t, str>, memory: Memory, effort: &Effort) -> Result<Self, Unread> {
        let records = Reader::new(&text, Limits { memory, effort }).read()?;
        Ok(Self {
            memory: memory.without(records.memory()),
            text,
            records,
        })
    }

    /// The value at the top.
    pub(super) fn root(&self) -> Node<'_> {
        Node {
            document: self,
            index: 0,
        }
    }

    /// How many values are in it.
    pub(super) fn values(&self) -> usize {
        self.records.len()
    }

    fn part(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

/// A value of a document.
#[derive(Clone, Copy)]
pub(super) struct Node<'d> {
    document: &'d Document<'d>,
    index: usize,
}

/// What a value is.
#[derive(Clone, Copy)]
pub(super) enum View<'d> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'d str),
    Text(Characters<'d>),
    List {
        count: usize,
    },
    Object {
        count: usize,
    },
}

impl<'d> Node<'d> {
    /// What it is.
    pub(super) fn view(self) -> View<'d> {
        match self.record().map_or(Kind::Null, |record| record.kind) {
            Kind::Null => View::Null,
            Kind::Bool(value) => View::Bool(value),
            Kind::Number(span) => View::Number(self.document.part(span)),
            Kind::Text(span) => View::Text(self.characters(span)),
            Kind::List { count } => View::List { count },
            Kind::Object { count } => View::Object { count },
        }
    }

    /// Elements or members; those of a scalar are none.
    pub(super) fn count(self) -> usize {
        match self.view() {
            View::List { count } | View::Object { count } => count,
            _ => 0,
        }
    }

    /// Elements or members, in the order of the text.
    pub(super) fn children(self) -> Children<'d> {
        Children {
            first: Node {
                index: self.index + 1,
                ..self
            },
            end: self.next(),
        }
    }

    /// Itself and all values inside of it, each before those inside of it.
    pub(super) fn descendants(self) -> impl Iterator<Item = Node<'d>> {
        let end = self.next();
        let mut index = self.index;
        iter::from_fn(move || {
            loop {
                let node = Node { index, ..self };
                if index >= end {
                    return None;
                }
                if !node.is_replaced() {
                    index += 1;
                    return Some(node);
                }
                index = node.next();
            }
        })
    }

    /// Its key, if it is a member.
    pub(super) fn key(self) -> Option<Characters<'d>> {
        match self.record()?.place {
            Place::Member(span) => Some(self.characters(span)),
            Place::Element | Place::Replaced => None,
        }
    }

    fn characters(self, span: Span) -> Characters<'d> {
        Characters::new(self.document.part(span), span.is_escaped)
    }

    fn record(self) -> Option<&'d Record> {
        self.document.records.get(self.index)
    }

    fn next(self) -> usize {
        self.record().map_or(self.index, |record| record.next)
    }

    fn is_replaced(self) -> bool {
        self.record()
            .is_some_and(|record| matches!(record.place, Place::Replaced))
    }
}

/// The elements of a list, or the members of an object.
#[derive(Clone, Copy)]
pub(super) struct Children<'d> {
    first: Node<'d>,
    end: usize,
}

impl<'d> Iterator for Children<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        while self.first.index < self.end {
            let child = self.first;
            self.first.index = child.next();
            if !child.is_replaced() {
                return Some(child);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
