//! Whose turn it is: checks take turns, and what is to be told of one goes in order to each of its receivers.
//!
//! A turn is over when the notification was tried, whatever came of that. So one that its receiver cannot take, or that
//! makes it fail, is followed by one of another check, if one waits.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Entry;
use super::row::{Row, check};

/// Which one is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::alert) enum Turn {
    /// The oldest of the check that had its last turn longest ago, so that one that flaps holds up no other.
    Fair,
    /// The same, of a check of which nothing was refused or failed: what its receiver makes of that tells whether it takes
    /// none, or only not the one that it was given before.
    Unsuspected,
}

/// Whose fault it is, as far as can be known, that a notification failed for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::alert) enum Fault {
    /// The receiver has taken no other since it failed.
    Receiver,
    /// The receiver has, and it failed again. `is_first` when no notification was known to be at fault.
    Notification { is_first: bool },
}

/// One that may be delivered once its pause is over.
struct Candidate<'a> {
    entry: &'a Entry,
    /// Those for whom something of its check waits that comes before it.
    except: Vec<&'a str>,
}

/// What waits of one check before those that follow.
#[derive(Default)]
struct Ahead<'a> {
    is_for_all: bool,
    receivers: BTreeSet<&'a str>,
}

impl Row {
    /// The one whose turn it is, if it was released.
    pub(super) fn next(&mut self, turn: Turn, released: u64) -> Option<Entry> {
        let Candidate { entry, except } = self.fairest(turn, released)?;
        let except = except.into_iter().map(str::to_owned).collect();
        let entry = Entry {
            except,
            ..entry.clone()
        };
        self.under_way = Some(entry.number);
        Some(entry)
    }

    /// Whether there is one for this turn.
    pub(super) fn has_next(&self, turn: Turn, released: u64) -> bool {
        self.fairest(turn, released).is_some()
    }

    /// When the next one is due of those that are left alone until a moment.
    pub(super) fn due(&self, released: u64) -> Option<Instant> {
        if self.apart == 0 {
            return None;
        }
        let now = Instant::now();
        let pauses = self.candidates(released).filter_map(|one| one.entry.not_before);
        pauses.filter(|moment| *moment > now).min()
    }

    /// How long a check has waited in this process, of those of which the first is not left alone on purpose: the longest
    /// time since something of it came, or was last delivered or given up. What one check has waiting behind its own says
    /// nothing of how others fare.
    pub(super) fn late(&self) -> Option<Duration> {
        let mut seen = HashSet::new();
        let oldest = self.waiting.iter().filter(|entry| seen.insert(check(entry)));
        let late = oldest.filter(|entry| !is_apart(entry)).map(|entry| {
            let held = self.checks.get(check(entry));
            let last = held.and_then(|held| held.concluded).unwrap_or(entry.taken);
            entry.taken.max(last).elapsed()
        });
        late.max()
    }

    /// The first of the check that had its last turn longest ago; what is at fault comes after all others once it has failed.
    fn fairest(&self, turn: Turn, released: u64) -> Option<Candidate<'_>> {
        let now = Instant::now();
        let suspected = match turn {
            Turn::Fair => HashSet::new(),
            Turn::Unsuspected => self.suspected(),
        };
        let mut fairest: Option<((bool, u64), Candidate<'_>)> = None;
        for candidate in self.candidates(released) {
            let entry = candidate.entry;
            let is_due = entry.not_before.is_none_or(|moment| moment <= now);
            if !is_due || suspected.contains(check(entry)) {
                continue;
            }
            let turn = self.checks.get(check(entry)).map_or(0, |held| held.turn);
            // What is at fault says nothing of a receiver that takes nothing.
            let rank = (entry.is_at_fault && self.has_just_failed(entry), turn);
            if rank == (false, 0) {
                return Some(candidate);
            }
            if fairest.as_ref().is_none_or(|(least, _)| rank < *least) {
                fairest = Some((rank, candidate));
            }
        }
        fairest.map(|(_, candidate)| candidate)
    }

