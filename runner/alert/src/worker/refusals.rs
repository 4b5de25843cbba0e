//! Refusals: is the notification to blame, which is then dropped so that others go ahead, or the configuration, such as
//! a rotated key, which must not cost any notification?
//!
//! Most services answer the same in both cases. So a refused notification is dropped only if the receiver has accepted
//! another one since; while it accepts none, one notification of each check is tried once.

use std::sync::Arc;

use tokio::time::Instant;

use super::{FailureScope, NotifierWorker};
use crate::delivery_result::{DeliveryResult, Failure};
use crate::notice::Notice;
use crate::notification::Notification;
use crate::queue::Selection;
use canary_outbound::alert_report::DropReason;

impl NotifierWorker {
    /// Which notification to try now; during a backoff only a probe that shows whether the receiver accepts anything
    /// else.
    pub(super) fn selection(&self, is_paused: bool) -> Option<Selection> {
        match (is_paused, self.is_probing) {
            (false, _) => Some(Selection::Fair),
            (true, true) => Some(Selection::Unsuspected),
            (true, false) => None,
        }
    }

    /// Drops a notification that the receiver refuses while it answers others.
    pub(super) fn give_up(
        &mut self,
        notification: &Notification,
        failure: &Failure,
        result: &DeliveryResult,
    ) {
        self.backoff.reset();
        self.failures = FailureScope::None;
        let mut queue = self.context.outbox.queue();
        let now = Instant::now();
        queue.update_report(&self.notifier.name, |report| match result {
            // Whether it would accept another one is unknown.
            DeliveryResult::Rejected(_) => report.record_failure(failure.code.clone(), &failure.message, now),
            _ => report.count_failure(failure.code.clone()),
        });
        drop(queue);
        if self.notices.record_loss(DropReason::Refused, now) {
            self.context.log(&Notice::Refused {
                notifier: Arc::clone(&self.notifier.name),
                id: notification.id(),
                message: failure.message.clone(),
            });
        }
    }
}
