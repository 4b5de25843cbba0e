//! `canary run`: the service, and everything that looks at it.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::clocks::pauses::Pauses;
use super::limits::{LimitError, Need};
use super::load::Loaded;
use super::publisher::{Publisher, rows};
use super::reload::{self, Answer, Reload};
use super::serve::{self, Watcher};
use super::systemd::Systemd;
use super::{Host, aside, poll_watch, vigil};
use crate::account::Account;
use crate::admin::{self, Door, Shown};
use crate::alert;
use crate::ledger::audit::Audit;
use crate::liveness::{Component, Impact, Thread, runtime};
use crate::publish::{Board, Restored};
use crate::report::Screen;
use crate::signal::Hangup;
use crate::state::{self, Kept, Shelf, State, StateError};
use crate::telemetry::settings as telemetry;
use crate::telemetry::{Exposition, Telemetry};
use crate::watch::health::{Health, Sources};
use crate::watch::heartbeat;
use crate::watch::pulse::Pulse;
use crate::watch::reloads::Reloads;
use crate::watch::slow_polls::SlowPolls;

const ADMIN: Component = Component {
    name: "admin",
    impact: Impact::Readiness,
};

/// What an operator decides of the service.
pub struct Settings {
    /// How long runs under way may go on after the end was asked for.
    pub grace: Duration,
    /// Where what survives a restart is kept; nowhere when absent.
    pub state: Option<PathBuf>,
    /// Who is told that a check is not well.
    pub alert: alert::Settings,
    /// What is told, and to whom.
    pub telemetry: telemetry::Settings,
    /// Whom the runner gives a sign of life.
    pub heartbeat: Option<heartbeat::Settings>,
    /// Where the runner shows itself.
    pub door: Option<Door>,
    /// Asks for the suite to be read again.
    pub hangup: Hangup,
    /// What lines look like.
    pub screen: Screen,
}

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The place for what survives a restart cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A thread, a runtime or a signal is refused.
    #[error("the operating system refuses what the service needs")]
    System(#[source] io::Error),
    /// A limit of the process is too low for it.
    #[error("the service cannot start")]
    Limit(#[from] LimitError),
}

impl From<io::Error> for ServiceError {
    fn from(error: io::Error) -> Self {
        LimitError::behind(&error, Need::Service).map_or(Self::System(error), Self::Limit)
    }
}

/// Runs a suite until `stop` is done. `paths` are where it was read from, and is read from again.
///
/// # Errors
/// What the service cannot do without.
pub async fn run(
    host: Arc<Host>,
    paths: Vec<PathBuf>,
    first: Loaded,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<Account, ServiceError> {
    let screen = settings.screen;
    let stdout = host.settings().streams.stdout.clone();
    let publish = |telemetry, desk| Ok(Publisher::new(stdout, screen, telemetry, desk));
    let (account, _) = watched(host, paths, first, settings, publish, stop).await?;
    Ok(account)
}

/// The same for a watcher of one's own, who is to hand on what happens to telemetry, and to alerts where there are any.
/// It is given back.
///
/// # Errors
/// What the service cannot do without.
pub async fn watched<W: Watcher>(
    host: Arc<Host>,
    paths: Vec<PathBuf>,
    first: Loaded,
    settings: Settings,
    watch: impl FnOnce(Telemetry, Option<alert::Desk>) -> io::Result<W>,
    stop: impl Future<Output = ()>,
) -> Result<(Account, W), ServiceError> {
    // Dropped last: the last commit comes after everything that is kept.
    let (state, _keeper, kept) = open(&host, settings.state.as_deref())?;
    let (board, restored) = restored(&kept);
    let core = Core::new(host, board, state);
    let Core { host, begin, .. } = &core;
    let (desk, courier) = alerts(host, &settings.alert, &kept, &core.state, begin)?.unzip();
    let audit = host.audit()?;
    let reports = courier.as_ref().map(alert::Courier::reports);
    let (telling, telemetry, exposition) =
        aside::telemetry(host, &audit, &settings.telemetry, reports.clone(), begin)?;
    core.count_cuts(&exposition);
    let (poll_watch, slow_polls) = poll_watch::start(host, &exposition, begin)?;
    let sources = core.sources(&audit, &exposition, slow_polls, reports);
    let (vigil, health) = vigil::start(host, sources, settings.heartbeat, begin)?;
    let systemd = Systemd::start(&host.settings().liveness)?;
    let informed = (telemetry.clone(), systemd.clone());
    let (swaps, reload, reloading) = core.reloading(paths, &first, settings.hangup, informed)?;
    let seen = (core.board.clone(), core.reloads.clone());
    let shown = shown(host, seen, reload, health, exposition);
    let showing = show(host, settings.door, shown, begin)?;
    let mut watcher = watch(telemetry, desk)?;
    let parts = core.parts(&first, swaps)?;
    core.reloads.begun(SystemTime::now());
    settle(host, &audit, &first)?;
    begin.cancel();
    systemd.ready(first.suite.checks.len());
    let stop = async {
        stop.await;
        systemd.stopping();
    };
    let account = serve::serve(parts, first, restored, &mut watcher, stop, settings.grace).await;
    // They end at the same time, each within a limit of its own.
    for thread in [&telling, &reloading, &showing, &poll_watch] {
        thread.stop();
    }
    vigil.stop();
    courier.iter().for_each(alert::Courier::stop);
    Ok((account, watcher))
}

/// What the parts of a service share.
struct Core {
    host: Arc<Host>,
    board: Board,
    state: State,
    pulse: Pulse,
    reloads: Reloads,
    /// Cancelled when every thread may begin.
    begin: CancellationToken,
}

impl Core {
    fn new(host: Arc<Host>, board: Board, state: State) -> Self {
        Self {
            pulse: Pulse::new(&host.settings().liveness),
            host,
            board,
            state,
            reloads: Reloads::default(),
            begin: CancellationToken::new(),
        }
    }

    /// Has metrics tell whose last runs are shown without details.
    fn count_cuts(&self, exposition: &Exposition) {
        let board = self.board.clone();
        exposition.count_dropped_details(move || board.dropped_details());
    }

    /// What health is judged by.
    fn sources(
        &self,
        audit: &Audit,
        exposition: &Exposition,
        slow_polls: SlowPolls,
        alerts: Option<alert::Reports>,
    ) -> Sources {
        Sources {
            board: self.board.clone(),
            pulse: self.pulse.clone(),
            state: self.state.clone(),
            reloads: self.reloads.clone(),
            ledger: Arc::clone(self.host.sandbox.ledger()),
            audit: audit.clone(),
            exposition: exposition.clone(),
            slow_polls,
            trust: self.host.trust.clone(),
            names: self.host.names.clone(),
            alerts,
            liveness: self.host.settings().liveness.clone(),
        }
    }

    /// Starts the thread that reads the suite again, which informs telemetry and systemd of it.
    fn reloading(
        &self,
        paths: Vec<PathBuf>,
        first: &Loaded,
        hangup: Hangup,
        (telemetry, systemd): (Telemetry, Systemd),
    ) -> io::Result<(mpsc::Receiver<serve::Swap>, Reload, Thread)> {
        let (swaps_tx, swaps_rx) = mpsc::channel(1);
        let (reload, thread) = reload::start(reload::Parts {
            host: Arc::clone(&self.host),
            paths,
            current: reload::Current::of(first),
            swaps: swaps_tx,
            reloads: self.reloads.clone(),
            hangup,
            systemd: systemd.clone(),
            begin: self.begin.clone(),
            told: Box::new(told(telemetry, systemd)),
        })?;
        Ok((swaps_rx, reload, thread))
    }

    /// What runs checks.
    fn parts(&self, first: &Loaded, swaps: mpsc::Receiver<serve::Swap>) -> io::Result<serve::Parts> {
        Ok(serve::Parts {
            dispatcher: Arc::new(self.host.dispatcher(first.plugins.clone())),
            board: self.board.clone(),
            state: self.state.clone(),
            pulse: self.pulse.clone(),
            swaps,
            pauses: Pauses::start(&self.host.settings().liveness)?,
        })
    }
}

/// Everything that stays open is open now: what is added from here on, checks add.
fn settle(host: &Host, audit: &Audit, first: &Loaded) -> io::Result<()> {
    audit.take_stock(host.sandbox.ledger())?;
    host.settle()?;
    for shortage in host.shortage(&first.suite) {
        tracing::warn!("{shortage}");
    }
    Ok(())
}

fn open(host: &Host, folder: Option<&std::path::Path>) -> Result<(State, state::Keeper, Kept), StateError> {
    let Some(folder) = folder else {
        let (state, keeper) = State::none();
        return Ok((state, keeper, Kept::default()));
    };
    let (state, keeper, kept) = {
        let reserve = host.reserve.clone();
        let hold = Box::new(move || Box::new(reserve.hold()) as Box<dyn Send>);
        State::open(folder, hold, &host.settings().liveness)?
    };
    if state.is_unread()
        && let state::Health::Unread(reason) = state.health()
    {
        tracing::error!(
            "state in `{}` cannot be read: {reason}; the checks run all the same, alerts are held back for 60 s at most, \
             and it is tried again",
            folder.display()
        );
    }
    for note in &kept.notes {
        tracing::warn!("{note}");
    }
    Ok((state, keeper, kept))
}

/// Starts what tells of checks that are not well, where somebody is to be told.
fn alerts(
    host: &Host,
    settings: &alert::Settings,
    kept: &Kept,
    state: &State,
    begin: &CancellationToken,
) -> io::Result<Option<(alert::Desk, alert::Courier)>> {
    if settings.notifiers.is_empty() {
        let waiting = kept.of(Shelf::Notification).count();
        if waiting > 0 {
            tracing::error!("{waiting} notifications wait on disk, and the settings name no notifier");
        }
        return Ok(None);
    }
    if let Some(warning) = settings.unheard() {
        tracing::warn!("{warning}");
    }
    let kept_by = state.clone();
    let (mut desk, courier) = alert::start(alert::Start {
        settings,
        alerts: &rows(kept, Shelf::Alert),
        notifications: &rows(kept, Shelf::Notification),
        reserve: host.reserve.clone(),
        begin: begin.clone(),
        keep: Box::new(move |changes| drop(kept_by.put(changes))),
        say: Box::new(log),
        liveness: host.settings().liveness.clone(),
    })?;
    if state.is_unread() {
        desk.await_rows(SystemTime::now());
    }
    Ok(Some((desk, courier)))
}

/// `tracing` wants to know the level when it is compiled.
fn log(level: Level, line: &str) {
    match level {
        Level::ERROR => tracing::error!("{line}"),
        Level::WARN => tracing::warn!("{line}"),
        _ => tracing::info!("{line}"),
    }
}

/// What was kept of checks. A text that cannot be read is told, and costs its check its memory and nothing else.
fn restored(kept: &Kept) -> (Board, Restored) {
    let (records, retired, unreadable) = serve::parse(kept);
    for problem in unreadable {
        tracing::warn!("{problem}");
    }
    Board::restored(records, retired)
}

/// Says what came of a reload.
fn told(telemetry: Telemetry, systemd: Systemd) -> impl FnMut(&Answer, Option<Instant>) + Send {
    move |answer, retry_at| {
        match answer {
            Ok(reloaded) => {
                systemd.ready(reloaded.checks);
                match reloaded.removed {
                    0 => tracing::info!("reloaded: {reloaded}"),
                    _ => tracing::warn!("reloaded: {reloaded}"),
                }
            }
            Err(problems) => {
                systemd.refused();
                let wait = retry_at.map(|at| at.saturating_duration_since(Instant::now()));
                let seconds = wait.map(|wait| wait.as_millis().div_ceil(1_000));
                let retry =
                    seconds.map(|seconds| format!("\nthis may pass: it is read again in {seconds} s"));
                let retry = retry.unwrap_or_default();
                tracing::error!("the old suite goes on; the new one has problems:\n{problems}{retry}");
            }
        }
        telemetry.reloaded(
            answer
                .as_ref()
                .map(|reloaded| reloaded.checks)
                .map_err(String::as_str),
        );
    }
}

/// What the admin address shows, and what can be done there.
fn shown(
    host: &Host,
    (board, reloads): (Board, Reloads),
    reload: Reload,
    health: Health,
    exposition: Exposition,
) -> Shown {
    Shown {
        board,
        ledger: Arc::clone(host.sandbox.ledger()),
        reloads,
        started: (SystemTime::now(), Instant::now()),
        health: Box::new(move || health.check()),
        metrics: Box::new(move |format| Box::new(exposition.parts(format))),
        reload: Box::new(move || {
            let reload = reload.clone();
            Box::pin(async move { reload.ask().await.map(|reloaded| reloaded.checks) })
        }),
    }
}

/// Shows the runner on the admin address.
fn show(host: &Host, door: Option<Door>, shown: Shown, begin: &CancellationToken) -> io::Result<Thread> {
    let reserve = host.reserve.clone();
    let liveness = &host.settings().liveness;
    Thread::start(ADMIN, liveness, runtime()?, begin, |stop| async move {
        match door {
            Some(door) => admin::serve(door, reserve, shown, stop.cancelled()).await,
            None => stop.cancelled().await,
        }
    })
}
