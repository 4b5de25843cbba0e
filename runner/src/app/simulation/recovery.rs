//! Recovery after a fault: everything works again, and what was queued is delivered.

use std::time::Duration;

use canary_state::simulated::DiskMode;
use tokio::time::{Instant, sleep};

use super::collector::Behaviour;
use super::process::PINGS;
use super::secs;
use super::world::World;

/// How long issues may last after a fault: a shortage of descriptors is reported for a minute.
const RECOVERY: Duration = Duration::from_secs(150);
/// The same after receivers accepted nothing: the maximum backoff.
const BACKOFF: Duration = Duration::from_secs(6 * 60);
/// Number of pings to wait for between faults.
const PINGS_SEEN: u64 = 3;

impl World {
    /// Heals everything, and waits until health reports no issue.
    pub(super) async fn recover(&mut self) {
        self.note("all is well".to_owned());
        self.targets.heal();
        self.receivers.heal();
        let was_choking = self.collector.is_choking();
        self.collector.set(Behaviour::Takes);
        self.spool.heal();
        self.disk.set_mode(DiskMode::Healthy);
        if std::mem::take(&mut self.is_unread) {
            // The rows are there now, and what was counted before is added to them.
            sleep(secs(3)).await;
            self.expected.forget();
        }
        if self.allowed.contains_key("exports_failing") {
            // If the last export of metrics was refused, they have failed until the next one.
            self.run(self.plan.exports).await;
        }
        let is_refused = self.allowed.contains_key("notifier_failing");
        let mut limit = if is_refused || was_choking {
            BACKOFF
        } else {
            RECOVERY
        };
        if self.plan.leap.is_some() {
            limit += 3 * self.plan.all_ran() + self.plan.exports;
        }
        self.wait_for_recovery(limit).await;
        if self.plan.leap.is_some() {
            // The heartbeat depends on verdicts since then.
            self.run(self.plan.all_ran()).await;
        }
        self.renew();
        // A check may still wait for its next due time.
        for _ in 0..PINGS_SEEN * PINGS.as_secs() {
            sleep(secs(1)).await;
            self.observe();
        }
        // Runs of the fault may have ended only since, and others have waited for them.
        self.wait_for_recovery(RECOVERY).await;
        self.allowed.clear();
        self.assert_heartbeat(2 * PINGS);
        if self.targets.leaked() > 0 {
            self.fail(&format!(
                "{} descriptors are lent to no run",
                self.targets.leaked()
            ));
        }
    }

    /// Advances until everything has recovered, for at most `limit`.
    async fn wait_for_recovery(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        while !self.issue_codes().is_empty() || !self.is_delivered() || !self.is_exported() {
            if Instant::now() > until {
                self.fail(&self.unfinished());
            }
            self.run(self.plan.poll_interval).await;
        }
    }

    /// What has not recovered.
    fn unfinished(&self) -> String {
        let late = self.collector.late(Duration::ZERO);
        let waiting = self.process().alerts.now().notifiers;
        let waiting: Vec<_> = waiting.values().map(|notifier| notifier.waiting).collect();
        let exports = self
            .process()
            .metrics
            .delivery_status()
            .map(|exports| exports.report);
        format!(
            "health still says {:?}, {waiting:?} notifications wait, the spans of {late} runs have not arrived: {exports:?}",
            self.issue_codes()
        )
    }

    /// Once no alert is open, receivers and runner agree again.
    fn renew(&self) {
        let report = self.process().alerts.now();
        if report.notifiers.values().all(|notifier| notifier.firing == 0) {
            self.receivers.renew();
        }
    }

    fn is_delivered(&self) -> bool {
        let report = self.process().alerts.now();
        report.notifiers.values().all(|notifier| notifier.waiting == 0)
    }
}
