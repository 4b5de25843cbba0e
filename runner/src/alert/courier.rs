//! The thread that delivers: a lane for each notifier, so that a receiver that hangs holds up nobody else.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::lane::{Lane, Shared};
use super::notification::Notification;
use super::notifier::Notifier;
use super::outbox::{Outbox, Reports};
use super::settings::Settings;
use super::{Keep, Say, Start};
use crate::ledger::audit::Reserve;
use crate::liveness::{self, Component, Impact, Registry, Tasks, Thread};

/// How long deliveries under way may go on at the end; what is not delivered by then stays on disk.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);
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

impl From<Start<'_>> for Outside {
    fn from(start: Start<'_>) -> Self {
        Self {
            reserve: start.reserve,
            begin: start.begin,
            keep: start.keep,
            say: start.say,
            liveness: start.liveness,
        }
    }
}

impl Courier {
    pub(super) fn start(
        settings: &Settings,
        desk: &Desk,
        outbox: Arc<Outbox>,
        outside: Outside,
    ) -> io::Result<Self> {
        let (begin, liveness) = (outside.begin.clone(), outside.liveness.clone());
        let reports = Reports(Arc::clone(&outbox));
        if settings.notifiers.is_empty() {
            return Ok(Self {
                reports,
                thread: None,
            });
        }
        let deliveries = Deliveries::new(settings, desk, outbox, outside);
        let runtime = liveness::runtime()?;
        let thread = Thread::start(ALERT, &liveness, runtime, &begin, |stop| deliveries.run(stop))?;
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

/// What the thread does: a lane for each notifier.
pub(super) struct Deliveries {
    /// Each with what fires, if it wants to hear that again.
    notifiers: Vec<(Notifier, Vec<Notification>)>,
    shared: Arc<Shared>,
    registry: Registry,
}

impl Deliveries {
    pub(super) fn new(settings: &Settings, desk: &Desk, outbox: Arc<Outbox>, outside: Outside) -> Self {
        let notifiers = settings.notifiers.iter().cloned();
        let notifiers = notifiers.map(|notifier| {
            let standing = match notifier.refresh() {
                Some(_) => desk.standing(&notifier.name),
                None => Vec::new(),
            };
            (notifier, standing)
        });
        let shared = Shared {
            outbox,
            link: settings.link.clone(),
            reserve: outside.reserve,
            keep: Mutex::new(outside.keep),
            say: Mutex::new(outside.say),
        };
        Self {
            notifiers: notifiers.collect(),
            shared: Arc::new(shared),
            registry: outside.liveness,
        }
    }

    /// Runs the lanes until `stop`, and a moment longer.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut lanes = Tasks::default();
        for (notifier, standing) in self.notifiers {
            let progress = self
                .registry
                .register(component(&notifier.name), Impact::Readiness);
            let (shared, stop) = (Arc::clone(&self.shared), stop.clone());
            lanes.spawn(progress, |progress| {
                Lane::new(notifier, standing, shared, progress).run(stop)
            });
        }
        stop.cancelled().await;
        // What a receiver sent cannot end a lane; if something did, the others go on.
        drop(timeout(LAST_DELIVERIES, lanes.join()).await);
        lanes.shutdown().await;
    }
}

/// What the task of a notifier is called in health.
#[must_use]
pub fn component(notifier: &str) -> Arc<str> {
    format!("notifier {notifier}").into()
}