    /// All that nothing of their check holds up, oldest first.
    fn candidates(&self, released: u64) -> impl Iterator<Item = Candidate<'_>> {
        let mut ahead: HashMap<&str, Ahead<'_>> = HashMap::new();
        let released = self.waiting.iter().filter(move |entry| entry.number < released);
        released.filter_map(move |entry| {
            let candidate = match ahead.get(check(entry)) {
                Some(ahead) => ahead.admit(entry),
                None => Some(Candidate {
                    entry,
                    except: Vec::new(),
                }),
            };
            if is_apart(entry) {
                ahead.entry(check(entry)).or_default().add(entry);
            }
            candidate
        })
    }

    /// Whether it failed for the moment, and the receiver has taken nothing since.
    fn has_just_failed(&self, entry: &Entry) -> bool {
        entry.failed == Some(self.taken)
    }

    /// Checks of which something was refused, or has just failed, or is at fault.
    fn suspected(&self) -> HashSet<&str> {
        let is_suspect =
            |entry: &&Entry| entry.is_at_fault || entry.refused.is_some() || self.has_just_failed(entry);
        self.waiting.iter().filter(is_suspect).map(check).collect()
    }

    /// The turn of a check is over.
    pub(super) fn end_turn(&mut self, check: &str) {
        self.turns += 1;
        if let Some(held) = self.checks.get_mut(check) {
            held.turn = self.turns;
        }
    }

    /// The one under way failed for the moment, and is tried again, not before the wait that the receiver asks for if it is
    /// at fault.
    pub(super) fn put_back(&mut self, asked: Option<Duration>) -> Fault {
        let is_first = !self.waiting.iter().any(|entry| entry.is_at_fault);
        let taken = self.taken;
        let mut fault = Fault::Receiver;
        self.alter(|entry| {
            entry.fail(taken, asked);
            if entry.is_at_fault {
                fault = Fault::Notification { is_first };
            }
        });
        self.leave();
        fault
    }

    /// The receiver refused the one under way. Says whether it is to be given up: the receiver has taken something since
    /// it refused this one for the first time.
    pub(super) fn refuse(&mut self) -> bool {
        let taken = self.taken;
        let mut is_given_up = false;
        self.alter(|entry| is_given_up = taken > *entry.refused.get_or_insert(taken));
        if !is_given_up {
            self.leave();
        }
        is_given_up
    }

    /// The one under way waits again, and its check has had its turn.
    pub(super) fn leave(&mut self) {
        let place = self.under_way.take().and_then(|number| self.place(number));
        let entry = place.and_then(|place| self.waiting.get(place));
        if let Some(check) = entry.map(|entry| check(entry).to_owned()) {
            self.end_turn(&check);
        }
    }
}

impl<'a> Ahead<'a> {
    /// The same for one that follows, unless all of its receivers wait for what comes before it.
    fn admit(&self, entry: &'a Entry) -> Option<Candidate<'a>> {
        let is_waiting = |receiver: &&str| self.receivers.contains(receiver);
        let except: Vec<&str> = match entry.is_rest() {
            true => entry.only.iter().map(String::as_str).filter(is_waiting).collect(),
            false => self.receivers.iter().copied().collect(),
        };
        let is_held_up = self.is_for_all || (entry.is_rest() && except.len() == entry.only.len());
        (!is_held_up).then_some(Candidate { entry, except })
    }

    fn add(&mut self, entry: &'a Entry) {
        if entry.is_rest() {
            self.receivers.extend(entry.only.iter().map(String::as_str));
        } else {
            self.is_for_all = true;
        }
    }
}

/// Whether it is left alone, or for some of the receivers only: mostly none is, and the others need not be looked at.
pub(super) fn is_apart(entry: &Entry) -> bool {
    entry.not_before.is_some() || entry.is_rest()
}
