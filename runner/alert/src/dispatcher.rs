//! Dispatcher: the thread that sends notifications, with one worker task for each notifier so that a hanging receiver
//! delays no other.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::notification::Notification;
use super::notifier::Notifier;
use super::outbox::{self, Outbox};
use super::router::AlertRouter;
use super::settings::Settings;
use super::worker::{NotifierWorker, WorkerContext};
use super::{LogLine, Persist, Start};
use canary_net::ledger::audit::InternalFds;
use canary_outbound::alert_report::{AlertReports, component_name};
use canary_system::liveness::{self, Component, Impact, Registry, Tasks, Thread};

/// How long sending may go on after a stop; what is not delivered by then stays on disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Affects liveness: while this thread stalls, nobody is notified of anything.
const ALERT: Component = Component {
    name: "alert",
    impact: Impact::Liveness,
};

/// Handle of the thread `canary-alert`. Dropping it stops the thread and waits up to 4 s for sends under way; what is
/// not delivered stays on disk. There is no thread without notifiers.
pub struct NotificationDispatcher {
    reports: AlertReports,
    thread: Option<Thread>,
}

/// Token whose cancellation starts the sending.
pub type StartSignal = CancellationToken;

/// What the dispatcher needs from the rest of the program.
pub(super) struct DispatcherContext {
    pub(super) internal_fds: InternalFds,
    pub(super) start_signal: StartSignal,
    pub(super) persist: Persist,
    pub(super) log: LogLine,
    pub(super) liveness: Registry,
}

impl From<Start<'_>> for DispatcherContext {
    fn from(start: Start<'_>) -> Self {
        Self {
            internal_fds: start.internal_fds,
            start_signal: start.start_signal,
            persist: start.persist,
            log: start.log,
            liveness: start.liveness,
        }
    }
}

impl NotificationDispatcher {
    pub(super) fn start(
        settings: &Settings,
        router: &AlertRouter,
        outbox: Arc<Outbox>,
        context: DispatcherContext,
    ) -> io::Result<Self> {
        let (start_signal, liveness) = (context.start_signal.clone(), context.liveness.clone());
        let reports = outbox::reports(&outbox);
        if settings.notifiers.is_empty() {
            return Ok(Self {
                reports,
                thread: None,
            });
        }
        let workers = WorkerSet::new(settings, router, outbox, context);
        let runtime = liveness::runtime()?;
        let thread = Thread::start(ALERT, &liveness, runtime, &start_signal, |stop| workers.run(stop))?;
        Ok(Self {
            reports,
            thread: Some(thread.with_stop_timeout(STOP_TIMEOUT)),
        })
    }

    /// Delivery statistics; usable after the end of the thread too.
    #[must_use]
    pub fn reports(&self) -> AlertReports {
        self.reports.clone()
    }

    /// Requests a stop without waiting for it: sends under way have two seconds.
    pub fn stop(&self) {
        if let Some(thread) = &self.thread {
            thread.stop();
        }
    }
}

/// The workers that the thread runs, one for each notifier.
pub(super) struct WorkerSet {
    /// Each with the firing alerts to resend, if its receiver expects that.
    notifiers: Vec<(Notifier, Vec<Notification>)>,
    shared: Arc<WorkerContext>,
    registry: Registry,
}

impl WorkerSet {
    pub(super) fn new(
        settings: &Settings,
        router: &AlertRouter,
        outbox: Arc<Outbox>,
        context: DispatcherContext,
    ) -> Self {
        let notifiers = settings.notifiers.iter().cloned();
        let notifiers = notifiers.map(|notifier| {
            let firing = match notifier.resend_interval() {
                Some(_) => router.firing_alerts(&notifier.name),
                None => Vec::new(),
            };
            (notifier, firing)
        });
        let shared = WorkerContext {
            outbox,
            external_url: settings.external_url.clone(),
            internal_fds: context.internal_fds,
            persist: Mutex::new(context.persist),
            log: Mutex::new(context.log),
        };
        Self {
            notifiers: notifiers.collect(),
            shared: Arc::new(shared),
            registry: context.liveness,
        }
    }

    /// Runs the workers until `stop`, plus up to two seconds for sends under way.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut workers = Tasks::default();
        for (notifier, firing) in self.notifiers {
            let progress = self
                .registry
                .register(component_name(&notifier.name), Impact::Readiness);
            let (shared, stop) = (Arc::clone(&self.shared), stop.clone());
            workers.spawn(progress, |progress| {
                NotifierWorker::new(notifier, firing, shared, progress).run(stop)
            });
        }
        stop.cancelled().await;
        // Nothing that a receiver sends can end a worker; if one ends nevertheless, the others go on.
        drop(timeout(STOP_TIMEOUT, workers.join()).await);
        workers.shutdown().await;
    }
}
