//! Temporary failures: is the receiver to blame, or one notification at which it fails each time (a character that it
//! cannot handle, a request that a gateway times out)?
//!
//! Most receivers answer the same in both cases. So when the notification of one check fails, that of another check is
//! tried at once; the receiver backs off only when that fails too, or when nothing else is queued. The cost is one
//! extra request for each outage. A notification that fails again while others are accepted gets a backoff of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::NotifierWorker;
use crate::delivery_result::{DeliveryResult, Failure};
use crate::notice::Notice;
use crate::notification::Notification;
use crate::queue::{Entry, FailureSource, Selection};

/// Scope of the temporary failures since the receiver last accepted something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FailureScope {
    None,
    /// Only notifications known to be faulty.
    KnownFaulty,
    /// Notifications of one check.
    OneCheck(String),
    Several,
}

impl FailureScope {
    /// Whether the receiver may accept notifications of other checks.
    fn is_single(&self) -> bool {
        matches!(self, Self::KnownFaulty | Self::OneCheck(_))
    }

    /// The scope after one more failure.
    fn and(self, check: &str, cause: FailureSource) -> Self {
        match (self, cause) {
            (Self::Several, _) => Self::Several,
            (Self::OneCheck(other), _) if other != check => Self::Several,
            (Self::OneCheck(_), _) | (_, FailureSource::Receiver) => Self::OneCheck(check.to_owned()),
            (_, FailureSource::Notification { .. }) => Self::KnownFaulty,
        }
    }
}

impl NotifierWorker {
    /// Whether notifications other than the failed ones may be sent during a backoff.
    pub(super) fn probes_others(&self) -> bool {
        self.is_probing && self.failures.is_single()
    }

    /// Handles a temporary failure; the receiver may have sent a `Retry-After`.
    pub(super) fn retry_later(
        &mut self,
        notification: &Notification,
        (failure, retry_after): (&Failure, Option<Duration>),
        cause: FailureSource,
    ) {
        let retry_after = retry_after.filter(|_| cause == FailureSource::Receiver);
        let before = std::mem::replace(&mut self.failures, FailureScope::None);
        let is_first = cause == FailureSource::Receiver && before == FailureScope::KnownFaulty;
        self.failures = before.and(&notification.check.id, cause);
        if is_first {
            // The failures of faulty notifications say nothing about the receiver.
            self.backoff.reset();
        }
        self.backoff.record_failure(retry_after, Instant::now());
        self.is_probing = retry_after.is_none() && self.failures.is_single();
        match cause {
            FailureSource::Receiver if !(self.is_probing && self.has_others()) => {
                self.record_failure(failure, failing)
            }
            _ => self.count_unattributed(failure),
        }
        if cause == (FailureSource::Notification { is_first: true }) {
            self.context.log(&Notice::FaultyNotification {
                notifier: Arc::clone(&self.notifier.name),
                id: notification.id(),
                message: failure.message.clone(),
            });
        }
    }

    /// Counts a failure that says nothing about the receiver.
    fn count_unattributed(&self, failure: &Failure) {
        let mut queue = self.context.outbox.queue();
        queue.update_report(&self.notifier.name, |report| {
            report.count_failure(failure.code.clone())
        });
    }

    fn has_others(&self) -> bool {
        let queue = self.context.outbox.queue();
        queue.has_next(&self.notifier.name, Selection::Unsuspected)
    }
}

/// The notice that a receiver fails temporarily.
pub(super) fn failing(notifier: Arc<str>, message: String, waiting: usize) -> Notice {
    Notice::Failing {
        notifier,
        message,
        waiting,
    }
}

/// The recipients of a mail that still have to get it.
pub(super) fn recipients_left(entry: &Entry, result: &DeliveryResult) -> Vec<String> {
    let mut rest = entry.except.to_vec();
    if let DeliveryResult::PartlySent(_, unreached) = result {
        let temporary = unreached.iter().filter(|one| one.is_temporary);
        rest.extend(temporary.map(|one| one.recipient.clone()));
    }
    rest
}
