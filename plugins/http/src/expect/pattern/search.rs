//! A compiled pattern, searched by a lazy DFA because that is fast. Since a peer may send input that makes the DFA
//! grow without limit, its states are counted.

use std::cell::RefCell;
use std::ops::Range;

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::hybrid::{LazyStateID, dfa, regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use super::word_dfa::{Automaton, Direction, Prefer, Reader};
use crate::effort::{Effort, TooCostly};

/// Maximum memory for the states of one direction, in bytes; if exceeded, all are rebuilt.
const STATES: usize = 1 << 20;
/// Maximum memory for states that one pattern retains for the next search, in bytes.
const RETAINED_STATES: usize = 256 << 10;
/// Maximum memory that all patterns which exist at once retain.
const ALL_RETAINED_STATES: usize = 3 << 20;
/// Effort units per search, besides its bytes.
const PER_SEARCH: usize = 300;
/// Effort units to prepare a search from nothing, besides its memory.
const PER_CACHE: usize = 3_000;
/// Maximum and minimum bytes after which the cost is checked.
const SLICE: usize = 4 << 10;
const MIN_SLICE: usize = 16;
/// Maximum NFA steps that the new states of one slice may cost: each byte may lead to a new state, which takes as
/// many steps as the NFA has states.
const STEPS: usize = 1 << 20;
/// Effort units per byte that leads to a known state.
const PER_BYTE: usize = 3;
/// Effort units per byte of memory of a new state.
const PER_BYTE_OF_STATE: usize = 40;

/// A compiled pattern with its cached states.
pub(in crate::expect) struct Regex {
    written: String,
    regex: regex::Regex,
    /// States that earlier searches built.
    cache: RefCell<Option<regex::Cache>>,
    /// States of the automaton for word boundaries beyond ASCII.
    words: RefCell<Option<Automaton>>,
    /// Maximum bytes of states that are retained.
    kept: usize,
}

/// Why the DFA cannot say whether there is a match.
enum Stop {
    TooCostly,
    /// It does not support word boundaries beyond ASCII.
    Unfit,
}

impl From<TooCostly> for Stop {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl Regex {
    /// Compiles a pattern; `None` if that exceeds `memory`. The caller has checked that the pattern is valid, and
    /// knows how many exist at once.
    pub(super) fn new(written: &str, syntax: syntax::Config, memory: usize, many: usize) -> Option<Self> {
        let states = dfa::Config::new()
            .unicode_word_boundary(true)
            .cache_capacity(STATES)
            .skip_cache_capacity_check(true);
        let automaton = thompson::Config::new().utf8(false).nfa_size_limit(Some(memory));
        let regex = regex::Builder::new()
            .syntax(syntax)
            .thompson(automaton)
            .dfa(states)
            .build(written)
            .ok()?;
        Some(Self {
            written: written.to_owned(),
            cache: RefCell::new(None),
            words: RefCell::new(None),
            kept: RETAINED_STATES.min(ALL_RETAINED_STATES / many.max(1) / 2),
            regex,
        })
    }

    /// The pattern as it was written.
    pub(in crate::expect) fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it matches anywhere.
    ///
    /// # Errors
    /// The search costs too much effort.
    pub(in crate::expect) fn is_match(&self, text: &[u8], effort: &Effort) -> Result<bool, TooCostly> {
        Ok(self.find_end(text, effort)?.is_some())
    }

    /// The first match.
    ///
    /// # Errors
    /// The search costs too much effort.
    pub(in crate::expect) fn find(
        &self,
        text: &[u8],
        effort: &Effort,
    ) -> Result<Option<Range<usize>>, TooCostly> {
        let Some(end) = self.find_end(text, effort)? else {
            return Ok(None);
        };
        let nfa = self.regex.reverse().get_nfa();
        let mut automaton = Automaton::new(nfa, Prefer::Longest, effort)?;
        let start = automaton.find(nfa, Reader::new(text, Direction::Backward, end), effort)?;
        Ok(Some(start.unwrap_or(end)..end))
    }

    fn find_end(&self, text: &[u8], effort: &Effort) -> Result<Option<usize>, TooCostly> {
        match self.find_end_by_states(text, effort)? {
            Some(found) => Ok(found),
            None => self.find_end_by_words(text, effort),
        }
    }

    /// `None` if the DFA does not support the word boundaries of this text.
    fn find_end_by_states(&self, text: &[u8], effort: &Effort) -> Result<Option<Option<usize>>, TooCostly> {
        effort.charge(PER_SEARCH)?;
        let mut cache = match self.cache.take() {
            Some(cache) => cache,
            None => self.new_cache(effort)?,
        };
        let found = self.walk(&mut cache, text, effort);
        // A cache that is too large to be retained is dropped for the next search.
        let kept = Some(cache).filter(|cache| cache.memory_usage() <= self.kept);
        self.cache.replace(kept);
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Stop::TooCostly) => Err(TooCostly),
            Err(Stop::Unfit) => Ok(None),
        }
    }

    fn find_end_by_words(&self, text: &[u8], effort: &Effort) -> Result<Option<usize>, TooCostly> {
        let nfa = self.regex.forward().get_nfa();
        let mut automaton = match self.words.take() {
            Some(automaton) => automaton,
            None => Automaton::new(nfa, Prefer::First, effort)?,
        };
        let end = automaton.find(nfa, Reader::new(text, Direction::Forward, 0), effort);
        let kept = Some(automaton).filter(|automaton| automaton.memory() <= self.kept);
        self.words.replace(kept);
        end
    }

    /// Memory that it takes before any search, in bytes.
    pub(in crate::expect) fn memory(&self) -> usize {
        let automata = [self.regex.forward(), self.regex.reverse()].map(|dfa| dfa.get_nfa().memory_usage());
        automata.iter().sum()
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let (cache, words) = (self.cache.borrow(), self.words.borrow());
        cache.as_ref().map_or(0, regex::Cache::memory_usage) + words.as_ref().map_or(0, Automaton::memory)
    }

    fn new_cache(&self, effort: &Effort) -> Result<regex::Cache, TooCostly> {
        let cache = self.regex.create_cache();
        effort.charge(PER_CACHE + cache.memory_usage() / 4)?;
        Ok(cache)
    }

    fn walk(&self, cache: &mut regex::Cache, text: &[u8], effort: &Effort) -> Result<Option<usize>, Stop> {
        let (forward, _) = cache.as_parts_mut();
        let walk = Walk {
            dfa: self.regex.forward(),
            effort,
        };
        walk.find_end(forward, text)
    }
}

