//! One process of the service: everything that a kill takes with it.

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
use crate::account::Account;
use crate::alert;
use crate::app::clocks::pauses::Pauses;
use crate::app::load::Loaded;
use crate::app::publisher::{Publisher, rows};
use crate::app::serve::{self, Parts, Swap};
use crate::app::vigil::vitals;
use crate::clock;
use crate::dispatch::{Dispatcher, Plugins};
use crate::ledger::Ledger;
use crate::ledger::audit::{Audit, Reserve};
use crate::liveness::{Impact, Registry, begun, reporting};
use crate::net::resolve::NameFiles;
use crate::net::tls::TrustStore;
use crate::publish::Board;
use crate::report::Screen;
use crate::state::simulated::Disk;
use crate::state::{Kept, Shelf, State};
use crate::telemetry::settings::{self, Exporter, Settings, SpoolSettings, resource};
use crate::telemetry::{self, Exposition, HostView, Telemetry};
use crate::watch::health::{Health, Limits, Sources};
use crate::watch::heartbeat::{Cadence, Heartbeat, Ping};
use crate::watch::pulse::Pulse;
use crate::watch::reloads::Reloads;
use crate::watch::slow_polls::SlowPolls;

/// How long runs may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
const SCREEN: Screen = Screen {
    width: usize::MAX,
    colour: false,
};
/// From one ping to the next.
pub(super) const PINGS: Duration = Duration::from_secs(10);

/// What a process begins with.
pub(super) struct Start<'a> {
    pub(super) settings: &'a alert::Settings,
    pub(super) disk: &'a Disk,
    pub(super) loaded: Loaded,
    pub(super) targets: Targets,
    pub(super) pings: Pings,
    pub(super) blocked: Blocked,
    pub(super) collector: Collector,
    /// Where telemetry waits.
    pub(super) spool: SpoolSettings,
    /// From one export of metrics to the next.
    pub(super) exports: Duration,
}

/// Pings that would have been sent, and when.
pub(super) type Pings = Arc<Mutex<Vec<(Instant, Ping)>>>;

/// A process that goes on. Dropping it is `kill -9`.
pub(super) struct Process {
    pub(super) board: Board,
    pub(super) health: Health,
    pub(super) alerts: alert::Reports,
    pub(super) exposition: Exposition,
    pub(super) scheduler: Freezer,
    pub(super) alerting: Freezer,
    pub(super) telemetry: Freezer,
    swaps: mpsc::Sender<Swap>,
    stop: CancellationToken,
    service: JoinHandle<Account>,
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
        let (state, kept, writer) = start.disk.open();
        let (records, retired, unreadable) = serve::parse(&kept);
        assert_eq!(unreadable, [""; 0]);
        let (board, restored) = Board::restored(records, retired);
        let host = Host::new();
        let core = Core::new(board, state, Arc::clone(&host.ledger));
        start.targets.run_on(host);
        let (desk, alerts, deliveries) = core.alerts(start.settings, &kept);
        let mut tasks = vec![spawn_local(Freezer::default().freezing(writer))];
        let (alerting, telemetry) = (Freezer::default(), Freezer::default());
        let alert = core.liveness.register("alert", Impact::Liveness);
        let deliver = async move { reporting(&alert, deliveries).await };
        tasks.push(spawn_local(alerting.freezing(deliver)));
        let exporters = exporters(&start.collector, start.spool, start.exports);
        let (informed, exposition, worker) = core.telemetry(&alerts, &exporters);
        let reporter = core.liveness.register("telemetry", Impact::Heartbeat);
        let stop_export = CancellationToken::new();
        let until = stop_export.clone();
        let export = async move { reporting(&reporter, worker.run(until)).await };
        let export = spawn_local(telemetry.freezing(export));
        let health = core.health(&alerts, exposition.clone());
        let seen = (core.board.clone(), exposition.clone());
        let beats = beat(health.clone(), seen, start.pings);
        tasks.push(spawn_local(Freezer::default().freezing(beats)));
        let publisher = Publisher::new(Default::default(), SCREEN, informed, Some(desk));
        let blocked = start.blocked;
        let mut watcher = blocked.watching(publisher, health.clone(), start.collector);
        let (swaps, suites) = mpsc::channel(1);
        let (stop, scheduler) = (CancellationToken::new(), Freezer::default());
        let (until, loaded) = (stop.clone(), start.loaded);
        let parts = core.parts(start.targets, suites);
        let serve = async move {
            serve::serve(parts, loaded, restored, &mut watcher, until.cancelled(), GRACE).await
        };
        Self {
            board: core.board,
            health,
            alerts,
            exposition,
            service: spawn_local(scheduler.freezing(serve)),
            scheduler,
            alerting,
            telemetry,
            swaps,
            stop,
            stop_export,
            export,
            tasks,
        }
    }

    /// Has a suite put in force.
    pub(super) fn reload(&self, loaded: Loaded) {
        let (swap, _) = Swap::new(loaded);
        assert!(self.swaps.try_send(swap).is_ok(), "the service takes suites");
    }

    /// SIGTERM. Says how the runs ended, and whether telemetry did in its time.
    pub(super) async fn stop(mut self) -> (Account, bool) {
        self.stop.cancel();
        let account = (&mut self.service).await.expect("the service ends");
        self.stop_export.cancel();
        let has_ended = timeout(telemetry::FLUSH + secs(1), &mut self.export)
            .await
            .is_ok();
        (account, has_ended)
    }

    /// Whether a task ended that should go on.
    pub(super) fn has_ended(&self) -> bool {
        self.service.is_finished()
            || self.export.is_finished()
            || self.tasks.iter().any(JoinHandle::is_finished)
    }
}

