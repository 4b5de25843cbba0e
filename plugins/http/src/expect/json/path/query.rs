//! Evaluation of a path on a document. Selected values are passed on one by one, in the order of RFC 9535.

use std::cell::Cell;
use std::cmp::Ordering;

use super::comparable::Comparable;
use super::lengths::Lengths;
use super::numbers::Numbers;
use super::range::Range;
use super::{Expression, Operand, Operator, Path, Query, Segment, Selector};
use crate::effort::{Effort, TooCostly};
use crate::expect::json::document::{Characters, Document, Node, View};
use crate::expect::json::equality::member;
use crate::memory::{MemoryBudget, OutOfMemory};

/// Effort units per value that a step selects.
const PER_VALUE: usize = 25;
/// Effort units to skip one element.
const PER_ELEMENT: usize = 4;
/// Effort units per part of a filter.
const PER_PART: usize = 60;

/// Why an evaluation ends early.
pub(in crate::expect::json) enum Stop {
    /// The caller needs no more values.
    Enough,
    TooCostly,
    /// There is no memory for it.
    TooLarge,
}

impl From<TooCostly> for Stop {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl From<OutOfMemory> for Stop {
    fn from(_: OutOfMemory) -> Self {
        Self::TooLarge
    }
}

/// The callback for selected values.
type Found<'f, 'd> = &'f mut dyn FnMut(Node<'d>) -> Result<(), Stop>;

/// The evaluation of paths on a document.
pub(in crate::expect::json) struct Walk<'d> {
    root: Node<'d>,
    effort: &'d Effort,
    /// Memory that is left.
    memory: Cell<MemoryBudget>,
    numbers: Numbers<'d>,
    lengths: Lengths,
}

impl<'d> Walk<'d> {
    pub(in crate::expect::json) fn through(document: &'d Document<'d>, effort: &'d Effort) -> Self {
        Self {
            root: document.root(),
            effort,
            memory: Cell::new(document.memory),
            numbers: Numbers::default(),
            lengths: Lengths::default(),
        }
    }

    /// Passes each value that the path selects to `found`, repeatedly if it is selected repeatedly.
    ///
    /// # Errors
    /// The error of `found`, or the evaluation costs too much effort.
    pub(in crate::expect::json) fn follow(&self, path: &Path, found: Found<'_, 'd>) -> Result<(), Stop> {
        self.steps(self.root, &path.segments, found)
    }

    fn steps(&self, node: Node<'d>, segments: &[Segment], found: Found<'_, 'd>) -> Result<(), Stop> {
        let Some((segment, rest)) = segments.split_first() else {
            return found(node);
        };
        if !segment.is_descendant {
            return self.select(node, &segment.selectors, rest, found);
        }
        for node in node.descendants() {
            self.effort.charge(PER_VALUE)?;
            self.select(node, &segment.selectors, rest, found)?;
        }
        Ok(())
    }

