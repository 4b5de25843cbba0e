//! One process of the service: everything that is lost in a kill.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::blocked::Blocked;
use super::collector::Collector;
use super::host::Host;
use super::secs;
use super::targets::{CONCURRENCY, Targets};
use crate::app::clock_monitor::pause_detector::PauseDetector;
use crate::app::health_signals::health_input;
use crate::app::load::Loaded;
use crate::app::publisher::{Publisher, rows};
use crate::app::supervisor::{self, Dependencies, SuiteUpdate};
use canary_net::ledger::Ledger;
use canary_net::ledger::audit::{Audit, InternalFds};
use canary_net::resolve::NameFiles;
use canary_net::tls::TrustStore;
use canary_outbound::alert_report::AlertReports;
use canary_run::account::RunAccount;
use canary_run::publish::StatusStore;
use canary_run::report::Screen;
use canary_sandbox::dispatch::{Dispatcher, Plugins};
use canary_state::simulated::Disk;
use canary_state::{State, StoredRows, Table};
use canary_system::clock;
use canary_system::liveness::{Impact, Registry, already_begun, report_while};
use canary_telemetry::settings::{self, Exporter, Settings, SpoolSettings, resource};
use canary_telemetry::{HostView, MetricsHandle, Telemetry};
use canary_watch::health::{Health, Sources, Thresholds};
use canary_watch::heartbeat::{Cadence, Heartbeat, Ping};
use canary_watch::reload_status::ReloadStatus;
use canary_watch::slow_polls::SlowPolls;
use canary_watch::supervisor_status::SupervisorStatus;

/// Grace period for runs after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
const SCREEN: Screen = Screen {
    width: usize::MAX,
    colour: false,
};
/// Interval between pings.
pub(super) const PINGS: Duration = Duration::from_secs(10);

/// Inputs of a process.
pub(super) struct Start<'a> {
    pub(super) settings: &'a canary_alert::Settings,
    pub(super) disk: &'a Disk,
    pub(super) loaded: Loaded,
    pub(super) targets: Targets,
    pub(super) pings: Pings,
    pub(super) blocked: Blocked,
    pub(super) collector: Collector,
    /// The spool of telemetry.
    pub(super) spool: SpoolSettings,
    /// Interval between exports of metrics.
    pub(super) exports: Duration,
}

/// Pings that would have been sent, and when.
pub(super) type Pings = Arc<Mutex<Vec<(Instant, Ping)>>>;

