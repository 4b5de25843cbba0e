//! A notification that waits: in memory, and as a row on disk.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::age::Since;
use crate::alert::backoff::{LONGEST, LONGEST_ASKED};
use crate::alert::notification::{Notification, millis};
use crate::alert::notifier::Recipients;

/// Bytes of a notification in memory beyond those of its text: fields that are not text, one allocation for each that is,
/// and what is noted by its alert and its check. Without them, 16 MiB of notifications took 31 MiB.
const OVERHEAD: usize = 512;
/// The first wait after some of the receivers of a mail did not take it.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The same of a notification that fails while its receiver takes others.
const FIRST_PAUSE_AT_FAULT: Duration = Duration::from_secs(1);

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
    /// Whether some have it, so that it counts as delivered.
    pub(super) is_counted: bool,
    /// Of the one under way: those whom something reaches first that came before it.
    pub(in crate::alert) except: Arc<[String]>,
    /// How often it was tried for those, or failed while its receiver took others.
    pub(super) tries: u32,
    /// It is left alone until then, and holds up no other check.
    pub(super) not_before: Option<Instant>,
    /// How many the receiver had taken when this one failed for the moment, the last time.
    pub(super) failed: Option<u64>,
    /// Whether the receiver took others since it failed, and it failed again.
    pub(super) is_at_fault: bool,
    /// How many the receiver had taken when it refused this one for the first time.
    pub(super) refused: Option<u64>,
}

/// Bytes in memory of a notification with this text, and of what is noted of it.
fn weight(text: &str) -> usize {
    OVERHEAD + text.len()
}

/// Bytes in memory of a notification that is kept for longer than it waits.
pub(in crate::alert) fn weigh(notification: &Notification) -> usize {
    // Plain data with text keys is always JSON.
    weight(&serde_json::to_string(notification).unwrap_or_default())
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
            is_counted: false,
            except: Arc::default(),
            tries: 0,
            not_before: None,
            failed: None,
            is_at_fault: false,
            refused: None,
        }
    }

    /// Whether it is for some of the receivers only, since the others have it.
    pub(super) fn is_rest(&self) -> bool {
        !self.only.is_empty()
    }

    /// Who gets it next.
    pub(in crate::alert) fn recipients(&self) -> Recipients<'_> {
        Recipients {
            only: &self.only,
            except: &self.except,
        }
    }

    /// It failed for the moment, after the receiver had taken so many others. Where it took some since this one failed
    /// before, this one is left alone, for at least as long as the receiver asks.
    pub(super) fn fail(&mut self, taken: u64, asked: Option<Duration>) {
        let before = self.failed.replace(taken);
        if before.is_some_and(|before| taken > before) {
            let first = if self.is_rest() {
                FIRST_PAUSE
            } else {
                FIRST_PAUSE_AT_FAULT
            };
            let wait = pause(first, self.tries).max(asked.unwrap_or_default().min(LONGEST_ASKED));
            self.not_before = Some(Instant::now() + wait);
            self.tries = self.tries.saturating_add(1);
            self.is_at_fault = true;
        }
    }

    /// The others have it, and these get it after a while.
    pub(super) fn leave_for(&mut self, rest: &[String], text: &str) {
        self.only = rest.into();
        self.bytes = weight(text);
        self.is_first = false;
        self.not_before = Some(Instant::now() + pause(FIRST_PAUSE, self.tries));
        self.tries = self.tries.saturating_add(1);
        (self.failed, self.refused, self.is_at_fault) = (None, None, false);
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
    /// Whether it was counted as delivered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) counted: bool,
}

impl<'a> Kept<'a> {
    pub(super) fn of(entry: &'a Entry, notifier: &'a str) -> Self {
        Self {
            notifier,
            since: entry.since,
            notification: &entry.notification,
            only: &entry.only,
            counted: entry.is_counted,
        }
    }
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
    #[serde(default)]
    pub(super) counted: bool,
}

impl Read {
    pub(super) fn since(&self) -> Since {
        let at = self.at.unwrap_or(self.notification.at);
        self.since.unwrap_or_else(|| Since::at(at))
    }
}

/// Doubling waits: some servers tell every sender that is new to them to come again later.
fn pause(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST)
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
