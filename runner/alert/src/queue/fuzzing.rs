//! For the fuzz targets: notifications left by an earlier process.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{MAX_BYTES, MAX_QUEUED, Queue};
use crate::notification::Notification;
use crate::notifier::{alertmanager, pagerduty, slack};
use canary_system::age::Clock;

/// Rows: keys and texts.
pub type Rows = Vec<(Arc<str>, String)>;

/// Result of restoring rows.
#[derive(Debug)]
pub struct Restored {
    /// Rows of the queue afterwards.
    pub waiting: Rows,
    /// Keys of rows that were discarded.
    pub useless: Vec<Arc<str>>,
    /// Keys of the notifications staged next.
    pub next: Vec<Arc<str>>,
    /// Request bodies for all queued notifications.
    pub bodies: Vec<String>,
}

/// Maximum number of queued notifications of one notifier.
pub const MOST: usize = MAX_QUEUED;
/// Maximum bytes of all queued notifications.
pub const MOST_BYTES: usize = MAX_BYTES;

/// Restores rows for these notifiers, and stages one more notification each.
#[must_use]
pub fn restore(notifiers: &[&str], rows: &[(Arc<str>, String)]) -> Restored {
    let notifiers = notifiers.iter().map(|name| (Arc::from(*name), "webhook"));
    let mut queue = Queue::new(notifiers.clone(), Clock::default());
    let useless = queue.restore(rows);
    let changes = queue.all_changes().into_iter();
    let waiting = changes
        .filter_map(|change| Some((change.key, change.value?)))
        .collect();
    let queues = queue.notifiers.values().flat_map(|queue| &queue.entries);
    let bodies = queues.flat_map(|entry| bodies(&entry.notification)).collect();
    let again = notifiers.filter_map(|(name, _)| {
        drop(queue.expire(&name, Duration::from_secs(1 << 30)));
        let released = queue
            .notifiers
            .get(&name)?
            .entries
            .back()?
            .notification
            .as_ref()
            .clone();
        Some(queue.stage(&name, released))
    });
    let next = again.collect::<Vec<_>>().concat();
    drop(queue.report());
    Restored {
        waiting,
        useless: useless.into_iter().map(|change| change.key).collect(),
        bodies,
        next: next
            .into_iter()
            .filter(|change| change.value.is_some())
            .map(|change| change.key)
            .collect(),
    }
}

fn bodies(notification: &Notification) -> [String; 3] {
    [
        alertmanager::body([notification], None, SystemTime::UNIX_EPOCH),
        pagerduty::body("key", notification, None),
        slack::body(notification, None),
    ]
    .map(|body| body.text)
}
