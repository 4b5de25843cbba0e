//! Merging records of an earlier process that could be read only after this process had started.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::{CheckRecord, Entry, Restored, StatusStore};
use crate::account::RunAccount;
use crate::outcome::{Run, VerdictStatus};
use crate::status::{CheckStatus, Thresholds, Transition};
use canary_suite::CheckId;

/// Maximum number of streaks of equal verdicts that are remembered for a check; older ones are discarded.
const MAX_STREAKS: usize = 16;

/// The verdicts of a check's runs while the record of the earlier process is still missing.
#[derive(Debug, Default)]
pub(super) struct VerdictHistory {
    /// Equal consecutive verdicts, the oldest first.
    streaks: VecDeque<(Option<VerdictStatus>, u32)>,
}

impl VerdictHistory {
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

/// The result of merging records.
#[derive(Debug, Default)]
pub struct MergeResult {
    /// Runs that were in flight when the earlier process was killed, by check.
    pub killed: Vec<(CheckId, u64)>,
}

impl StatusStore {
    /// From now on verdicts are remembered so that records of an earlier process can be merged.
    pub fn expect_records(&self) {
        self.state().expects_records = true;
    }

    /// Merges the records of an earlier process as if they had been known from the start: the earlier runs come first,
    /// and the runs of this process after them. `absent` is the number of due times in between, by check.
    pub fn merge(
        &self,
        restored: Restored,
        archived: &RunAccount,
        absent: &HashMap<CheckId, u64>,
    ) -> MergeResult {
        let mut merged = MergeResult::default();
        let mut state = self.state();
        state.expects_records = false;
        state.total.merge(archived);
        state.archived.merge(archived);
        let mut earlier = restored.records;
        let ids: Vec<CheckId> = state.entries.keys().cloned().collect();
        for id in ids {
            let Some(mut record) = earlier.remove(&id) else {
                continue;
            };
            match record.account.count_killed() {
                0 => {}
                killed => merged.killed.push((id.clone(), killed)),
            }
            record
                .account
                .record_absent(absent.get(&id).copied().unwrap_or_default());
            state.total.merge(&record.account);
            if let Some(entry) = state.entries.get_mut(&id) {
                entry.continue_from(record);
            }
        }
        drop(state);
        // These checks are no longer in the suite.
        let _gone = self.archive_removed(Restored::from(earlier));
        merged
    }

    /// The status of each check that had a run in this process. Its transition, if any, is from the status in the
    /// earlier process to the current one, attributed to the last run.
    #[must_use]
    pub fn check_statuses(&self) -> Vec<(Arc<Run>, CheckStatus)> {
        let state = self.state();
        let status = |entry: &Entry| {
            let run = state.last.get(&entry.check.id)?;
            let status = entry.check_status(&run);
            Some((run, status))
        };
        state.entries.values().filter_map(status).collect()
    }

    /// The ids of all checks.
    #[must_use]
    pub fn check_ids(&self) -> Vec<CheckId> {
        self.state().entries.keys().cloned().collect()
    }
}

impl Entry {
    fn continue_from(&mut self, earlier: CheckRecord) {
        let thresholds = Thresholds::from(self.check.as_ref());
        let history = self.history.take();
        self.status_before = earlier.status();
        let own = std::mem::replace(&mut self.record, earlier);
        let record = &mut self.record;
        match history {
            Some(history) => {
                for (verdict, count) in history.streaks {
                    record.tracker.replay(verdict, count, thresholds);
                }
            }
            // No earlier record was expected: the verdicts of this process take precedence.
            None if own.last_finish.is_some() => record.tracker = own.tracker,
            None => {}
        }
        record.account.merge(&own.account);
        record.failures = match own.last_success {
            Some(_) => own.failures,
            None => record.failures.saturating_add(own.failures),
        };
        if own.last_due.is_some() {
            (record.last_due, record.interval) = (own.last_due, own.interval);
            record.cron = own.cron;
        }
        if record.status() != self.status_before {
            record.changed = own.changed.or(own.last_finish);
        }
        record.last_finish = own.last_finish.or(record.last_finish);
        record.last_success = own.last_success.or(record.last_success);
        record.last = own.last.or(record.last.take());
    }

    fn check_status(&self, run: &Run) -> CheckStatus {
        let (record, status) = (&self.record, self.record.status());
        let transition = (status != self.status_before).then(|| Transition {
            from: self.status_before,
            to: status,
            at: record.changed.unwrap_or(SystemTime::UNIX_EPOCH),
            summary: run.outcome.summary(),
            consecutive: u32::try_from(record.failures).unwrap_or(u32::MAX),
        });
        CheckStatus {
            status,
            transition,
            consecutive_failures: record.failures,
            last_success: record.last_success,
        }
    }
}