/// A running process. Dropping it is `kill -9`.
pub(super) struct Process {
    pub(super) statuses: StatusStore,
    pub(super) health: Health,
    pub(super) alerts: AlertReports,
    pub(super) metrics: MetricsHandle,
    pub(super) scheduler: Freezer,
    pub(super) alerting: Freezer,
    pub(super) telemetry: Freezer,
    suite_updates: mpsc::Sender<SuiteUpdate>,
    stop: CancellationToken,
    service: JoinHandle<RunAccount>,
    stop_export: CancellationToken,
    export: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.service.abort();
        self.export.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Process {
    pub(super) fn start(start: Start<'_>) -> Self {
        let (state, stored, writer) = start.disk.open();
        let (records, retired, unreadable) = supervisor::parse(&stored);
        assert_eq!(unreadable, [""; 0]);
        let (statuses, restored) = StatusStore::from_records(records, retired);
        let host = Host::new();
        let core = Core::new(statuses, state, Arc::clone(&host.ledger));
        start.targets.run_on(host);
        let (router, alerts, deliveries) = core.alerts(start.settings, &stored);
        let mut tasks = vec![spawn_local(Freezer::default().freezing(writer))];
        let (alerting, telemetry) = (Freezer::default(), Freezer::default());
        let alert = core.liveness.register("alert", Impact::Liveness);
        let deliver = async move { report_while(&alert, deliveries).await };
        tasks.push(spawn_local(alerting.freezing(deliver)));
        let exporters = exporters(&start.collector, start.spool, start.exports);
        let (telemetry_handle, metrics, worker) = core.telemetry(&alerts, &exporters);
        let reporter = core.liveness.register("telemetry", Impact::Heartbeat);
        let stop_export = CancellationToken::new();
        let until = stop_export.clone();
        let export = async move { report_while(&reporter, worker.run(until)).await };
        let export = spawn_local(telemetry.freezing(export));
        let health = core.health(&alerts, metrics.clone());
        let readers = (core.statuses.clone(), metrics.clone());
        let beats = beat(health.clone(), readers, start.pings);
        tasks.push(spawn_local(Freezer::default().freezing(beats)));
        let publisher = Publisher::new(Default::default(), SCREEN, telemetry_handle, Some(router));
        let blocked = start.blocked;
        let mut observer = blocked.into_observer(publisher, health.clone(), start.collector);
        let (suite_updates_tx, suite_updates) = mpsc::channel(1);
        let (stop, scheduler) = (CancellationToken::new(), Freezer::default());
        let (until, loaded) = (stop.clone(), start.loaded);
        let dependencies = core.dependencies(start.targets, suite_updates);
        let supervise = async move {
            supervisor::supervise(
                dependencies,
                loaded,
                restored,
                &mut observer,
                until.cancelled(),
                GRACE,
            )
            .await
        };
        Self {
            statuses: core.statuses,
            health,
            alerts,
            metrics,
            service: spawn_local(scheduler.freezing(supervise)),
            scheduler,
            alerting,
            telemetry,
            suite_updates: suite_updates_tx,
            stop,
            stop_export,
            export,
            tasks,
        }
    }

    /// Switches to another suite.
    pub(super) fn reload(&self, loaded: Loaded) {
        let (update, _) = SuiteUpdate::new(loaded);
        assert!(
            self.suite_updates.try_send(update).is_ok(),
            "the service takes suites"
        );
    }

    /// SIGTERM. Returns the account of runs, and whether telemetry ended in time.
    pub(super) async fn stop(mut self) -> (RunAccount, bool) {
        self.stop.cancel();
        let account = (&mut self.service).await.expect("the service ends");
        self.stop_export.cancel();
        let has_ended = timeout(canary_telemetry::FLUSH_TIMEOUT + secs(1), &mut self.export)
            .await
            .is_ok();
        (account, has_ended)
    }

    /// Whether a task ended that should run.
    pub(super) fn has_ended(&self) -> bool {
        self.service.is_finished()
            || self.export.is_finished()
            || self.tasks.iter().any(JoinHandle::is_finished)
    }
}

/// State that the components of a process share.
struct Core {
    statuses: StatusStore,
    state: State,
    liveness: Registry,
    supervisor_status: SupervisorStatus,
    ledger: Arc<Ledger>,
    reserve: InternalFds,
    audit: Audit,
}

impl Core {
    fn new(statuses: StatusStore, state: State, ledger: Arc<Ledger>) -> Self {
        let liveness = Registry::default();
        let reserve = InternalFds::default();
        Self {
            statuses,
            state,
            supervisor_status: SupervisorStatus::new(&liveness),
            liveness,
            audit: Audit::disabled(&reserve),
            ledger,
            reserve,
        }
    }

    fn alerts(
        &self,
        settings: &canary_alert::Settings,
        stored: &StoredRows,
    ) -> (
        canary_alert::AlertRouter,
        AlertReports,
        impl Future<Output = ()> + use<>,
    ) {
        let persistence = self.state.clone();
        let (mut router, alerts, deliveries) = canary_alert::simulated::start(canary_alert::Start {
            settings,
            alerts: &rows(stored, Table::Alert),
            notifications: &rows(stored, Table::Notification),
            internal_fds: self.reserve.clone(),
            start_signal: already_begun(),
            persist: Box::new(move |changes| drop(persistence.put(changes))),
            log: Box::new(|_, _| {}),
            liveness: self.liveness.clone(),
        });
        if self.state.is_unread() {
            router.await_rows(clock::wall());
        }
        (router, alerts, deliveries)
    }

