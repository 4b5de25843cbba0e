//! Whose fault it is that the receiver takes nothing for the moment: its own, or that of one notification, at which it
//! fails each time (a character that it cannot take, a request that a gateway gives up).
//!
//! Most receivers say the same in both cases. So where one check's notification fails, another check's is tried at once; the
//! receiver is left alone when that fails as well, or when nothing else waits. One more request for each time that it goes
//! away is what that costs. A notification that fails again while others are taken has pauses of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Lane;
use crate::alert::answer::{Answer, Failure};
use crate::alert::notice::Notice;
use crate::alert::notification::Notification;
use crate::alert::queue::{Entry, Fault, Turn};

/// What has failed since the receiver took something last, and was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failures {
    None,
    /// Only what is known to be at fault.
    OfThoseAtFault,
    /// What one check has to tell.
    OfCheck(String),
    OfSeveral,
}

impl Failures {
    /// Whether the receiver may take what other checks have to tell.
    fn are_of_one(&self) -> bool {
        matches!(self, Self::OfThoseAtFault | Self::OfCheck(_))
    }

    /// After one more.
    fn and(self, check: &str, fault: Fault) -> Self {
        match (self, fault) {
            (Self::OfSeveral, _) => Self::OfSeveral,
            (Self::OfCheck(other), _) if other != check => Self::OfSeveral,
            (Self::OfCheck(_), _) | (_, Fault::Receiver) => Self::OfCheck(check.to_owned()),
            (_, Fault::Notification { .. }) => Self::OfThoseAtFault,
        }
    }
}

impl Lane {
    /// The receiver is left alone, and still others than what failed may be sent to it.
    pub(super) fn takes_others(&self) -> bool {
        self.is_doubted && self.failures.are_of_one()
    }

    /// The receiver does not take this one for the moment, and may have asked for a wait.
    pub(super) fn postpone(
        &mut self,
        notification: &Notification,
        (failure, asked): (&Failure, Option<Duration>),
        fault: Fault,
    ) {
        let asked = asked.filter(|_| fault == Fault::Receiver);
        let before = std::mem::replace(&mut self.failures, Failures::None);
        let is_first = fault == Fault::Receiver && before == Failures::OfThoseAtFault;
        self.failures = before.and(&notification.check.id, fault);
        if is_first {
            // How often the others have failed says nothing of the receiver.
            self.backoff.reset();
        }
        self.backoff.failed(asked, Instant::now());
        self.is_doubted = asked.is_none() && self.failures.are_of_one();
        match fault {
            Fault::Receiver if !(self.is_doubted && self.has_others()) => self.fail(failure, failing),
            _ => self.count_alone(failure),
        }
        if fault == (Fault::Notification { is_first: true }) {
            self.shared.say(&Notice::AtFault {
                notifier: Arc::clone(&self.notifier.name),
                id: notification.id(),
                message: failure.message.clone(),
            });
        }
    }

    /// It says nothing of the receiver.
    fn count_alone(&self, failure: &Failure) {
        let mut queue = self.shared.outbox.queue();
        queue.note(&self.notifier.name, |report| report.count(failure));
    }

    fn has_others(&self) -> bool {
        let queue = self.shared.outbox.queue();
        queue.has_next(&self.notifier.name, Turn::Unsuspected)
    }
}

/// That a receiver takes nothing for the moment.
pub(super) fn failing(notifier: Arc<str>, message: String, waiting: usize) -> Notice {
    Notice::Failing {
        notifier,
        message,
        waiting,
    }
}

/// Those of a mail who have yet to get what the others have.
pub(super) fn rest(entry: &Entry, answer: &Answer) -> Vec<String> {
    let mut rest = entry.except.to_vec();
    if let Answer::Partly(_, unreached) = answer {
        let for_now = unreached.iter().filter(|one| one.is_for_now);
        rest.extend(for_now.map(|one| one.receiver.clone()));
    }
    rest
}
