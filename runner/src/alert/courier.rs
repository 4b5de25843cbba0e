//! The thread that delivers: a lane for each notifier, so that a receiver that hangs holds up nobody else.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::lane::{Lane, Shared};
use super::notification::Notification;
use super::notifier::Notifier;
use super::outbox::{Outbox, Reports};
use super::settings::Settings;
use super::{Keep, Say};
use crate::ledger::audit::Reserve;
use crate::liveness::{Component, Impact, Registry, Tasks, Thread};

/// How long deliveries under way may go on at the end; what is not delivered by then stays on disk.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);
/// Threads that look up names and read files for TLS, a notifier: one for each, and one of each that was given up and that
/// the system goes on with.
const LOOKUPS: usize = 4;
/// Nobody hears of a check that is down while it stands still.
const ALERT: Component = Component {
    name: "alert",
    impact: Impact::Liveness,
};

/// The thread `canary-alert`; ends when dropped. There is none without a notifier.
pub struct Courier {
    reports: Reports,
    thread: Option<Thread>,
}

/// Cancelled when there may be deliveries.
pub type Begin = CancellationToken;

/// What the courier has to do with.
pub(super) struct Outside {
    pub(super) reserve: Reserve,
    pub(super) begin: Begin,
    pub(super) keep: Keep,
    pub(super) say: Say,
    pub(super) liveness: Registry,
}

impl Courier {
    pub(super) fn start(
        settings: &Settings,
        desk: &Desk,
        outbox: Arc<Outbox>,
        outside: Outside,
    ) -> io::Result<Self> {
        let Outside {
            reserve,
            begin,
            keep,
            say,
            liveness,
        } = outside;
        let reports = Reports(Arc::clone(&outbox));
        if settings.notifiers.is_empty() {
            return Ok(Self {
                reports,
                thread: None,
            });
        }
        let shared = Arc::new(Shared {
            outbox,
            link: settings.link.clone(),
            reserve,
            keep: Mutex::new(keep),
            say: Mutex::new(say),
        });
        let notifiers = settings.notifiers.iter().cloned();
        let notifiers = notifiers.map(|notifier| {
            let standing = match notifier.refresh() {
                Some(_) => desk.standing(&notifier.name),
                None => Vec::new(),
            };
            (notifier, standing)
        });
        let notifiers: Vec<_> = notifiers.collect();
        let (runtime, registry) = (runtime(notifiers.len())?, liveness.clone());
        let work = |stop| deliver(notifiers, shared, registry, stop);
        let thread = Thread::start(ALERT, &liveness, runtime, &begin, work)?;
        Ok(Self {
            reports,
            thread: Some(thread.patiently(LAST_DELIVERIES)),
        })
    }

    /// How notifications fare, from now on and after the end.
    #[must_use]
    pub fn reports(&self) -> Reports {
        self.reports.clone()
    }

    /// Asks for the end without waiting for it: deliveries under way have two seconds.
    pub fn stop(&self) {
        if let Some(thread) = &self.thread {
            thread.stop();
        }
    }

    /// Lets deliveries under way end, and ends the thread. Takes 4 s at most. What is not delivered stays on disk.
    pub fn finish(self) {
        drop(self);
    }
}

fn runtime(notifiers: usize) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUPS * notifiers)
        .build()
}

/// Runs the lanes until `stop`, and a moment longer.
async fn deliver(
    notifiers: Vec<(Notifier, Vec<Notification>)>,
    shared: Arc<Shared>,
    registry: Registry,
    stop: CancellationToken,
) {
    let mut lanes = Tasks::default();
    for (notifier, standing) in notifiers {
        let progress = registry.register(component(&notifier.name), Impact::Readiness);
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        lanes.spawn(progress, |progress| {
            Lane::new(notifier, standing, shared, progress).run(stop)
        });
    }
    stop.cancelled().await;
    // What a receiver sent cannot end a lane; if something did, the others go on.
    drop(timeout(LAST_DELIVERIES, lanes.join()).await);
    lanes.shutdown().await;
}

/// What the task of a notifier is called in health.
#[must_use]
pub fn component(notifier: &str) -> Arc<str> {
    format!("notifier {notifier}").into()
}
