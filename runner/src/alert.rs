//! Alerts: who is told that a check is not well, by which notifier, until it has arrived.
//!
//! ```text
//! transition -> Desk (rules) -> queue, on disk as well -> Courier (its own thread) -> a lane for each notifier
//! ```
//!
//! Whoever publishes a run does this with it, and the same with what [`Desk::tick`] and [`Desk::keep`] return:
//!
//! ```text
//! let changes = desk.observe(&run, &standing, now);   // together with the status that the run brought about:
//! let written = state.put(changes);                   // one transaction
//! desk.post(&written);                                // they are delivered when it is committed
//! ```
//!
//! The desk belongs to the publisher and never waits. Whatever a receiver does, only its own lane waits for it. A
//! notification is on disk before it is delivered and leaves it afterwards, so that it arrives at least once; whoever
//! cares about twice has the alert's key.

mod alertmanager;
mod answer;
mod backoff;
mod courier;
mod desk;
mod email;
mod endpoint;
mod lane;
mod notice;
mod notification;
mod notifier;
mod outbox;
mod pagerduty;
mod queue;
pub mod report;
mod roster;
pub mod settings;
#[cfg(test)]
pub(crate) mod simulated;
mod slack;
mod smtp;
#[cfg(test)]
pub(crate) mod tests;
mod trial;
mod trouble;
mod webhook;

use std::io;
use std::sync::Arc;

pub use answer::{Answer, Failure, Unreached};
pub use courier::{Begin, Courier, component};
pub use desk::Desk;
pub use notification::{CheckFacts, Event, Notification};
pub use notifier::Notifier;
pub use outbox::Reports;
#[cfg(feature = "fuzzing")]
pub use queue::fuzzing as queue_fuzzing;
pub use roster::Roster;
pub use settings::Settings;
#[cfg(feature = "fuzzing")]
pub use smtp::fuzzing as smtp_fuzzing;
pub use trial::{Trial, try_out};

use crate::ledger::audit::Reserve;
use crate::liveness::Registry;
use crate::state::Change;
use courier::Outside;
use outbox::Outbox;

/// Takes what belongs on disk, or no longer. It must not wait.
pub type Keep = Box<dyn FnMut(Vec<Change>) + Send>;
/// Takes a line for the operator's log. It must not wait.
pub type Say = Box<dyn FnMut(tracing::Level, &str) + Send>;

/// What alerts start from.
pub struct Start<'a> {
    /// What the operator decides.
    pub settings: &'a Settings,
    /// The rows of [`crate::state::Shelf::Alert`].
    pub alerts: &'a [(Arc<str>, String)],
    /// The rows of [`crate::state::Shelf::Notification`].
    pub notifications: &'a [(Arc<str>, String)],
    /// Where the connections of notifiers are counted.
    pub reserve: Reserve,
    /// Nothing is delivered before it is cancelled.
    pub begin: Begin,
    /// Is told what was delivered or given up.
    pub keep: Keep,
    /// Is told what an operator should hear.
    pub say: Say,
    /// Where the thread and each notifier report that they make progress.
    pub liveness: Registry,
}

/// Starts the thread `canary-alert`, which delivers what waited. The desk says nothing before [`Desk::keep`] has told
/// it of the suite.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub fn start(mut start: Start<'_>) -> io::Result<(Desk, Courier)> {
    let (desk, outbox) = prepare(&start);
    for notice in outbox.queue().forgotten() {
        (start.say)(notice.level(), &notice.to_string());
    }
    let settings = start.settings;
    let courier = Courier::start(settings, &desk, outbox, Outside::from(start))?;
    Ok((desk, courier))
}

/// A desk that takes up where the rows end, and what waits for the receivers.
fn prepare(start: &Start<'_>) -> (Desk, Arc<Outbox>) {
    let settings = start.settings;
    let notifiers = settings.notifiers.iter();
    let kinds = notifiers.map(|notifier| (Arc::clone(&notifier.name), notifier.kind()));
    let outbox = Arc::new(Outbox::new(kinds.collect()));
    let useless = outbox.queue().restore(start.notifications);
    let desk = Desk::restore(settings, start.alerts, Arc::clone(&outbox), useless);
    (desk, outbox)
}
