//! The queue between the desk and the courier.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use super::queue::Queue;
use super::report::AlertReport;

/// What the desk and the courier share.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The publisher stages, a lane takes and concludes; each holds it for one change and never across an await.
    queue: Mutex<Queue>,
    /// One for each notifier.
    news: BTreeMap<Arc<str>, Notify>,
}

impl Outbox {
    pub(super) fn new(notifiers: Vec<(Arc<str>, &'static str)>) -> Self {
        let names = notifiers
            .iter()
            .map(|(name, _)| (Arc::clone(name), Notify::new()));
        Self {
            news: names.collect(),
            queue: Mutex::new(Queue::new(notifiers)),
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic in the middle leaves a count that is off by one notification at worst.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what is staged.
    pub(super) fn release(&self) {
        if self.queue().release() {
            self.news.values().for_each(Notify::notify_one);
        }
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
    pub fn at(&self, now: SystemTime) -> AlertReport {
        AlertReport {
            notifiers: self.0.queue().report(now),
        }
    }
}
