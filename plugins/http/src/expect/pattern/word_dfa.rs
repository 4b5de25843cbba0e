//! A lazy DFA for patterns with Unicode word boundaries in texts beyond ASCII, which the library's own DFA does not
//! support.
//!
//! It reads bytes, too. What stands before a position is part of a state. What stands after it is part of the symbol
//! that leads on from there: for a character of several bytes it belongs to the first one.

mod symbols;

use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

use crate::effort::{Effort, TooCostly};
pub(super) use symbols::{Direction, Reader};
use symbols::{Side, Symbol, Symbols};

/// Maximum memory for states, in bytes; if exceeded, all are rebuilt.
const STATES: usize = 768 << 10;
/// Bytes of a state besides its NFA states.
const PER_STATE: usize = 160;
/// Bytes after which the cost is checked.
const SLICE: usize = 4 << 10;
/// Effort units per byte that leads to a known state.
const PER_BYTE: usize = 4;
/// Effort units to classify one character beyond ASCII.
const PER_CHARACTER: usize = 12;
/// Effort units per step from one NFA state to the next.
const PER_STEP: usize = 30;
/// Steps to check a word boundary.
const STEPS_TO_LOOK: usize = 2;
/// Effort units per symbol of a new state.
const PER_SYMBOL: usize = 2;
/// Effort units to prepare a search from nothing, besides its symbols.
const PER_AUTOMATON: usize = 3_000;

/// Which match is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The first one that begins, in the order of the pattern's alternatives.
    First,
    /// The longest one of those that begin at the same position.
    Longest,
}

/// The states that were built.
#[derive(Debug)]
pub(super) struct Automaton {
    prefer: Prefer,
    symbols: Symbols,
    states: Vec<Rc<NfaStates>>,
    numbers: HashMap<Rc<NfaStates>, u32>,
    /// For each state, where each symbol leads.
    table: Vec<Option<Step>>,
    memory: usize,
}

/// The active NFA states, in order of preference.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NfaStates {
    before: Side,
    list: Vec<StateID>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    to: u32,
    /// Whether a match ends before the symbol.
    is_match: bool,
    is_over: bool,
}

impl Automaton {
    pub(super) fn new(nfa: &NFA, prefer: Prefer, effort: &Effort) -> Result<Self, TooCostly> {
        let symbols = Symbols::of(nfa);
        effort.charge(PER_AUTOMATON + symbols.count() * PER_SYMBOL)?;
        Ok(Self {
            prefer,
            symbols,
            states: Vec::new(),
            numbers: HashMap::new(),
            table: Vec::new(),
            memory: 0,
        })
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        self.memory + self.symbols.memory()
    }

    /// The end of the preferred match, in the direction of reading: of matches that begin anywhere, or of the longest
    /// one at the reader's position.
    ///
    /// # Errors
    /// The search costs too much effort.
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
        let start = NfaStates {
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
                effort.charge(SLICE * PER_BYTE + reader.take_characters() * PER_CHARACTER)?;
            }
        }
        effort.charge((reader.read() - paid) * PER_BYTE + reader.take_characters() * PER_CHARACTER)?;
        let Some(last) = self.states.get(index(state)).cloned() else {
            return Ok(found);
        };
        let mut closure = Closure::new(nfa, self.prefer);
        closure.enter(&last, Side::Edge);
        effort.charge(closure.steps * PER_STEP)?;
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

    /// Computes where a symbol leads; if there is no memory left for states, the current one gets another number.
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
        effort.charge(closure.steps * PER_STEP + self.symbols.count() * PER_SYMBOL)?;
        let is_match = closure.is_match;
        if self.memory > STATES {
            self.states.clear();
            self.numbers.clear();
            self.table.clear();
            self.memory = 0;
            *state = self.number(NfaStates {
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

    /// The number of a state, which is added if it is unknown.
    fn number(&mut self, active: NfaStates) -> u32 {
        if let Some(number) = self.numbers.get(&active) {
            return *number;
        }
        let number = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        self.memory += PER_STATE
            + active.list.len() * size_of::<StateID>()
            + self.symbols.count() * size_of::<Option<Step>>();
        let active = Rc::new(active);
        self.states.push(Rc::clone(&active));
        self.numbers.insert(active, number);
        self.table.resize(self.states.len() * self.symbols.count(), None);
        number
    }
}

fn index(state: u32) -> usize {
    usize::try_from(state).unwrap_or(usize::MAX)
}

/// The epsilon closure: what can be reached without reading.
struct Closure<'n> {
    nfa: &'n NFA,
    prefer: Prefer,
    is_entered: Vec<bool>,
    /// The NFA states that read something.
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
            // Building the list of the visited states takes time as well.
            steps: nfa.states().len() / 64,
        }
    }

    /// Enters all active states at a position, up to a match that is preferred to the rest.
    fn enter(&mut self, active: &NfaStates, ahead: Side) {
        for state_id in &active.list {
            self.enter_one(*state_id, active.before, ahead);
            if self.is_match && self.prefer == Prefer::First {
                return;
            }
        }
    }

    fn enter_one(&mut self, state_id: StateID, before: Side, ahead: Side) {
        let mut stack = vec![state_id];
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

    /// The active states after a symbol.
    fn follow(&mut self, symbol: Symbol) -> NfaStates {
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
        NfaStates {
            before: symbol.after,
            list,
        }
    }
}
