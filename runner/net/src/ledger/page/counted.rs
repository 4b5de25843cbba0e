//! What is counted one by one against a quota: lookups, log lines, measurements.

use super::{Page, count};
use crate::ledger::Denial;
use canary_record::quota::{QuotaKind, QuotaUsage};
use canary_record::{MAX_TEXT, Section};
use canary_run::outcome::{LogLevel, LogLine};

/// Record budget used by a log line in addition to its texts, in bytes.
const LOG_LINE_BYTES: u64 = size_of::<LogLine>() as u64;

impl Page {
    /// Counts a DNS query against the quota `lookups`.
    ///
    /// # Errors
    /// The quota is exhausted.
    pub(crate) fn count_lookup(&self) -> Result<(), Denial> {
        self.count_one(QuotaKind::Lookups, |used| &mut used.lookups)
    }

    /// Counts a measurement of the verdict against the quota `measurements`.
    ///
    /// # Errors
    /// The quota is exhausted.
    pub fn count_measurement(&self) -> Result<(), Denial> {
        self.count_one(QuotaKind::Measurements, |used| &mut used.measurements)
    }

    fn count_one(&self, kind: QuotaKind, used: fn(&mut QuotaUsage) -> &mut u64) -> Result<(), Denial> {
        let mut state = self.state();
        let used = used(&mut state.usage.used);
        if *used >= self.quota.limit(kind) {
            return Err(self.deny(&mut state, kind));
        }
        *used += 1;
        Ok(())
    }

    /// Records a line of the guest's log, at most 4 KiB including its fields. Beyond the quota `log_lines`, or when the
    /// run's record is full, the line is dropped and counted.
    pub fn log(&self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        let at = self.opened_at.elapsed();
        let counted = self.count_one(QuotaKind::LogLines, |used| &mut used.log_lines);
        if counted.is_err() {
            return;
        }
        if !self.recorder.admit(Section::Log, LOG_LINE_BYTES) {
            let fields: usize = fields.iter().map(|(key, value)| key.len() + value.len()).sum();
            self.recorder.record_omitted(count(message.len() + fields));
            return;
        }
        // Outside the lock, because redacting secrets takes time.
        let mut entry = self.recorder.entry(Section::Log, MAX_TEXT);
        let line = LogLine {
            level,
            message: entry.text(message),
            fields: entry.pairs(fields),
            at,
        };
        self.state().log.push(line);
    }
}
