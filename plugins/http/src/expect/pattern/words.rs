//! A DFA for patterns that ask where a word begins or ends, in texts beyond ASCII: there the library's own gives up.
//!
//! It reads bytes, too, and is built while it is needed. What stands before a position is part of a state. What stands behind
//! it is part of the symbol that leads on from there: of a character of several bytes it is the same for the first one.

mod symbols;

use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

use crate::effort::{Effort, TooCostly};
pub(super) use symbols::{Direction, Reader};
use symbols::{Side, Symbol, Symbols};

/// Most memory that states may take, in bytes; with more, all are built anew.
const STATES: usize = 768 << 10;
/// Bytes of a state besides what it is made of.
const PER_STATE: usize = 160;
/// Bytes after which the cost is looked at.
const SLICE: usize = 4 << 10;
/// Units for one byte that leads to a known state.
const PER_BYTE: usize = 4;
/// Units to look at one character beyond ASCII.
const PER_CHARACTER: usize = 12;
/// Units for one step from a state to the next one.
const PER_STEP: usize = 30;
/// Steps that it takes to look whether a word begins or ends.
const STEPS_TO_LOOK: usize = 2;
/// Units for one symbol of a new state.
const PER_SYMBOL: usize = 2;
/// Units to prepare a search from nothing, besides its symbols.
const PER_AUTOMATON: usize = 3_000;

/// Which match is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The first one that begins, by the order in which the pattern is written.
    First,
    /// The longest one of those that begin at once.
    Longest,
}

/// The states that are known.
#[derive(Debug)]
pub(super) struct Automaton {
    prefer: Prefer,
    symbols: Symbols,
    states: Vec<Rc<Ways>>,
    numbers: HashMap<Rc<Ways>, u32>,
    /// For each state, where each symbol leads.
    table: Vec<Option<Step>>,
    memory: usize,
}

/// The ways to match that are open, those first that are preferred.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ways {
    before: Side,
    list: Vec<StateID>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    to: u32,
    /// A match ends before the symbol.
    is_match: bool,
    is_over: bool,
}

impl Automaton {
    pub(super) fn new(nfa: &NFA, prefer: Prefer, effort: &Effort) -> Result<Self, TooCostly> {
        let symbols = Symbols::of(nfa);
        effort.take(PER_AUTOMATON + symbols.count() * PER_SYMBOL)?;
        Ok(Self {
            prefer,
            symbols,
            states: Vec::new(),
            numbers: HashMap::new(),
            table: Vec::new(),
            memory: 0,
        })
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.memory + self.symbols.memory()
    }

    /// Where the match ends that is preferred, in the direction of reading: of those that begin anywhere, or of the longest
    /// where the reader stands.
    ///
    /// # Errors
    /// To find it costs too much.
    pub(super) fn find(
        &mut self,
        nfa: &NFA,
        mut reader: Reader<'_>,
        effort: &Effort,
    ) -> Result<Option<usize>, TooCostly> {
        let start = match self.prefer {
            Prefer::First => nfa.start_unanchored(),
            Prefer::Longest => nfa.start_anchored(),
        };
        let start = Ways {
            before: reader.behind(&mut self.symbols),
            list: vec![start],
        };
        let mut state = self.number(start);
        let mut found = None;
        let mut paid = 0;
        while let Some((place, symbol)) = reader.next(&mut self.symbols) {
            let step = match self.known(state, symbol) {
                Some(step) => step,
                None => self.build(nfa, &mut state, symbol, effort)?,
            };
            if step.is_match {
                found = Some(place);
            }
            if step.is_over {
                return Ok(found);
            }
            state = step.to;
            if reader.read() - paid == SLICE {
                paid = reader.read();
                effort.take(SLICE * PER_BYTE + reader.take_characters() * PER_CHARACTER)?;
            }
        }
        effort.take((reader.read() - paid) * PER_BYTE + reader.take_characters() * PER_CHARACTER)?;
        let Some(last) = self.states.get(index(state)).cloned() else {
            return Ok(found);
        };
        let mut closure = Closure::new(nfa, self.prefer);
        closure.enter(&last, Side::Edge);
        effort.take(closure.steps * PER_STEP)?;
        Ok(if closure.is_match {
            Some(reader.end())
        } else {
            found
        })
    }

    fn known(&self, state: u32, symbol: Symbol) -> Option<Step> {
        let place = index(state) * self.symbols.count() + symbol.index;
        *self.table.get(place)?
    }

