//! What became of every ping, as plain numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The state of the heartbeat at one moment; counts are of attempts, since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeartbeatReport {
    /// Pings of every kind that arrived.
    pub sent: u64,
    /// Attempts that failed, by a word of a bounded set such as `timeout`, `connect`, `http_503`.
    pub failed: BTreeMap<Cow<'static, str>, u64>,
    /// When a ping of success last arrived.
    pub last_success: Option<SystemTime>,
    /// Why the last attempt failed; absent when it did not. Has nothing of the URL but its host.
    pub last_error: Option<String>,
}

/// A handle to the report: the heartbeat writes it, health and metrics read it.
#[derive(Debug, Clone, Default)]
pub struct Record(
    // Each holds it for a moment.
    Arc<Mutex<HeartbeatReport>>,
);

impl Record {
    /// How the heartbeat goes.
    #[must_use]
    pub fn report(&self) -> HeartbeatReport {
        self.open().clone()
    }

    /// Attempts by result: `success`, or the word of a failure. For metrics.
    #[must_use]
    pub fn pings(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let report = self.open();
        let mut pings = report.failed.clone();
        pings.insert(Cow::Borrowed("success"), report.sent);
        pings
    }

    pub(super) fn arrived(&self, success_at: Option<SystemTime>) {
        let mut report = self.open();
        report.sent += 1;
        report.last_success = success_at.or(report.last_success);
        report.last_error = None;
    }

    pub(super) fn failed(&self, word: Cow<'static, str>, message: String) {
        let mut report = self.open();
        *report.failed.entry(word).or_default() += 1;
        report.last_error = Some(message);
    }

    fn open(&self) -> MutexGuard<'_, HeartbeatReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
