//! Outbox: the queue shared by the router and the dispatcher.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::notification::Notification;
use super::queue::{Entry, Queue, Selection};
use canary_outbound::alert_report::AlertReports;
use canary_state::PendingCommit;
use canary_system::age::Clock;

/// What the router and the dispatcher share.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The publisher stages and a worker takes and finishes entries; each holds the lock for one change, never across
    /// an await.
    queue: Mutex<Queue>,
    /// Wakes the worker of a notifier.
    wakeups: BTreeMap<Arc<str>, Notify>,
    /// Firing alerts from rows that were read late, for receivers that expect them to be resent.
    restored_firing: Mutex<BTreeMap<Arc<str>, Vec<Notification>>>,
}

impl Outbox {
    pub(super) fn new(notifiers: Vec<(Arc<str>, &'static str)>) -> Self {
        let names = notifiers
            .iter()
            .map(|(name, _)| (Arc::clone(name), Notify::new()));
        Self {
            wakeups: names.collect(),
            queue: Mutex::new(Queue::new(notifiers, Clock::default())),
            restored_firing: Mutex::default(),
        }
    }

    pub(super) fn add_restored_firing(&self, notifier: &Arc<str>, firing: Vec<Notification>) {
        let mut all = self
            .restored_firing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(Arc::clone(notifier), firing);
    }

    /// Takes the firing alerts of a notifier that were read late; empty the second time.
    pub(super) fn take_restored_firing(&self, notifier: &str) -> Vec<Notification> {
        let mut all = self
            .restored_firing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(notifier).unwrap_or_default()
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while the lock was held leaves a count that is off by one notification at worst.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the staged notifications and wakes the workers; they are sent once `commit` is durable.
    pub(super) fn release(&self, commit: &PendingCommit) {
        if self.queue().release(commit) {
            self.wakeups.values().for_each(Notify::notify_one);
        }
    }

    /// The next entry of a notifier, returned once its cause is durable, so that a kill does not lose the alert: a
    /// receiver that gets the beginning of an alert must get its end. A hanging disk delays this briefly, but does not
    /// prevent it.
    ///
    /// Cancellation: the same entry is returned next time.
    pub(super) async fn next(&self, notifier: &str, selection: Selection) -> Option<Entry> {
        let (entry, commit) = {
            let mut queue = self.queue();
            let entry = queue.next(notifier, selection)?;
            let commit = queue.pending_commit(&entry);
            (entry, commit)
        };
        if let Some((commit, released)) = commit {
            let _is_on_disk = commit.wait().await;
            self.queue().mark_committed(released);
        }
        Some(entry)
    }

    /// Completes when there may be new entries for a notifier.
    ///
    /// Cancellation: no wake-up is lost.
    pub(super) async fn wait_for_new(&self, notifier: &str) {
        match self.wakeups.get(notifier) {
            Some(wakeups) => wakeups.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// A handle that reads the statistics of the notifiers of `outbox`.
pub(super) fn reports(outbox: &Arc<Outbox>) -> AlertReports {
    let outbox = Arc::clone(outbox);
    AlertReports::new(move || outbox.queue().report_all())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use futures_util::FutureExt as _;
    use tokio::time::Instant;

    use super::*;
    use crate::sample_notification::sample;

    /// An outbox with two notifications for `ops`.
    fn outbox() -> Outbox {
        let outbox = Outbox::new(vec![("ops".into(), "slack")]);
        for _ in 0..2 {
            outbox.queue().stage("ops", sample(SystemTime::now()));
        }
        outbox
    }

    #[test]
    fn firing_alerts_of_late_rows_are_taken_over_once() {
        let outbox = outbox();
        let firing = sample(SystemTime::now());
        outbox.add_restored_firing(&"ops".into(), vec![firing.clone()]);
        assert_eq!(outbox.take_restored_firing("other"), []);
        assert_eq!(outbox.take_restored_firing("ops"), [firing]);
        assert_eq!(outbox.take_restored_firing("ops"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delivered_before_its_cause_is_on_disk() {
        let outbox = outbox();
        let (complete, commit) = PendingCommit::pending();
        outbox.release(&commit);
        assert!(outbox.next("ops", Selection::Fair).now_or_never().is_none());
        complete();
        assert!(
            outbox
                .next("ops", Selection::Fair)
                .now_or_never()
                .flatten()
                .is_some()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_commit_that_brings_nothing_new_is_not_waited_for() {
        let outbox = outbox();
        let (complete, commit) = PendingCommit::pending();
        outbox.release(&commit);
        complete();
        let (_later, pending) = PendingCommit::pending();
        outbox.release(&pending);
        assert!(
            outbox
                .next("ops", Selection::Fair)
                .now_or_never()
                .flatten()
                .is_some()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_notifications_up_once_and_for_a_moment() {
        let outbox = outbox();
        let (_complete, commit) = PendingCommit::pending();
        outbox.release(&commit);
        let began = Instant::now();
        assert!(outbox.next("ops", Selection::Fair).await.is_some());
        let waited = began.elapsed();
        assert!((1..1_000).contains(&waited.as_millis()), "{waited:?}");
        outbox.queue().finish("ops", None);
        assert!(
            outbox
                .next("ops", Selection::Fair)
                .now_or_never()
                .flatten()
                .is_some()
        );
    }
}
