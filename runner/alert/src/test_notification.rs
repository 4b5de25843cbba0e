//! Test notifications: check whether a notifier works.

use std::time::SystemTime;

use url::Url;

use super::delivery_result::DeliveryResult;
use super::notification::{Event, Notification};
use super::notifier::Notifier;
use super::sample_notification::sample;
use canary_net::ledger::audit::InternalFds;
use canary_run::status::Status;

/// Result of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestNotification {
    /// Result of the firing notification.
    pub firing: DeliveryResult,
    /// Result of its resolution; absent if the first one did not arrive.
    pub resolved: Option<DeliveryResult>,
}

impl TestNotification {
    /// Whether both arrived.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.firing == DeliveryResult::Sent && self.resolved == Some(DeliveryResult::Sent)
    }
}

/// Sends a firing and a resolved notification, with one attempt each.
///
/// Cancellation: as for [`Notifier::send`]; the alert may stay unresolved at the receiver.
pub async fn send_test(
    notifier: &Notifier,
    link: Option<&Url>,
    internal_fds: &InternalFds,
    now: SystemTime,
) -> TestNotification {
    let mut notification = Notification {
        summary: "this is a test notification, no action is needed".to_owned(),
        ..sample(now)
    };
    let firing = notifier.send(&notification, link, internal_fds).await;
    if !matches!(firing, DeliveryResult::Sent | DeliveryResult::PartlySent(..)) {
        return TestNotification {
            firing,
            resolved: None,
        };
    }
    notification = Notification {
        number: 2,
        event: Event::Resolved,
        status: Status::Up,
        previous: Some(Status::Down),
        ..notification
    };
    let resolved = notifier.send(&notification, link, internal_fds).await;
    TestNotification {
        firing,
        resolved: Some(resolved),
    }
}
