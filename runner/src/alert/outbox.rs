//! The queue between the desk and the courier.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::notification::Notification;
use super::queue::{Entry, Queue, Turn};
use super::report::AlertReport;
use crate::age::Clock;
use crate::state::Written;

/// What the desk and the courier share.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The publisher stages, a lane takes and concludes; each holds it for one change and never across an await.
    queue: Mutex<Queue>,
    /// One for each notifier.
    news: BTreeMap<Arc<str>, Notify>,
    /// What fires by rows that were read late, for receivers that want to hear it again and again.
    standing: Mutex<BTreeMap<Arc<str>, Vec<Notification>>>,
}

impl Outbox {
    pub(super) fn new(notifiers: Vec<(Arc<str>, &'static str)>) -> Self {
        let names = notifiers
            .iter()
            .map(|(name, _)| (Arc::clone(name), Notify::new()));
        Self {
            news: names.collect(),
            queue: Mutex::new(Queue::new(notifiers, Clock::default())),
            standing: Mutex::default(),
        }
    }

    pub(super) fn add_standing(&self, notifier: &Arc<str>, standing: Vec<Notification>) {
        let mut all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(Arc::clone(notifier), standing);
    }

    /// What fires for a notifier by rows that were read late, once.
    pub(super) fn take_standing(&self, notifier: &str) -> Vec<Notification> {
        let mut all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(notifier).unwrap_or_default()
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic in the middle leaves a count that is off by one notification at worst.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what is staged, once it is `written`.
    pub(super) fn release(&self, written: &Written) {
        if self.queue().release(written) {
            self.news.values().for_each(Notify::notify_one);
        }
    }

    /// The next one for a notifier, when a kill does not lose any more what brought it about: whoever hears that an
    /// alert begins must hear of its end. A disk that hangs holds it up for a moment and no longer.
    ///
    /// Cancellation: it is still the next one.
    pub(super) async fn next(&self, notifier: &str, turn: Turn) -> Option<Entry> {
        let (entry, written) = {
            let mut queue = self.queue();
            let entry = queue.next(notifier, turn)?;
            let written = queue.written(&entry);
            (entry, written)
        };
        if let Some((written, released)) = written {
            let _is_on_disk = written.wait().await;
            self.queue().settle(released);
        }
        Some(entry)
    }

    /// Ends when there may be something new for a notifier.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn news_of(&self, notifier: &str) {
        match self.news.get(notifier) {
            Some(news) => news.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// How notifications fare, for whoever wants to know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reports(pub(super) Arc<Outbox>);

impl Reports {
    /// The state at this moment.
    #[must_use]
    pub fn now(&self) -> AlertReport {
        self.0.queue().report_all()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use futures_util::FutureExt as _;
    use tokio::time::Instant;

    use super::*;
    use crate::alert::trial::sample;

    /// An outbox with two notifications for `ops`.
    fn outbox() -> Outbox {
        let outbox = Outbox::new(vec![("ops".into(), "slack")]);
        for _ in 0..2 {
            outbox.queue().stage("ops", sample(SystemTime::now()));
        }
        outbox
    }

    #[test]
    fn what_fires_by_rows_that_came_late_is_taken_over_once() {
        let outbox = outbox();
        let firing = sample(SystemTime::now());
        outbox.add_standing(&"ops".into(), vec![firing.clone()]);
        assert_eq!(outbox.take_standing("other"), []);
        assert_eq!(outbox.take_standing("ops"), [firing]);
        assert_eq!(outbox.take_standing("ops"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delivered_before_what_brought_it_about_is_on_disk() {
        let outbox = outbox();
        let (commit, written) = Written::pending();
        outbox.release(&written);
        assert!(outbox.next("ops", Turn::Fair).now_or_never().is_none());
        commit();
        assert!(outbox.next("ops", Turn::Fair).now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_commit_that_brings_nothing_new_is_not_waited_for() {
        let outbox = outbox();
        let (commit, written) = Written::pending();
        outbox.release(&written);
        commit();
        let (_later, pending) = Written::pending();
        outbox.release(&pending);
        assert!(outbox.next("ops", Turn::Fair).now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_notifications_up_once_and_for_a_moment() {
        let outbox = outbox();
        let (_commit, written) = Written::pending();
        outbox.release(&written);
        let began = Instant::now();
        assert!(outbox.next("ops", Turn::Fair).await.is_some());
        let waited = began.elapsed();
        assert!((1..1_000).contains(&waited.as_millis()), "{waited:?}");
        outbox.queue().conclude("ops", None);
        assert!(outbox.next("ops", Turn::Fair).now_or_never().flatten().is_some());
    }
}