/// A run of the DFA over a text.
struct Walk<'r> {
    dfa: &'r DFA,
    effort: &'r Effort,
}

impl Walk<'_> {
    /// The end of the first match.
    fn find_end(&self, cache: &mut Cache, text: &[u8]) -> Result<Option<usize>, Stop> {
        let start = self.dfa.start_state_forward(cache, &Input::new(text));
        let mut state = start.map_err(|_| Stop::Unfit)?;
        let mut found = None;
        let size = (STEPS / self.dfa.get_nfa().states().len().max(1)).clamp(MIN_SLICE, SLICE);
        for (number, slice) in text.chunks(size).enumerate() {
            let memory = StateMemory::of(cache);
            for (place, byte) in slice.iter().enumerate() {
                state = self
                    .dfa
                    .next_state(cache, state, *byte)
                    .map_err(|_| Stop::Unfit)?;
                if state.is_tagged() {
                    // A match is reported one byte after its end.
                    match (state.is_match(), is_over(state)?) {
                        (true, _) => found = Some(number * size + place),
                        (false, true) => return Ok(found),
                        (false, false) => {}
                    }
                }
            }
            let states = memory.grown(cache).saturating_mul(PER_BYTE_OF_STATE);
            self.effort
                .charge(states.saturating_add(slice.len() * PER_BYTE))?;
        }
        let last = self.dfa.next_eoi_state(cache, state).map_err(|_| Stop::Unfit)?;
        Ok(if last.is_match() { Some(text.len()) } else { found })
    }
}

/// Whether no other match can be found.
fn is_over(state: LazyStateID) -> Result<bool, Stop> {
    if state.is_quit() {
        Err(Stop::Unfit)
    } else {
        Ok(state.is_dead())
    }
}

/// Memory of the states at one moment.
struct StateMemory {
    bytes: usize,
    cleared: usize,
}

impl StateMemory {
    fn of(cache: &Cache) -> Self {
        Self {
            bytes: cache.memory_usage(),
            cleared: cache.clear_count(),
        }
    }

    /// Bytes of states that were built since.
    fn grown(&self, cache: &Cache) -> usize {
        let now = Self::of(cache);
        let cleared = now.cleared - self.cleared;
        cleared
            .saturating_mul(STATES)
            .saturating_add(now.bytes)
            .saturating_sub(self.bytes)
    }
}
