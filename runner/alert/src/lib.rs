//! Alerting: decides which notifiers are notified of an unhealthy check and delivers the notifications at least once.
//!
//! ```text
//! transition -> AlertRouter (rules) -> Queue (also on disk) -> NotificationDispatcher (own thread) -> NotifierWorker
//! ```
//!
//! The publisher of a run persists the router's changes in the same transaction as the run, and does the same with what
//! [`AlertRouter::tick`] and [`AlertRouter::apply_suite`] return:
//!
//! ```text
//! let changes = router.observe(&run, &check_status, now);   // persisted together with the new status:
//! let commit = state.put(changes);                          // one transaction
//! router.dispatch(&commit);                                 // sent once the transaction is committed
//! ```
//!
//! The router belongs to the publisher and never blocks. A slow receiver delays only its own `worker`. A notification
//! is on disk before it is sent and is deleted afterwards, so it arrives at least once; receivers deduplicate by the
//! key of the alert. Nothing here knows how runs come about.

mod check_alerts;
mod delivery_result;
mod dispatcher;
mod http_sender;
mod notice;
mod notification;
mod notifier;
mod notify;
mod outbox;
mod queue;
mod retry_policy;
mod router;
mod sample_notification;
pub mod settings;
#[cfg(any(test, feature = "test-util"))]
pub mod simulated;
#[cfg(feature = "mail")]
mod smtp;
mod suite_index;
mod test_notification;
#[cfg(test)]
pub(crate) mod tests;
mod worker;

use std::io;
use std::sync::Arc;

pub use delivery_result::{DeliveryResult, Failure, UnreachedRecipient};
pub use dispatcher::{NotificationDispatcher, StartSignal};
pub use notification::{CheckFacts, Event, Notification};
pub use notifier::Notifier;
#[cfg(feature = "fuzzing")]
pub use queue::fuzzing as queue_fuzzing;
pub use router::AlertRouter;
pub use settings::Settings;
#[cfg(feature = "fuzzing")]
pub use smtp::fuzzing as smtp_fuzzing;
pub use suite_index::SuiteIndex;
pub use test_notification::{TestNotification, send_test};

use canary_net::ledger::audit::InternalFds;
use canary_state::Change;
use canary_system::liveness::Registry;
use dispatcher::DispatcherContext;
use outbox::Outbox;

/// Persists changes of alerts and notifications. It must not block.
pub(crate) type Persist = Box<dyn FnMut(Vec<Change>) + Send>;
/// Writes a line to the operator's log. It must not block.
pub type LogLine = Box<dyn FnMut(tracing::Level, &str) + Send>;

/// Everything that alerting starts from.
pub struct Start<'a> {
    /// The `alerts` section of the configuration.
    pub settings: &'a Settings,
    /// The rows of [`canary_state::Table::Alert`].
    pub alerts: &'a [(Arc<str>, String)],
    /// The rows of [`canary_state::Table::Notification`].
    pub notifications: &'a [(Arc<str>, String)],
    /// Accounts for the file descriptors of the notifiers' connections.
    pub internal_fds: InternalFds,
    /// Sending starts when this token is cancelled.
    pub start_signal: StartSignal,
    /// Persists what was delivered or dropped.
    pub persist: Persist,
    /// Logs notices for the operator.
    pub log: LogLine,
    /// Where the thread and each worker report progress.
    pub liveness: Registry,
}

/// Starts the thread `canary-alert`, which sends the notifications restored from disk. The router sends nothing before
/// [`AlertRouter::apply_suite`] was called.
///
/// # Errors
/// The operating system refuses a thread or the resources of a runtime.
pub fn start(mut start: Start<'_>) -> io::Result<(AlertRouter, NotificationDispatcher)> {
    let (router, outbox) = prepare(&start);
    for notice in outbox.queue().take_notices() {
        (start.log)(notice.level(), &notice.to_string());
    }
    let settings = start.settings;
    let dispatcher =
        NotificationDispatcher::start(settings, &router, outbox, DispatcherContext::from(start))?;
    Ok((router, dispatcher))
}

/// Creates the router and the outbox, both restored from the stored rows.
fn prepare(start: &Start<'_>) -> (AlertRouter, Arc<Outbox>) {
    let settings = start.settings;
    let notifiers = settings.notifiers.iter();
    let kinds = notifiers.map(|notifier| (Arc::clone(&notifier.name), notifier.type_name()));
    let outbox = Arc::new(Outbox::new(kinds.collect()));
    let unusable = outbox.queue().restore(start.notifications);
    let router = AlertRouter::restore(settings, start.alerts, Arc::clone(&outbox), unusable);
    (router, outbox)
}