    fn telemetry(
        &self,
        alerts: &AlertReports,
        settings: &Settings,
    ) -> (Telemetry, MetricsHandle, canary_telemetry::Worker) {
        let view = HostView {
            ledger: Arc::clone(&self.ledger),
            audit: self.audit.clone(),
            internal_fds: self.reserve.clone(),
            secrets: Default::default(),
            alerts: Some(alerts.clone()),
            streams: Default::default(),
            liveness: self.liveness.clone(),
        };
        let resource = resource(settings, &settings::Process::current("simulated".to_owned()));
        canary_telemetry::start(settings, resource, view, Box::new(std::io::sink()))
    }

    fn health(&self, alerts: &AlertReports, metrics: MetricsHandle) -> Health {
        let sources = Sources {
            statuses: self.statuses.clone(),
            supervisor_status: self.supervisor_status.clone(),
            state: self.state.clone(),
            reloads: ReloadStatus::default(),
            ledger: Arc::clone(&self.ledger),
            audit: self.audit.clone(),
            metrics,
            slow_polls: SlowPolls::default(),
            trust: TrustStore::default(),
            names: NameFiles::default(),
            alerts: Some(alerts.clone()),
            liveness: self.liveness.clone(),
        };
        Health::new(sources, Thresholds::default())
    }

    fn dependencies(
        &self,
        targets: Targets,
        suite_updates: mpsc::Receiver<SuiteUpdate>,
    ) -> Dependencies<Targets> {
        let dispatcher = Dispatcher::new(targets, Plugins::default(), CONCURRENCY)
            .with_pools(self.ledger.pools())
            .with_stall_clock(self.liveness.stall_clock().clone());
        Dependencies {
            dispatcher: Arc::new(dispatcher),
            statuses: self.statuses.clone(),
            state: self.state.clone(),
            supervisor_status: self.supervisor_status.clone(),
            suite_updates,
            pause_detector: PauseDetector::without_a_thread(),
        }
    }
}

/// Everything is exported to the collector.
fn exporters(collector: &Collector, spool: SpoolSettings, interval: Duration) -> Settings {
    let to = || Exporter::Simulated(collector.exporter());
    Settings {
        traces: to(),
        metrics: to(),
        logs: to(),
        interval,
        spool: Some(spool),
        ..canary_telemetry::sample::settings()
    }
}

/// The heartbeat without the requests that deliver its pings.
async fn beat(health: Health, (statuses, metrics): (StatusStore, MetricsHandle), pings: Pings) {
    let cadence = Cadence {
        interval: PINGS,
        grace: PINGS / 2,
        start: true,
        fail: true,
    };
    let mut heartbeat = Heartbeat::new(cadence, Instant::now());
    loop {
        let now = Instant::now();
        if let Some(ping) = heartbeat.poll(now, &health_input(&health, &statuses, &metrics)) {
            pings.lock().unwrap().push((now, ping));
        }
        sleep_until(heartbeat.next_poll(now)).await;
    }
}

/// Prevents a task from being polled while it is set, and fails if a task never lets time advance.
#[derive(Debug, Clone, Default)]
pub(super) struct Freezer(Arc<Mutex<Frozen>>);

/// Maximum polls of a task at one moment: a busy loop would never end.
const TURNS: u32 = 100_000;

#[derive(Debug, Default)]
struct Frozen {
    is_set: bool,
    waker: Option<Waker>,
    /// When the task was last polled, and how often at that moment.
    turns: Option<(Instant, u32)>,
}

impl Frozen {
    fn count(&mut self) -> u32 {
        let now = Instant::now();
        let turns = self.turns.filter(|(at, _)| *at == now);
        let turns = turns.map_or(1, |(_, turns)| turns + 1);
        self.turns = Some((now, turns));
        turns
    }
}

impl Freezer {
    pub(super) fn set(&self, is_set: bool) {
        let mut frozen = self.0.lock().unwrap();
        frozen.is_set = is_set;
        if let Some(waker) = frozen.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.lock().unwrap().is_set
    }

    fn freezing<F: Future + 'static>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let frozen = Arc::clone(&self.0);
        let mut work = Box::pin(work);
        std::future::poll_fn(move |context| {
            let mut frozen = frozen.lock().unwrap();
            if frozen.is_set {
                frozen.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            let turns = frozen.count();
            drop(frozen);
            assert!(turns < TURNS, "a task has had {turns} turns at one moment");
            work.as_mut().poll(context)
        })
    }
}
