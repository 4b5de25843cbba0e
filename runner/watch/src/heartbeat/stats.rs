//! Statistics of pings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A report of the heartbeat; attempts are counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeartbeatReport {
    /// Pings of every kind that were delivered.
    pub sent: u64,
    /// Failed attempts by reason, from a bounded set such as `timeout`, `connect`, `http_503`.
    pub failed: BTreeMap<Cow<'static, str>, u64>,
    /// When a success ping was last delivered.
    pub last_success: Option<SystemTime>,
    /// Why the last attempt failed; `None` if it succeeded. Contains no part of the URL but its host.
    pub last_error: Option<String>,
}

/// A shared handle of the report: written by the heartbeat, read by health and metrics.
#[derive(Debug, Clone, Default)]
pub struct PingStats(
    // Locked for a moment only.
    Arc<Mutex<HeartbeatReport>>,
);

impl PingStats {
    /// The current report.
    #[must_use]
    pub fn report(&self) -> HeartbeatReport {
        self.lock().clone()
    }

    /// Attempts by result: `success`, or the reason of the failure. For metrics.
    #[must_use]
    pub fn pings(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let report = self.lock();
        let mut pings = report.failed.clone();
        pings.insert(Cow::Borrowed("success"), report.sent);
        pings
    }

    pub(super) fn delivered(&self, success_at: Option<SystemTime>) {
        let mut report = self.lock();
        report.sent += 1;
        report.last_success = success_at.or(report.last_success);
        report.last_error = None;
    }

    pub(super) fn failed(&self, reason: Cow<'static, str>, message: String) {
        let mut report = self.lock();
        *report.failed.entry(reason).or_default() += 1;
        report.last_error = Some(message);
    }

    fn lock(&self) -> MutexGuard<'_, HeartbeatReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
