//! Invariants that hold at every moment, whatever fails.

use std::time::Duration;

use tokio::time::Instant;

use super::world::World;
use super::{secs, targets};
use canary_outbound::alert_report::{DropReason, NotifierReport};
use canary_run::publish::{CheckRecord, Stage, StatusStore};
use canary_run::status::Status;
use canary_suite::{Check, CheckId};
use canary_system::clock;
use canary_telemetry::MetricsHandle;
use canary_watch::heartbeat::Ping;

/// Time within which spans arrive when nothing fails: they wait for a batch, and for a slow response.
const SENT: Duration = Duration::from_secs(5);

impl World {
    /// There was a success ping within this time.
    pub(super) fn assert_heartbeat(&self, within: Duration) {
        let pings = self.pings.lock().unwrap();
        let is_well = |(at, ping): &(Instant, Ping)| *ping == Ping::Success && at.elapsed() < within;
        if !pings.iter().any(is_well) {
            let last: Vec<_> = pings.iter().rev().take(3).collect();
            self.fail(&format!("no heartbeat while all is well: {last:?}"));
        }
    }

    /// There was none since.
    pub(super) fn assert_no_heartbeat(&self, since: Instant) {
        let pings = self.pings.lock().unwrap();
        if pings
            .iter()
            .any(|(at, ping)| *ping == Ping::Success && *at > since)
        {
            self.fail("a heartbeat while the runner is not well");
        }
    }

    pub(super) fn observe(&mut self) {
        if self.process().has_ended() {
            self.fail("a task of the service has ended");
        }
        let statuses = self.process().statuses.clone();
        let is_lag_over = Instant::now() > self.lag_allowed_until;
        if let Err(violation) = self.expected.check_against(&statuses, is_lag_over) {
            self.fail(&violation);
        }
        let violation = self.receivers.violation().or_else(|| self.targets.violation());
        if let Some(violation) = violation.or_else(|| self.collector.violation()) {
            self.fail(&violation);
        }
        let now = Instant::now();
        let is_allowed = |word: &&str| self.allowed.get(*word).is_some_and(|until| *until >= now);
        if let Some(word) = self.issue_codes().iter().find(|word| !is_allowed(word)) {
            let issues = self.process().health.check().issues;
            self.fail(&format!("health says `{word}`: {issues:?}"));
        }
        self.assert_bounds(&statuses);
    }

    fn assert_bounds(&self, statuses: &StatusStore) {
        let mut running = 0;
        statuses.for_each(|_, check_liveness| running += usize::from(check_liveness.stage == Stage::Running));
        let report = self.process().alerts.now();
        let waiting: u64 = report.notifiers.values().map(|notifier| notifier.waiting).sum();
        // Each alert has a reminder every three minutes.
        if running > targets::CONCURRENCY || waiting > 1_000 {
            self.fail(&format!("{running} runs go on, {waiting} notifications wait"));
        }
        let lost = [DropReason::Expired, DropReason::Full];
        let is_lossy =
            |notifier: &NotifierReport| lost.iter().any(|reason| notifier.dropped.contains_key(reason));
        if report.notifiers.values().any(is_lossy) {
            self.receivers.forgive();
        }
        self.assert_exports(&self.process().metrics);
    }

    /// Queues are bounded, and losses are counted.
    pub(super) fn assert_exports(&self, metrics: &MetricsHandle) {
        let Some(exports) = metrics.delivery_status() else {
            return;
        };
        let signals = || exports.report.signals.values();
        let (bytes, bound) = (
            signals().map(|signal| signal.spool_bytes).sum::<u64>(),
            self.spool.settings().max_bytes,
        );
        if bytes > bound {
            self.fail(&format!("{bytes} bytes are in a spool of {bound}"));
        }
        if signals().any(|signal| !signal.dropped.is_empty() || signal.dropped_items > 0) {
            self.collector.forgive();
        }
    }

    /// Whether the spans of all runs have arrived, except for the latest ones, and the runner knows it, which it
    /// updates at each export of metrics.
    pub(super) fn is_exported(&self) -> bool {
        let exports = self.process().metrics.delivery_status();
        let is_well = exports.is_some_and(|exports| {
            let mut signals = exports.report.signals.values();
            signals.all(|signal| signal.failing_for.is_none())
        });
        is_well && self.collector.late(SENT) == 0
    }

    /// A moment after a check goes down, each working receiver has been notified.
    pub(super) async fn assert_alerted(&mut self, name: &'static str) {
        self.assert_alerted_of_others(name, "", secs(3)).await;
    }

    /// The same for all checks but this one, after `wait`.
    pub(super) async fn assert_alerted_of_others(&mut self, name: &'static str, bad: &str, wait: Duration) {
        let down = self.down();
        self.run(wait).await;
        let is_meant = |id: &&CheckId| id.as_str() != bad && self.down().contains(id);
        let down = down.iter().filter(is_meant);
        let unknown: Vec<_> = down
            .filter(|id| !self.receivers.is_alerted(name, id.as_str()))
            .collect();
        if !unknown.is_empty() {
            self.fail(&format!("{unknown:?} are down, and `{name}` does not know"));
        }
    }

    fn down(&self) -> Vec<CheckId> {
        // The end of a window is noticed after a few seconds.
        let now = clock::wall();
        let moments = [now, now - secs(10), now - self.plan.poll_interval - secs(10)];
        let is_held = |check: &Check| {
            let mut windows = self.windows.iter();
            windows.any(|window| moments.iter().any(|at| window.covers(check, *at)))
        };
        let is_down = |check: &Check, record: &CheckRecord| {
            (record.status() == Status::Down && !is_held(check)).then(|| check.id.clone())
        };
        self.process().statuses.filter_map(is_down)
    }
}
