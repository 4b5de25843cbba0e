//! A queued notification: in memory, and as a row on disk.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::notification::{Notification, millis};
use crate::notifier::Recipients;
use crate::retry_policy::{FAULTY_NOTIFICATION, UNREACHED_RECIPIENTS};
use canary_system::age::Since;
use canary_system::backoff::Policy;

/// Bytes of a notification in memory beyond its text: other fields, one allocation for each text, and the bookkeeping
/// of its alert and its check. Without them, 16 MiB of notifications took 31 MiB.
const OVERHEAD: usize = 512;

/// A queued notification.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Orders all notifications; the key on disk.
    pub(crate) number: u64,
    pub(crate) since: Since,
    pub(crate) notification: Arc<Notification>,
    pub(super) bytes: usize,
    /// When this process queued or restored it.
    pub(super) queued_at: Instant,
    /// Whether, as far as known, the receiver was not notified of this alert yet.
    pub(super) is_first: bool,
    /// The recipients still to be reached, if others have it; empty: all.
    pub(crate) only: Arc<[String]>,
    /// Whether it reached somebody and was counted as delivered.
    pub(super) is_counted: bool,
    /// Of the entry in flight: recipients that wait for an earlier notification.
    pub(crate) except: Arc<[String]>,
    /// Number of deferrals, which determines the next wait.
    pub(super) deferrals: u32,
    /// Deferred until then, without blocking other checks.
    pub(super) not_before: Option<Instant>,
    /// Number of notifications the receiver had accepted when this one last failed temporarily.
    pub(super) failed_at: Option<u64>,
    /// Whether it failed again after the receiver had accepted others.
    pub(super) is_faulty: bool,
    /// Number of notifications the receiver had accepted when it first refused this one.
    pub(super) refused_at: Option<u64>,
}

/// Bytes in memory of an entry with this text, bookkeeping included.
fn bytes_with_overhead(text: &str) -> usize {
    OVERHEAD + text.len()
}

/// Bytes in memory of a notification that is kept to be resent.
pub(crate) fn bytes_of(notification: &Notification) -> usize {
    // Plain data with text keys is always JSON.
    bytes_with_overhead(&serde_json::to_string(notification).unwrap_or_default())
}

impl Entry {
    /// `text` is its row on disk.
    pub(super) fn new(number: u64, since: Since, notification: Notification, text: &str) -> Self {
        Self {
            number,
            since,
            bytes: bytes_with_overhead(text),
            queued_at: Instant::now(),
            is_first: notification.number == 1,
            notification: Arc::new(notification),
            only: Arc::default(),
            is_counted: false,
            except: Arc::default(),
            deferrals: 0,
            not_before: None,
            failed_at: None,
            is_faulty: false,
            refused_at: None,
        }
    }

    /// Whether it is for some recipients only, since the others have it.
    pub(super) fn is_partial(&self) -> bool {
        !self.only.is_empty()
    }

    /// The recipients of the next attempt.
    pub(crate) fn recipients(&self) -> Recipients<'_> {
        Recipients {
            only: &self.only,
            except: &self.except,
        }
    }

    /// Records a temporary failure, when the receiver had accepted `accepted` notifications. If it accepted some since
    /// the last failure of this one, this one is deferred, at least for the `Retry-After`.
    pub(super) fn record_failure(&mut self, accepted: u64, retry_after: Option<Duration>) {
        let before = self.failed_at.replace(accepted);
        if before.is_some_and(|before| accepted > before) {
            let policy = if self.is_partial() {
                UNREACHED_RECIPIENTS
            } else {
                FAULTY_NOTIFICATION
            };
            self.defer(policy, retry_after);
            self.is_faulty = true;
        }
    }

    /// Defers it for these recipients; the others have it.
    pub(super) fn defer_for(&mut self, rest: &[String], text: &str) {
        self.only = rest.into();
        self.bytes = bytes_with_overhead(text);
        self.is_first = false;
        self.defer(UNREACHED_RECIPIENTS, None);
        (self.failed_at, self.refused_at, self.is_faulty) = (None, None, false);
    }

    /// Defers it for the next wait of the policy, and at least for the `Retry-After`.
    fn defer(&mut self, policy: Policy, retry_after: Option<Duration>) {
        self.deferrals = self.deferrals.saturating_add(1);
        let wait = policy.wait(self.deferrals);
        let requested = retry_after.map_or(wait, |requested| policy.limit_requested(requested));
        self.not_before = Some(Instant::now() + wait.max(requested));
    }
}

/// An entry as written to disk.
#[derive(Debug, Serialize)]
pub(super) struct StoredEntry<'a> {
    pub(super) notifier: &'a str,
    pub(super) since: Since,
    pub(super) notification: &'a Notification,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) only: &'a [String],
    /// Whether it was counted as delivered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) counted: bool,
}

impl<'a> StoredEntry<'a> {
    pub(super) fn new(entry: &'a Entry, notifier: &'a str) -> Self {
        Self {
            notifier,
            since: entry.since,
            notification: &entry.notification,
            only: &entry.only,
            counted: entry.is_counted,
        }
    }
}

impl StoredEntry<'_> {
    /// Plain data with text keys is always JSON.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An entry as read from disk.
#[derive(Debug, Deserialize)]
pub(super) struct LoadedEntry {
    pub(super) notifier: String,
    since: Option<Since>,
    /// Written by an older version in place of `since`.
    #[serde(default, with = "millis::optional")]
    at: Option<SystemTime>,
    pub(super) notification: Notification,
    #[serde(default)]
    pub(super) only: Vec<String>,
    #[serde(default)]
    pub(super) counted: bool,
}

impl LoadedEntry {
    pub(super) fn since(&self) -> Since {
        let at = self.at.unwrap_or(self.notification.at);
        self.since.unwrap_or_else(|| Since::at(at))
    }
}

/// Zero-padded, so that keys sort like their numbers.
pub(super) fn key(number: u64) -> String {
    format!("{number:020}")
}

/// Parses a key written by [`key`]. A number near the maximum is damage: later numbers must be possible.
pub(super) fn parse_key(name: &str) -> Option<u64> {
    let number = name.parse().ok().filter(|number| *number < u64::MAX / 2)?;
    (key(number) == name).then_some(number)
}
