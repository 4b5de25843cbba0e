//! A compiled pattern. It is searched by a DFA that is built while it is needed, since that is fast; and since a peer may
//! send what makes it grow without an end, what is built is counted.

use std::cell::RefCell;
use std::ops::Range;

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::hybrid::{LazyStateID, dfa, regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use super::words::{Automaton, Direction, Prefer, Reader};
use crate::effort::{Effort, TooCostly};

/// Most memory that the states of one direction may take, in bytes; with more, all are built anew.
const STATES: usize = 1 << 20;
/// Most memory of states that one pattern keeps for the next search, in bytes.
const KEPT_STATES: usize = 256 << 10;
/// Most that all patterns keep that are held at once.
const ALL_KEPT_STATES: usize = 3 << 20;
/// Units for one search, besides its bytes.
const PER_SEARCH: usize = 300;
/// Units to prepare a search from nothing, besides the memory for it.
const PER_CACHE: usize = 3_000;
/// Bytes after which the cost is looked at, at most, and at least.
const SLICE: usize = 4 << 10;
const LEAST_SLICE: usize = 16;
/// Steps of the pattern's automaton that the states of one slice may cost: each byte may lead to a new one, which takes as
/// many steps as the automaton has states.
const STEPS: usize = 1 << 20;
/// Units for one byte that leads to a known state.
const PER_BYTE: usize = 3;
/// Units for one byte of memory of a new state.
const PER_BYTE_OF_STATE: usize = 40;

/// A compiled pattern, and what is known of its states.
pub(in crate::expect) struct Regex {
    written: String,
    regex: regex::Regex,
    /// What earlier searches built.
    cache: RefCell<Option<regex::Cache>>,
    /// And those that see words beyond ASCII.
    words: RefCell<Option<Automaton>>,
    /// Most of it that is kept, in bytes.
    kept: usize,
}

/// Why the DFA does not say whether there is a match.
enum Stop {
    TooCostly,
    /// It cannot see words beyond ASCII.
    Unfit,
}

impl From<TooCostly> for Stop {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl Regex {
    /// Compiles a pattern; nothing when that takes more memory. That it is a pattern is for the caller to know, and how
    /// many are held at once.
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
            kept: KEPT_STATES.min(ALL_KEPT_STATES / many.max(1) / 2),
            regex,
        })
    }

    /// As it was written.
    pub(in crate::expect) fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it matches somewhere.
    ///
    /// # Errors
    /// To find out costs too much.
    pub(in crate::expect) fn is_match(&self, text: &[u8], effort: &Effort) -> Result<bool, TooCostly> {
        Ok(self.find_end(text, effort)?.is_some())
    }

    /// The first match.
    ///
    /// # Errors
    /// To find it costs too much.
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

    /// Nothing where that does not see the words of the text.
    fn find_end_by_states(&self, text: &[u8], effort: &Effort) -> Result<Option<Option<usize>>, TooCostly> {
        effort.take(PER_SEARCH)?;
        let mut cache = match self.cache.take() {
            Some(cache) => cache,
            None => self.new_cache(effort)?,
        };
        let found = self.walk(&mut cache, text, effort);
        // What is too large to be kept gives way to the next search.
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

    /// Memory that it takes before anything is searched, in bytes.
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
        effort.take(PER_CACHE + cache.memory_usage() / 4)?;
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

/// A walk from state to state.
struct Walk<'r> {
    dfa: &'r DFA,
    effort: &'r Effort,
}

impl Walk<'_> {
    /// Where the first match ends.
    fn find_end(&self, cache: &mut Cache, text: &[u8]) -> Result<Option<usize>, Stop> {
        let start = self.dfa.start_state_forward(cache, &Input::new(text));
        let mut state = start.map_err(|_| Stop::Unfit)?;
        let mut found = None;
        let size = (STEPS / self.dfa.get_nfa().states().len().max(1)).clamp(LEAST_SLICE, SLICE);
        for (number, slice) in text.chunks(size).enumerate() {
            let memory = Memory::of(cache);
            for (place, byte) in slice.iter().enumerate() {
                state = self
                    .dfa
                    .next_state(cache, state, *byte)
                    .map_err(|_| Stop::Unfit)?;
                if state.is_tagged() {
                    // A match is seen one byte after its end.
                    match (state.is_match(), is_over(state)?) {
                        (true, _) => found = Some(number * size + place),
                        (false, true) => return Ok(found),
                        (false, false) => {}
                    }
                }
            }
            let states = memory.grown(cache).saturating_mul(PER_BYTE_OF_STATE);
            self.effort.take(states.saturating_add(slice.len() * PER_BYTE))?;
        }
        let last = self.dfa.next_eoi_state(cache, state).map_err(|_| Stop::Unfit)?;
        Ok(if last.is_match() { Some(text.len()) } else { found })
    }
}

/// Whether nothing more can be found.
fn is_over(state: LazyStateID) -> Result<bool, Stop> {
    match state.is_quit() {
        true => Err(Stop::Unfit),
        false => Ok(state.is_dead()),
    }
}

/// Memory of states at one moment.
struct Memory {
    bytes: usize,
    cleared: usize,
}

impl Memory {
    fn of(cache: &Cache) -> Self {
        Self {
            bytes: cache.memory_usage(),
            cleared: cache.clear_count(),
        }
    }

    /// What was built since, in bytes.
    fn grown(&self, cache: &Cache) -> usize {
        let now = Self::of(cache);
        let cleared = now.cleared - self.cleared;
        cleared
            .saturating_mul(STATES)
            .saturating_add(now.bytes)
            .saturating_sub(self.bytes)
    }
}