    /// Finds out where a symbol leads; where there is no more room for states, this one gets another number.
    fn build(
        &mut self,
        nfa: &NFA,
        state: &mut u32,
        symbol: Symbol,
        effort: &Effort,
    ) -> Result<Step, TooCostly> {
        let Some(from) = self.states.get(index(*state)).cloned() else {
            return Err(TooCostly);
        };
        let mut closure = Closure::new(nfa, self.prefer);
        closure.enter(&from, symbol.ahead);
        let next = closure.follow(symbol);
        effort.take(closure.steps * PER_STEP + self.symbols.count() * PER_SYMBOL)?;
        let is_match = closure.is_match;
        if self.memory > STATES {
            self.states.clear();
            self.numbers.clear();
            self.table.clear();
            self.memory = 0;
            *state = self.number(Ways {
                before: from.before,
                list: from.list.clone(),
            });
        }
        let is_over = next.list.is_empty();
        let step = Step {
            to: self.number(next),
            is_match,
            is_over,
        };
        let place = index(*state) * self.symbols.count() + symbol.index;
        if let Some(entry) = self.table.get_mut(place) {
            *entry = Some(step);
        }
        Ok(step)
    }

    /// The number of a state, which is new where it is not known.
    fn number(&mut self, ways: Ways) -> u32 {
        if let Some(number) = self.numbers.get(&ways) {
            return *number;
        }
        let number = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        self.memory += PER_STATE
            + ways.list.len() * size_of::<StateID>()
            + self.symbols.count() * size_of::<Option<Step>>();
        let ways = Rc::new(ways);
        self.states.push(Rc::clone(&ways));
        self.numbers.insert(ways, number);
        self.table.resize(self.states.len() * self.symbols.count(), None);
        number
    }
}

fn index(state: u32) -> usize {
    usize::try_from(state).unwrap_or(usize::MAX)
}

/// What can be reached without reading.
struct Closure<'n> {
    nfa: &'n NFA,
    prefer: Prefer,
    is_entered: Vec<bool>,
    /// The states that read something.
    list: Vec<StateID>,
    is_match: bool,
    steps: usize,
}

impl<'n> Closure<'n> {
    fn new(nfa: &'n NFA, prefer: Prefer) -> Self {
        Self {
            nfa,
            prefer,
            is_entered: vec![false; nfa.states().len()],
            list: Vec::new(),
            is_match: false,
            // To make the list of those that were entered takes its time as well.
            steps: nfa.states().len() / 64,
        }
    }

    /// Enters all ways at a position, unless a match is preferred to the rest.
    fn enter(&mut self, ways: &Ways, ahead: Side) {
        for way in &ways.list {
            self.enter_one(*way, ways.before, ahead);
            if self.is_match && self.prefer == Prefer::First {
                return;
            }
        }
    }

    fn enter_one(&mut self, way: StateID, before: Side, ahead: Side) {
        let mut stack = vec![way];
        while let Some(id) = stack.pop() {
            self.steps += 1;
            let Some(is_entered @ false) = self.is_entered.get_mut(id.as_usize()) else {
                continue;
            };
            *is_entered = true;
            match self.nfa.state(id) {
                State::Union { alternates } => stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => stack.extend([*alt2, *alt1]),
                State::Capture { next, .. } => stack.push(*next),
                State::Look { look, next } => {
                    self.steps += STEPS_TO_LOOK;
                    if symbols::holds(self.nfa, *look, before, ahead) {
                        stack.push(*next);
                    }
                }
                State::Match { .. } => {
                    self.is_match = true;
                    if self.prefer == Prefer::First {
                        return;
                    }
                }
                State::Fail => {}
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => self.list.push(id),
            }
        }
    }

    /// Where a symbol leads from there.
    fn follow(&mut self, symbol: Symbol) -> Ways {
        let mut list = Vec::new();
        let mut is_there = vec![false; self.nfa.states().len()];
        for id in &self.list {
            self.steps += 1;
            let next = match self.nfa.state(*id) {
                State::ByteRange { trans } => trans.matches_byte(symbol.byte).then_some(trans.next),
                State::Sparse(sparse) => sparse.matches_byte(symbol.byte),
                State::Dense(dense) => dense.matches_byte(symbol.byte),
                _ => None,
            };
            if let Some(next) = next
                && let Some(is_there @ false) = is_there.get_mut(next.as_usize())
            {
                *is_there = true;
                list.push(next);
            }
        }
        Ways {
            before: symbol.after,
            list,
        }
    }
}
