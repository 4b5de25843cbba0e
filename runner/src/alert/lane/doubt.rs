//! Whose fault a refusal is: that of the notification, which is given up then so that the others have their turn, or of
//! what the operator set up, such as a key that was rotated, which must not cost any.
//!
//! Most services say the same of both. So nothing that was refused is given up before the receiver has taken another one
//! since; and while it takes none, each check has a notification tried once.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Failures, Lane};
use crate::alert::answer::{Answer, Failure};
use crate::alert::notice::Notice;
use crate::alert::notification::Notification;
use crate::alert::queue::Turn;
use crate::alert::report::DropReason;

impl Lane {
    /// Which notification is to be tried now; none while the receiver is left alone, but for what may tell whether it
    /// takes others than the one that it refused.
    pub(super) fn turn(&self, is_paused: bool) -> Option<Turn> {
        match (is_paused, self.is_doubted) {
            (false, _) => Some(Turn::Fair),
            (true, true) => Some(Turn::Unsuspected),
            (true, false) => None,
        }
    }

    /// The receiver does not take this one, though it answers, and may take the next.
    pub(super) fn give_up(&mut self, notification: &Notification, failure: &Failure, answer: &Answer) {
        self.backoff.reset();
        self.failures = Failures::None;
        let mut queue = self.shared.outbox.queue();
        let now = Instant::now();
        queue.note(&self.notifier.name, |report| match answer {
            // Whether it would take another one is not known.
            Answer::Rejected(_) => report.fail(failure, now),
            _ => report.count(failure),
        });
        drop(queue);
        if self.told.insert(DropReason::Refused) {
            self.shared.say(&Notice::Refused {
                notifier: Arc::clone(&self.notifier.name),
                id: notification.id(),
                message: failure.message.clone(),
            });
        }
    }
}
