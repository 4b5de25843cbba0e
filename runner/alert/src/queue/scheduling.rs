//! Fair scheduling: checks take turns, and the notifications of one check reach each recipient in order.
//!
//! A turn ends with an attempt, whatever its result. So an entry that the receiver cannot accept, or fails at, is
//! followed by one of another check if there is one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Entry;
use super::notifier_queue::{NotifierQueue, check_id, is_deferred};

/// Which entry to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The oldest entry of the check that had its turn longest ago, so that a flapping check delays no other.
    Fair,
    /// The same among checks without a refused or failed entry: a probe that shows whether the receiver accepts nothing
    /// at all, or only not what it was sent before.
    Unsuspected,
}

/// What is to blame, as far as known, for a temporary failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureSource {
    /// The receiver: it has accepted nothing else since the notification failed.
    Receiver,
    /// The notification: it failed again after others were accepted. `is_first` if no queued one was known to be
    /// faulty.
    Notification { is_first: bool },
}

/// An entry that may be sent once its deferral is over.
struct Candidate<'a> {
    entry: &'a Entry,
    /// Recipients that wait for an earlier entry of its check.
    except: Vec<&'a str>,
}

/// Earlier entries of one check that later ones wait for.
#[derive(Default)]
struct Blockers<'a> {
    is_for_all: bool,
    recipients: BTreeSet<&'a str>,
}

impl NotifierQueue {
    /// Takes the released entry whose turn it is.
    pub(super) fn next(&mut self, selection: Selection, released: u64) -> Option<Entry> {
        let Candidate { entry, except } = self.fairest(selection, released)?;
        let except = except.into_iter().map(str::to_owned).collect();
        let entry = Entry {
            except,
            ..entry.clone()
        };
        self.in_flight = Some(entry.number);
        Some(entry)
    }

    /// Whether [`NotifierQueue::next`] would return an entry.
    pub(super) fn has_next(&self, selection: Selection, released: u64) -> bool {
        self.fairest(selection, released).is_some()
    }

    /// When the next deferred entry is due.
    pub(super) fn next_due(&self, released: u64) -> Option<Instant> {
        if self.deferred == 0 {
            return None;
        }
        let now = Instant::now();
        let deferrals_until = self.candidates(released).filter_map(|one| one.entry.not_before);
        deferrals_until.filter(|until| *until > now).min()
    }

