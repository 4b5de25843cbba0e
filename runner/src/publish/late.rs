//! Records of an earlier process that could be read only after this one had begun.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::{Board, Entry, Record, Restored};
use crate::account::Account;
use crate::outcome::{Run, VerdictStatus};
use crate::status::{Standing, Thresholds, Transition};
use crate::suite::CheckId;

/// Rows of equal verdicts that are remembered of a check; what was before them counts no longer.
const MAX_STREAKS: usize = 16;

/// What a check's runs said while nobody knew how it stood before.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Equal verdicts in a row, the oldest first.
    streaks: VecDeque<(Option<VerdictStatus>, u32)>,
}

impl History {
    pub(super) fn push(&mut self, verdict: Option<VerdictStatus>) {
        match self.streaks.back_mut() {
            Some((last, count)) if *last == verdict => *count = count.saturating_add(1),
            _ => self.streaks.push_back((verdict, 1)),
        }
        if self.streaks.len() > MAX_STREAKS {
            self.streaks.pop_front();
        }
    }
}

/// What was found when the records were merged.
#[derive(Debug, Default)]
pub struct Merged {
    /// Runs that a kill of the earlier process cut off, by check.
    pub killed: Vec<(CheckId, u64)>,
}

impl Board {
    /// From now on runs are remembered so that records of an earlier process can be merged.
    pub fn expect_records(&self) {
        self.state().expects_records = true;
    }

    /// Has every check go on from what an earlier process knew, as if it had been known from the start: the earlier
    /// runs come first, and those of this process after them. `absent` are the due times in between, by check.
    pub fn merge(&self, restored: Restored, retired: &Account, absent: &HashMap<CheckId, u64>) -> Merged {
        let mut merged = Merged::default();
        let mut state = self.state();
        state.expects_records = false;
        state.total.absorb(retired);
        state.retired.absorb(retired);
        let mut earlier = restored.records;
        let ids: Vec<CheckId> = state.entries.keys().cloned().collect();
        for id in ids {
            let Some(mut record) = earlier.remove(&id) else {
                continue;
            };
            match record.account.bury() {
                0 => {}
                killed => merged.killed.push((id.clone(), killed)),
            }
            record.account.pass(absent.get(&id).copied().unwrap_or_default());
            state.total.absorb(&record.account);
            if let Some(entry) = state.entries.get_mut(&id) {
                entry.go_on_from(record);
            }
        }
        drop(state);
        // They are in the suite no longer.
        let _gone = self.retire(Restored::from(earlier));
        merged
    }

    /// How each check stands that had a run in this process, as if its last run had brought it from what an earlier
    /// process knew to what is known now.
    #[must_use]
    pub fn standings(&self) -> Vec<(Arc<Run>, Standing)> {
        let state = self.state();
        let standing = |entry: &Entry| {
            let run = state.last.get(&entry.check.id)?;
            let standing = entry.standing(&run);
            Some((run, standing))
        };
        state.entries.values().filter_map(standing).collect()
    }

    /// Every check on the board.
    #[must_use]
    pub fn ids(&self) -> Vec<CheckId> {
        self.state().entries.keys().cloned().collect()
    }
}

impl Entry {
    fn go_on_from(&mut self, earlier: Record) {
        let thresholds = Thresholds::from(self.check.as_ref());
        let history = self.history.take();
        self.before = earlier.status();
        let own = std::mem::replace(&mut self.record, earlier);
        let record = &mut self.record;
        match history {
            Some(history) => {
                for (verdict, count) in history.streaks {
                    record.tracker.replay(verdict, count, thresholds);
                }
            }
            // Nobody expected an earlier record: what was found out since counts.
            None if own.last_finish.is_some() => record.tracker = own.tracker,
            None => {}
        }
        record.account.absorb(&own.account);
        record.failures = match own.last_success {
            Some(_) => own.failures,
            None => record.failures.saturating_add(own.failures),
        };
        if own.last_due.is_some() {
            (record.last_due, record.interval) = (own.last_due, own.interval);
            record.cron = own.cron;
        }
        if record.status() != self.before {
            record.changed = own.changed.or(own.last_finish);
        }
        record.last_finish = own.last_finish.or(record.last_finish);
        record.last_success = own.last_success.or(record.last_success);
        record.last = own.last.or(record.last.take());
    }

    fn standing(&self, run: &Run) -> Standing {
        let (record, status) = (&self.record, self.record.status());
        let transition = (status != self.before).then(|| Transition {
            from: self.before,
            to: status,
            at: record.changed.unwrap_or(SystemTime::UNIX_EPOCH),
            summary: run.outcome.summary(),
            consecutive: u32::try_from(record.failures).unwrap_or(u32::MAX),
        });
        Standing {
            status,
            transition,
            consecutive_failures: record.failures,
            last_success: record.last_success,
        }
    }
}