/// What the parts of a process share.
struct Core {
    board: Board,
    state: State,
    liveness: Registry,
    pulse: Pulse,
    ledger: Arc<Ledger>,
    reserve: Reserve,
    audit: Audit,
}

impl Core {
    fn new(board: Board, state: State, ledger: Arc<Ledger>) -> Self {
        let liveness = Registry::default();
        let reserve = Reserve::default();
        Self {
            board,
            state,
            pulse: Pulse::new(&liveness),
            liveness,
            audit: Audit::blind(&reserve),
            ledger,
            reserve,
        }
    }

    fn alerts(
        &self,
        settings: &alert::Settings,
        kept: &Kept,
    ) -> (alert::Desk, alert::Reports, impl Future<Output = ()> + use<>) {
        let kept_by = self.state.clone();
        let (mut desk, alerts, deliveries) = alert::simulated::start(alert::Start {
            settings,
            alerts: &rows(kept, Shelf::Alert),
            notifications: &rows(kept, Shelf::Notification),
            reserve: self.reserve.clone(),
            begin: begun(),
            keep: Box::new(move |changes| drop(kept_by.put(changes))),
            say: Box::new(|_, _| {}),
            liveness: self.liveness.clone(),
        });
        if self.state.is_unread() {
            desk.await_rows(clock::wall());
        }
        (desk, alerts, deliveries)
    }

    fn telemetry(
        &self,
        alerts: &alert::Reports,
        settings: &Settings,
    ) -> (Telemetry, Exposition, telemetry::Worker) {
        let view = HostView {
            ledger: Arc::clone(&self.ledger),
            audit: self.audit.clone(),
            reserve: self.reserve.clone(),
            secrets: Default::default(),
            alerts: Some(alerts.clone()),
            streams: Default::default(),
            liveness: self.liveness.clone(),
        };
        let resource = resource(settings, &settings::Process::current("simulated".to_owned()));
        telemetry::start(settings, resource, view, Box::new(std::io::sink()))
    }

    fn health(&self, alerts: &alert::Reports, exposition: Exposition) -> Health {
        let sources = Sources {
            board: self.board.clone(),
            pulse: self.pulse.clone(),
            state: self.state.clone(),
            reloads: Reloads::default(),
            ledger: Arc::clone(&self.ledger),
            audit: self.audit.clone(),
            exposition,
            slow_polls: SlowPolls::default(),
            trust: TrustStore::default(),
            names: NameFiles::default(),
            alerts: Some(alerts.clone()),
            liveness: self.liveness.clone(),
        };
        Health::new(sources, Limits::default())
    }

    fn parts(&self, targets: Targets, swaps: mpsc::Receiver<Swap>) -> Parts<Targets> {
        let dispatcher = Dispatcher::new(targets, Plugins::default(), CONCURRENCY)
            .counted_in(self.ledger.pools())
            .timed_by(self.liveness.stall_clock().clone());
        Parts {
            dispatcher: Arc::new(dispatcher),
            board: self.board.clone(),
            state: self.state.clone(),
            pulse: self.pulse.clone(),
            swaps,
            pauses: Pauses::without_a_thread(),
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
        ..telemetry::sample::settings()
    }
}

/// The heartbeat, but for the requests that bring pings to their address.
async fn beat(health: Health, (board, exposition): (Board, Exposition), pings: Pings) {
    let cadence = Cadence {
        interval: PINGS,
        grace: PINGS / 2,
        start: true,
        fail: true,
    };
    let mut heartbeat = Heartbeat::new(cadence, Instant::now());
    loop {
        let now = Instant::now();
        if let Some(ping) = heartbeat.judge(now, &vitals(&health, &board, &exposition)) {
            pings.lock().unwrap().push((now, ping));
        }
        sleep_until(heartbeat.next_look(now)).await;
    }
}

/// Keeps a task from its turn while it is set, and ends one that never lets time go on.
#[derive(Debug, Clone, Default)]
pub(super) struct Freezer(Arc<Mutex<Frozen>>);

/// Turns that a task may have at one moment: one that never waits would go on for ever.
const TURNS: u32 = 100_000;

#[derive(Debug, Default)]
struct Frozen {
    is_set: bool,
    waker: Option<Waker>,
    /// When the task last had its turn, and how often it had by then.
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