    /// The longest wait of a check in this process: since its oldest entry was queued, or since an entry of it was last
    /// delivered or dropped. Checks whose oldest entry is deferred do not count. A backlog of one check says nothing
    /// about how others fare.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        let mut seen = HashSet::new();
        let oldest = self.entries.iter().filter(|entry| seen.insert(check_id(entry)));
        let waits = oldest.filter(|entry| !is_deferred(entry)).map(|entry| {
            let backlog = self.checks.get(check_id(entry));
            let last = backlog
                .and_then(|backlog| backlog.finished_at)
                .unwrap_or(entry.queued_at);
            entry.queued_at.max(last).elapsed()
        });
        waits.max()
    }

    /// The entry of the check that had its turn longest ago; faulty entries that have just failed come last.
    fn fairest(&self, selection: Selection, released: u64) -> Option<Candidate<'_>> {
        let now = Instant::now();
        let suspected = match selection {
            Selection::Fair => HashSet::new(),
            Selection::Unsuspected => self.suspected(),
        };
        let mut fairest: Option<((bool, u64), Candidate<'_>)> = None;
        for candidate in self.candidates(released) {
            let entry = candidate.entry;
            let is_due = entry.not_before.is_none_or(|until| until <= now);
            if !is_due || suspected.contains(check_id(entry)) {
                continue;
            }
            let last_turn = self
                .checks
                .get(check_id(entry))
                .map_or(0, |backlog| backlog.last_turn);
            // A faulty entry is no probe for a receiver that accepts nothing.
            let rank = (entry.is_faulty && self.has_just_failed(entry), last_turn);
            if rank == (false, 0) {
                return Some(candidate);
            }
            if fairest.as_ref().is_none_or(|(least, _)| rank < *least) {
                fairest = Some((rank, candidate));
            }
        }
        fairest.map(|(_, candidate)| candidate)
    }

    /// Entries that no earlier entry of their check blocks, oldest first.
    fn candidates(&self, released: u64) -> impl Iterator<Item = Candidate<'_>> {
        let mut blockers: HashMap<&str, Blockers<'_>> = HashMap::new();
        let released = self.entries.iter().filter(move |entry| entry.number < released);
        released.filter_map(move |entry| {
            let candidate = match blockers.get(check_id(entry)) {
                Some(blockers) => blockers.admit(entry),
                None => Some(Candidate {
                    entry,
                    except: Vec::new(),
                }),
            };
            if is_deferred(entry) {
                blockers.entry(check_id(entry)).or_default().add(entry);
            }
            candidate
        })
    }

    /// Whether it failed temporarily, and the receiver has accepted nothing since.
    fn has_just_failed(&self, entry: &Entry) -> bool {
        entry.failed_at == Some(self.accepted)
    }

    /// Checks with an entry that was refused, has just failed, or is faulty.
    fn suspected(&self) -> HashSet<&str> {
        let is_suspect =
            |entry: &&Entry| entry.is_faulty || entry.refused_at.is_some() || self.has_just_failed(entry);
        self.entries.iter().filter(is_suspect).map(check_id).collect()
    }

    /// Ends the turn of a check.
    pub(super) fn end_turn(&mut self, check: &str) {
        self.turns += 1;
        if let Some(backlog) = self.checks.get_mut(check) {
            backlog.last_turn = self.turns;
        }
    }

    /// Puts the entry in flight back after a temporary failure; the `Retry-After` applies to it alone if it is faulty.
    pub(super) fn put_back(&mut self, retry_after: Option<Duration>) -> FailureSource {
        let is_first = !self.entries.iter().any(|entry| entry.is_faulty);
        let accepted = self.accepted;
        let mut cause = FailureSource::Receiver;
        self.update_in_flight(|entry| {
            entry.record_failure(accepted, retry_after);
            if entry.is_faulty {
                cause = FailureSource::Notification { is_first };
            }
        });
        self.release_in_flight();
        cause
    }

    /// Records that the receiver refused the entry in flight. Returns whether to drop it, because the receiver has
    /// accepted something since the first refusal.
    pub(super) fn refuse(&mut self) -> bool {
        let accepted = self.accepted;
        let mut is_given_up = false;
        self.update_in_flight(|entry| is_given_up = accepted > *entry.refused_at.get_or_insert(accepted));
        if !is_given_up {
            self.release_in_flight();
        }
        is_given_up
    }

    /// Puts the entry in flight back and ends the turn of its check.
    pub(super) fn release_in_flight(&mut self) {
        let position = self.in_flight.take().and_then(|number| self.position(number));
        let entry = position.and_then(|position| self.entries.get(position));
        if let Some(check) = entry.map(|entry| check_id(entry).to_owned()) {
            self.end_turn(&check);
        }
    }
}

impl<'a> Blockers<'a> {
    /// The candidate for a later entry, unless all of its recipients wait for an earlier one.
    fn admit(&self, entry: &'a Entry) -> Option<Candidate<'a>> {
        let is_waiting = |recipient: &&str| self.recipients.contains(recipient);
        let except: Vec<&str> = if entry.is_partial() {
            entry.only.iter().map(String::as_str).filter(is_waiting).collect()
        } else {
            self.recipients.iter().copied().collect()
        };
        let is_blocked = self.is_for_all || (entry.is_partial() && except.len() == entry.only.len());
        (!is_blocked).then_some(Candidate { entry, except })
    }

    fn add(&mut self, entry: &'a Entry) {
        if entry.is_partial() {
            self.recipients.extend(entry.only.iter().map(String::as_str));
        } else {
            self.is_for_all = true;
        }
    }
}
