//! Resends firing alerts to receivers that expire them, such as Alertmanager.

use tokio::time::Instant;

use super::NotifierWorker;
use crate::delivery_result::DeliveryResult;
use crate::notification::{Event, Notification};

/// Firing alerts resent in one request.
const RESEND_BATCH: usize = 64;

impl NotifierWorker {
    pub(super) fn adopt_restored_firing(&mut self) {
        if self.resend.is_none() {
            return;
        }
        for sent in self.context.outbox.take_restored_firing(&self.notifier.name) {
            self.firing.put_earlier(sent);
        }
    }

    /// Tracks the firing alerts to resend.
    pub(super) fn track_firing(&mut self, notification: &Notification) {
        if self.resend.is_none() {
            return;
        }
        if notification.event == Event::Resolved {
            self.firing.remove(&notification.alert);
        } else {
            self.firing.put(Notification {
                previous: None,
                ..notification.clone()
            });
        }
    }

    pub(super) fn is_resend_due(&self, now: Instant) -> bool {
        !self.firing.is_empty() && self.resend.is_some_and(|(_, at)| at <= now)
    }

    /// Resends all firing alerts.
    pub(super) async fn resend_firing(&mut self) {
        let firing: Vec<&Notification> = self.firing.iter().collect();
        let mut result = DeliveryResult::Sent;
        for some in firing.chunks(RESEND_BATCH) {
            self.mark_sending();
            let (link, internal_fds) = (self.context.external_url.as_ref(), &self.context.internal_fds);
            result = self.notifier.resend_firing(some, link, internal_fds).await;
            match &result {
                DeliveryResult::Retry(..) | DeliveryResult::Blocked(_) => break,
                // The receiver accepted the other batches, and accepts what is sent next.
                DeliveryResult::Refused(failure) | DeliveryResult::Rejected(failure) => {
                    self.count_failure(failure)
                }
                DeliveryResult::Sent | DeliveryResult::PartlySent(..) => {}
            }
        }
        match &result {
            DeliveryResult::Sent => self.record_success(),
            DeliveryResult::Refused(_) | DeliveryResult::Rejected(_) => {}
            result => self.apply_result(result),
        }
        if let Some((interval, at)) = &mut self.resend {
            *at = Instant::now() + *interval;
        }
    }
}
