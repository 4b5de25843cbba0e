//! State that could not be read at the start, and what the disk lost: what the service does once the disk is back.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::cadence::Cadences;
use super::{RETIRED, Service, kept};
use crate::account::{Account, MissReason};
use crate::age::Now;
use crate::dispatch::Execute;
use crate::publish::{Board, Record, Restored};
use crate::state::{Change, Kept, Request, Shelf, State};
use crate::suite::CheckId;

/// How long no alert is sent because nobody knows who was notified of what. After that, who was notified by an earlier
/// process is notified again: a runner that keeps silent is worse than one that repeats itself.
const MAX_HOLD: Duration = Duration::from_secs(60);

/// What is not known yet of an earlier process.
pub(super) struct Late {
    /// Until when alerts are held back; absent when they are not.
    hold: Option<Instant>,
    started: Now,
}

impl Late {
    pub(super) fn new(state: &State, board: &Board, now: Instant, started: Now) -> Self {
        let is_unread = state.is_unread();
        if is_unread {
            board.expect_records();
        }
        Self {
            hold: is_unread.then(|| now + MAX_HOLD),
            started,
        }
    }
}

impl<E: Execute> Service<'_, E> {
    /// Does what the state asks for, and lets alerts go when they were held back for long enough.
    pub(super) fn answer_state(&mut self) {
        match self.state.request() {
            Some(Request::Merge(kept)) => {
                self.merge(&kept);
                self.catch_up();
                self.put_all();
            }
            Some(Request::Everything) => self.put_all(),
            None => {}
        }
        if self.late.hold.is_some_and(|until| until <= Instant::now()) {
            self.catch_up();
            // Nothing is persisted yet; this lets the notifications go.
            self.put(Vec::new());
        }
    }

    fn merge(&mut self, kept: &Kept) {
        let (records, retired, _unreadable) = parse(kept);
        let mut restored = Restored::from(records);
        let checks: Vec<_> = self
            .board
            .seen()
            .checks
            .into_iter()
            .map(|seen| seen.check)
            .collect();
        restored.rename(&checks);
        let absent: HashMap<CheckId, u64> = Cadences::of(&checks, &restored, &self.late.started)
            .passed(&checks)
            .map(|(check, count, _)| (check.id.clone(), count))
            .collect();
        let merged = self.board.merge(restored, &retired, &absent);
        for (id, count) in absent {
            self.watcher.missed(&id, MissReason::Absent, count);
        }
        for (id, count) in merged.killed {
            self.watcher.missed(&id, MissReason::Killed, count);
        }
        let now = self.time.read();
        self.watcher.state_read(kept, &now);
    }

    fn catch_up(&mut self) {
        self.late.hold = None;
        let now = self.time.read();
        self.watcher.catch_up(&self.board.standings(), &now);
    }

    fn put_all(&mut self) {
        let ids = self.board.ids();
        let records = ids.iter().filter_map(|id| Some((id, self.board.record(id)?)));
        let mut changes: Vec<Change> = records
            .filter_map(|(id, record)| kept(Shelf::Check, id.as_str(), &record))
            .collect();
        changes.extend(kept(Shelf::Runner, RETIRED, &self.board.retired()));
        let written = self.watcher.put_all(changes, &self.state);
        self.watcher.kept(&written);
    }
}

/// What was kept of checks, of those that are gone, and why some of it cannot be read.
#[must_use]
pub fn parse(kept: &Kept) -> (HashMap<CheckId, Record>, Account, Vec<String>) {
    let (mut records, mut unreadable) = (HashMap::new(), Vec::new());
    for (id, text) in kept.of(Shelf::Check) {
        match serde_json::from_str::<Record>(text) {
            Ok(record) => drop(records.insert(CheckId::new(id), record)),
            Err(error) => unreadable.push(format!("what was kept of check {id} cannot be read: {error}")),
        }
    }
    let retired = kept.of(Shelf::Runner).find(|(key, _)| &***key == RETIRED);
    let retired = retired.and_then(|(_, text)| serde_json::from_str(text).ok());
    (records, retired.unwrap_or_default(), unreadable)
}
