//! A notification that waits: in memory, and as a row on disk.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::age::Since;
use crate::alert::backoff::LONGEST;
use crate::alert::notification::{Notification, millis};

/// Bytes of a notification in memory beyond those of its text: fields that are not text, one allocation for each that is,
/// and what is noted by its alert and its check. Without them, 16 MiB of notifications took 31 MiB.
const OVERHEAD: usize = 512;
/// The first wait after some of the receivers did not take it.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// A notification that waits for its notifier.
#[derive(Debug, Clone)]
pub(in crate::alert) struct Entry {
    /// Orders all notifications; its key on disk.
    pub(in crate::alert) number: u64,
    pub(in crate::alert) since: Since,
    pub(in crate::alert) notification: Arc<Notification>,
    pub(super) bytes: usize,
    /// Since when this process has it.
    pub(super) taken: Instant,
    /// Whether the receiver knows nothing of the alert yet, as far as can be told.
    pub(super) is_first: bool,
    /// Whom it is still for, where others have it; empty: everybody.
    pub(in crate::alert) only: Arc<[String]>,
    /// How often it was tried for those.
    pub(super) tries: u32,
    /// It is left alone until then, and holds up no other.
    pub(super) not_before: Option<Instant>,
    /// How many the receiver had taken when it refused this one for the first time.
    pub(super) refused: Option<u64>,
}

/// Bytes in memory of a notification with this text, and of what is noted of it.
pub(super) fn weight(text: &str) -> usize {
    OVERHEAD + text.len()
}

impl Entry {
    /// `text` is how it is on disk.
    pub(super) fn new(number: u64, since: Since, notification: Notification, text: &str) -> Self {
        Self {
            number,
            since,
            bytes: weight(text),
            taken: Instant::now(),
            is_first: notification.number == 1,
            notification: Arc::new(notification),
            only: Arc::default(),
            tries: 0,
            not_before: None,
            refused: None,
        }
    }
}

/// An entry on disk.
#[derive(Debug, Serialize)]
pub(super) struct Kept<'a> {
    pub(super) notifier: &'a str,
    pub(super) since: Since,
    pub(super) notification: &'a Notification,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) only: &'a [String],
}

impl Kept<'_> {
    /// Plain data with text keys is always JSON.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The same, read.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    pub(super) notifier: String,
    since: Option<Since>,
    /// In place of that in what an older version left.
    #[serde(default, with = "millis::optional")]
    at: Option<SystemTime>,
    pub(super) notification: Notification,
    #[serde(default)]
    pub(super) only: Vec<String>,
}

impl Read {
    pub(super) fn since(&self) -> Since {
        let at = self.at.unwrap_or(self.notification.at);
        self.since.unwrap_or_else(|| Since::at(at))
    }
}

/// How long receivers are left alone that could not take a mail for now: some do so to every sender that is new to them.
pub(super) fn pause(tries: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries));
    doubled.min(LONGEST)
}

/// Keys sort as their numbers do.
pub(super) fn key(number: u64) -> String {
    format!("{number:020}")
}

/// The number of a key that this program wrote. One near the end of numbers is damage: others have to come after it.
pub(super) fn number(name: &str) -> Option<u64> {
    let number = name.parse().ok().filter(|number| *number < u64::MAX / 2)?;
    (key(number) == name).then_some(number)
}
