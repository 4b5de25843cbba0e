//! For the fuzz targets: notifications that an earlier process left.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{MAX_BYTES, MAX_WAITING, Queue};
use crate::age::Clock;
use crate::alert::notification::Notification;
use crate::alert::{alertmanager, pagerduty, slack};

/// Rows: keys and texts.
pub type Rows = Vec<(Arc<str>, String)>;

/// What became of rows.
#[derive(Debug)]
pub struct Restored {
    /// What waits now, as it belongs on disk.
    pub waiting: Rows,
    /// Keys of what is of no use any more.
    pub useless: Vec<Arc<str>>,
    /// Those of the next notification.
    pub next: Vec<Arc<str>>,
    /// What receivers would get of all that waits.
    pub bodies: Vec<String>,
}

/// The most that may wait for one notifier.
pub const MOST: usize = MAX_WAITING;
/// The most that may wait, in bytes.
pub const MOST_BYTES: usize = MAX_BYTES;

/// Takes back rows for these notifiers, and one notification more.
#[must_use]
pub fn restore(notifiers: &[&str], rows: &[(Arc<str>, String)]) -> Restored {
    let notifiers = notifiers.iter().map(|name| (Arc::from(*name), "webhook"));
    let mut queue = Queue::new(notifiers.clone(), Clock::default());
    let useless = queue.restore(rows);
    let kept = queue.all().into_iter();
    let waiting = kept
        .filter_map(|change| Some((change.key, change.value?)))
        .collect();
    let rows = queue.rows.values().flat_map(|row| &row.waiting);
    let bodies = rows.flat_map(|entry| bodies(&entry.notification)).collect();
    let again = notifiers.filter_map(|(name, _)| {
        drop(queue.expire(&name, Duration::from_secs(1 << 30)));
        let released = queue
            .rows
            .get(&name)?
            .waiting
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
