//! A JSON document that retains its numbers as they are written, in little memory.
//!
//! The values form one sequence, each before those inside it, and point into the text. Nothing here is recursive, so
//! that nesting takes no stack.

mod characters;
mod reader;
mod records;
mod write;

use std::borrow::Cow;
use std::iter;

use crate::effort::Effort;
use crate::memory::MemoryBudget;
pub(super) use characters::Characters;
pub(super) use reader::ReadError;
use reader::{Limits, Reader};
use records::Records;

/// A JSON text with the positions of its values.
pub(super) struct Document<'t> {
    text: Cow<'t, str>,
    records: Records,
    /// Memory that is left besides the document.
    pub(super) memory: MemoryBudget,
}

/// One value.
#[derive(Debug, Clone, Copy)]
struct Record {
    kind: Kind,
    role: Role,
    /// Index of the value after this one and everything inside it.
    next: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    Bool(bool),
    Number(Span),
    /// Text without its quotes.
    Text(Span),
    List {
        count: usize,
    },
    Object {
        count: usize,
    },
}

/// The role of a value in its container.
#[derive(Debug, Clone, Copy)]
enum Role {
    Element,
    /// Member with this key, without quotes.
    Member(Span),
    /// Member that a later one with the same key replaces.
    Replaced,
}

/// A part of the text, in bytes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    is_escaped: bool,
}

/// An empty document: `null`.
impl Default for Document<'_> {
    fn default() -> Self {
        Self {
            text: Cow::default(),
            records: Records::default(),
            memory: MemoryBudget::unbounded(),
        }
    }
}

impl<'t> Document<'t> {
    /// Parses a JSON text.
    ///
    /// # Errors
    /// It is not JSON, or exceeds the limits of a run.
    pub(super) fn parse(
        text: Cow<'t, str>,
        memory: MemoryBudget,
        effort: &Effort,
    ) -> Result<Self, ReadError> {
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

    /// The number of values in the document.
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

/// The content of a value.
#[derive(Clone, Copy)]
pub(super) enum View<'d> {
    Null,
    Bool(bool),
    /// The number as it is written.
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
    /// The content of the value.
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

    /// The number of elements or members; 0 for scalars.
    pub(super) fn count(self) -> usize {
        match self.view() {
            View::List { count } | View::Object { count } => count,
            _ => 0,
        }
    }

    /// The elements or members, in the order of the text.
    pub(super) fn children(self) -> Children<'d> {
        Children {
            first: Node {
                index: self.index + 1,
                ..self
            },
            end: self.next(),
        }
    }

    /// The value itself and all values inside it, each before those inside it.
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

    /// The key, if the value is a member.
    pub(super) fn key(self) -> Option<Characters<'d>> {
        match self.record()?.role {
            Role::Member(span) => Some(self.characters(span)),
            Role::Element | Role::Replaced => None,
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
            .is_some_and(|record| matches!(record.role, Role::Replaced))
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