    fn select(
        &self,
        node: Node<'d>,
        selectors: &[Selector],
        rest: &[Segment],
        found: Found<'_, 'd>,
    ) -> Result<(), Stop> {
        for selector in selectors {
            self.effort.charge(PER_VALUE)?;
            match selector {
                Selector::Name(name) => {
                    if let Some(child) = self.member(node, name)? {
                        self.steps(child, rest, found)?;
                    }
                }
                Selector::Wildcard => {
                    for child in node.children() {
                        self.effort.charge(PER_VALUE)?;
                        self.steps(child, rest, found)?;
                    }
                }
                Selector::Index(index) => {
                    if let Some(child) = self.element(node, *index)? {
                        self.steps(child, rest, found)?;
                    }
                }
                Selector::Slice { start, end, step } => {
                    if let Some(range) = Range::of(elements(node), *start, *end, *step) {
                        self.slice(node, range, &mut |child| self.steps(child, rest, found))?;
                    }
                }
                Selector::Filter(expression) => {
                    for child in node.children() {
                        self.effort.charge(PER_VALUE)?;
                        if self.holds(expression, child)? {
                            self.steps(child, rest, found)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn member(&self, node: Node<'d>, name: &str) -> Result<Option<Node<'d>>, Stop> {
        match node.view() {
            View::Object { .. } => {
                let name = Characters::plain_text(name);
                Ok(member(&mut node.children(), name, self.effort)?)
            }
            _ => Ok(None),
        }
    }

    fn element(&self, node: Node<'d>, index: i64) -> Result<Option<Node<'d>>, Stop> {
        let count = elements(node);
        let place = match usize::try_from(index) {
            Ok(place) => Some(place),
            Err(_) => usize::try_from(index.unsigned_abs())
                .ok()
                .and_then(|back| count.checked_sub(back)),
        };
        let Some(place) = place.filter(|place| *place < count) else {
            return Ok(None);
        };
        self.effort.charge(place * PER_ELEMENT)?;
        Ok(node.children().nth(place))
    }

    fn slice(&self, node: Node<'d>, range: Range, found: Found<'_, 'd>) -> Result<(), Stop> {
        let skipped = range
            .first
            .saturating_add(range.count.saturating_mul(range.stride));
        self.effort
            .charge(skipped.min(elements(node)) * PER_ELEMENT + range.count * PER_VALUE)?;
        let children = node.children().skip(range.first).step_by(range.stride);
        let mut children = children.take(range.count);
        if range.is_reversed {
            self.reversed(children, range.count, found)
        } else {
            children.try_for_each(found)
        }
    }

    /// A value has no link to the one before it, so the values of a backward range are collected first.
    fn reversed(
        &self,
        children: impl Iterator<Item = Node<'d>>,
        count: usize,
        found: Found<'_, 'd>,
    ) -> Result<(), Stop> {
        let memory = self.memory.get();
        let mut collected = memory.list(count)?;
        self.memory.set(memory.without(count * size_of::<Node<'_>>()));
        collected.extend(children);
        let seen = collected.into_iter().rev().try_for_each(found);
        self.memory.set(memory);
        seen
    }

    fn holds(&self, expression: &Expression, node: Node<'d>) -> Result<bool, Stop> {
        self.effort.charge(PER_PART)?;
        match expression {
            Expression::Any(parts) => {
                for part in parts {
                    if self.holds(part, node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expression::All(parts) => {
                for part in parts {
                    if !self.holds(part, node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expression::Not(part) => Ok(!self.holds(part, node)?),
            Expression::Exists(query) => Ok(self.first(query, node)?.is_some()),
            Expression::Compare(left, operator, right) => {
                let (left, right) = (self.operand(left, node)?, self.operand(right, node)?);
                self.compare(&left, *operator, &right)
            }
        }
    }

    fn query(&self, query: &Query, node: Node<'d>, found: Found<'_, 'd>) -> Result<(), Stop> {
        let start = if query.is_from_root { self.root } else { node };
        self.steps(start, &query.segments, found)
    }

    fn first(&self, query: &Query, node: Node<'d>) -> Result<Option<Node<'d>>, Stop> {
        let mut first = None;
        let seen = self.query(query, node, &mut |node| {
            first = Some(node);
            Err(Stop::Enough)
        });
        match seen {
            Ok(()) | Err(Stop::Enough) => Ok(first),
            Err(stop) => Err(stop),
        }
    }

    fn operand<'o>(&self, operand: &'o Operand, node: Node<'d>) -> Result<Comparable<'o>, Stop>
    where
        'd: 'o,
    {
        Ok(match operand {
            Operand::Null => Comparable::Null,
            Operand::Bool(value) => Comparable::Bool(*value),
            Operand::Number(number) => Comparable::Number(number.get()),
            Operand::Text(text) => Comparable::Text(Characters::plain_text(text)),
            Operand::Query(query) => self.value(self.first(query, node)?)?,
            Operand::Length(of) => {
                let of = self.operand(of, node)?;
                of.length(&self.lengths, self.effort)?
            }
            Operand::Count(query) => {
                let mut count = 0;
                self.query(query, node, &mut |_| {
                    count += 1;
                    Ok(())
                })?;
                Comparable::count(count)
            }
            Operand::Value(query) => self.value(self.only(query, node)?)?,
        })
    }

    fn value(&self, node: Option<Node<'d>>) -> Result<Comparable<'d>, Stop> {
        let Some(node) = node else {
            return Ok(Comparable::Nothing);
        };
        Ok(match node.view() {
            View::Null => Comparable::Null,
            View::Bool(value) => Comparable::Bool(value),
            View::Number(written) => {
                let number = self.numbers.read(written, self.effort)?;
                number.map_or(Comparable::Nothing, Comparable::Number)
            }
            View::Text(text) => Comparable::Text(text),
            View::List { .. } | View::Object { .. } => Comparable::Container(node),
        })
    }

    /// The value that a query selects, unless it selects several.
    fn only(&self, query: &Query, node: Node<'d>) -> Result<Option<Node<'d>>, Stop> {
        let mut only = None;
        let seen = self.query(query, node, &mut |node| match only.replace(node) {
            None => Ok(()),
            Some(_) => Err(Stop::Enough),
        });
        match seen {
            Ok(()) => Ok(only),
            Err(Stop::Enough) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    fn compare(
        &self,
        left: &Comparable<'_>,
        operator: Operator,
        right: &Comparable<'_>,
    ) -> Result<bool, Stop> {
        self.effort.charge(PER_PART)?;
        let is = || left.is(right, self.effort);
        let order = || left.order(right, self.effort);
        Ok(match operator {
            Operator::Equal => is()?,
            Operator::NotEqual => !is()?,
            Operator::Less => order()?.is_some_and(Ordering::is_lt),
            Operator::More => order()?.is_some_and(Ordering::is_gt),
            Operator::AtMost => order()?.map_or_else(is, |order| Ok(order.is_le()))?,
            Operator::AtLeast => order()?.map_or_else(is, |order| Ok(order.is_ge()))?,
        })
    }
}

fn elements(node: Node<'_>) -> usize {
    match node.view() {
        View::List { count } => count,
        _ => 0,
    }
}
