//! `canary run`: wires up the service and its components, in start-up order.

mod admin;
mod alert_log;
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

use super::clock_monitor::pause_detector::PauseDetector;
use super::limits::{LimitError, ProcessKind};
use super::load::Loaded;
use super::publisher::{Publisher, rows};
use super::reload::{self, ReloadHandle, ReloadResult};
use super::supervisor::{self, RunObserver};
use super::systemd::SystemdNotifier;
use super::{Host, health_log_thread, health_signals, slow_poll_thread, telemetry_thread};
use admin::{admin_state, spawn_admin};
use alert_log::log_at;
use canary_admin::AdminListener;
use canary_net::ledger::audit::Audit;
use canary_outbound::alert_report::AlertReports;
use canary_run::account::RunAccount;
use canary_run::publish::{Restored, StatusStore};
use canary_run::report::Screen;
use canary_state::{State, StateError, StoredRows, Table};
use canary_system::liveness::Thread;
use canary_system::signal::Hangup;
use canary_telemetry::settings as telemetry;
use canary_telemetry::{MetricsHandle, Telemetry};
use canary_watch::health::Sources;
use canary_watch::heartbeat;
use canary_watch::reload_status::ReloadStatus;
use canary_watch::slow_polls::SlowPolls;
use canary_watch::supervisor_status::SupervisorStatus;

/// Service configuration set by the operator.
pub struct Settings {
    /// How long running checks may take to finish after shutdown was requested.
    pub grace: Duration,
    /// Directory for persistent state; `None` disables persistence.
    pub state: Option<PathBuf>,
    /// Alert configuration.
    pub alert: canary_alert::Settings,
    /// Telemetry configuration.
    pub telemetry: telemetry::Settings,
    /// Heartbeat configuration.
    pub heartbeat: Option<heartbeat::Settings>,
    /// Listener of the admin address.
    pub admin_listener: Option<AdminListener>,
    /// Requests reloads.
    pub hangup: Hangup,
    /// Screen that lines are formatted for.
    pub screen: Screen,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The operating system refused a thread, a runtime or a signal handler.
    #[error("cannot allocate the resources that the service needs")]
    System(#[source] io::Error),
    /// A process limit is too low.
    #[error("cannot start the service")]
    Limit(#[from] LimitError),
}

impl From<io::Error> for ServiceError {
    fn from(error: io::Error) -> Self {
        LimitError::from_io_error(&error, ProcessKind::Service).map_or(Self::System(error), Self::Limit)
    }
}

/// Runs a suite until `stop` completes. `paths` are the suite's files, which reloads read again.
///
/// # Errors
/// A required component cannot be started.
pub async fn run(
    host: Arc<Host>,
    paths: Vec<PathBuf>,
    first: Loaded,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<RunAccount, ServiceError> {
    let screen = settings.screen;
    let stdout = host.settings().streams.stdout.clone();
    let observe = |telemetry, router| Ok(Publisher::new(stdout, screen, telemetry, router));
    let (account, _) = run_with_observer(host, paths, first, settings, observe, stop).await?;
    Ok(account)
}

/// Like [`run`] with a custom observer, which has to forward events to telemetry, and to alerts if there are any.
/// Returns the observer as well.
///
/// # Errors
/// A required component cannot be started.
pub async fn run_with_observer<O: RunObserver>(
    host: Arc<Host>,
    paths: Vec<PathBuf>,
    first: Loaded,
    settings: Settings,
    observe: impl FnOnce(Telemetry, Option<canary_alert::AlertRouter>) -> io::Result<O>,
    stop: impl Future<Output = ()>,
) -> Result<(RunAccount, O), ServiceError> {
    // Dropped last, so that the final commit comes after everything that is persisted.
    let (state, _state_writer, stored) = open_state(&host, settings.state.as_deref())?;
    let (statuses, restored) = restore_statuses(&stored);
    let core = Core::new(host, statuses, state);
    let Core { host, begin, .. } = &core;
    let (router, dispatcher) = start_alerts(host, &settings.alert, &stored, &core.state, begin)?.unzip();
    let audit = host.audit()?;
    let reports = dispatcher
        .as_ref()
        .map(canary_alert::NotificationDispatcher::reports);
    let (telemetry_thread, telemetry, metrics) =
        telemetry_thread::start(host, &audit, &settings.telemetry, reports.clone(), begin)?;
    core.export_dropped_details(&metrics);
    let (slow_poll_thread, slow_polls) = slow_poll_thread::start(host, &metrics, begin)?;
    let sources = core.health_sources(&audit, &metrics, slow_polls, reports);
    let (signals, health) = health_signals::start(host, sources, settings.heartbeat, begin)?;
    let _health_log = health_log_thread::start(health.clone(), &host.settings().liveness, begin)?;
    let systemd = SystemdNotifier::start(&host.settings().liveness)?;
    let notified = (telemetry.clone(), systemd.clone());
    let (suite_updates, reload, reload_thread) =
        core.start_reloader(paths, &first, settings.hangup, notified)?;
    let readers = (core.statuses.clone(), core.reloads.clone());
    let admin_state = admin_state(host, readers, reload, health, metrics);
    let admin_thread = spawn_admin(host, settings.admin_listener, admin_state, begin)?;
    let mut observer = observe(telemetry, router)?;
    let dependencies = core.supervisor_dependencies(&first, suite_updates)?;
    core.reloads.initial_load(SystemTime::now());
    rebaseline_fds(host, &audit, &first)?;
    begin.cancel();
    systemd.ready(first.suite.checks.len());
    let stop = async {
        stop.await;
        systemd.stopping();
    };
    let account =
        supervisor::supervise(dependencies, first, restored, &mut observer, stop, settings.grace).await;
    // They stop concurrently, each with a time-out of its own.
    for thread in [
        &telemetry_thread,
        &reload_thread,
        &admin_thread,
        &slow_poll_thread,
    ] {
        thread.stop();
    }
    signals.stop();
    dispatcher
        .iter()
        .for_each(canary_alert::NotificationDispatcher::stop);
    Ok((account, observer))
}

/// State that the service's components share.
struct Core {
    host: Arc<Host>,
    statuses: StatusStore,
    state: State,
    supervisor_status: SupervisorStatus,
    reloads: ReloadStatus,
    /// Cancelled when all threads may begin.
    begin: CancellationToken,
}

impl Core {
    fn new(host: Arc<Host>, statuses: StatusStore, state: State) -> Self {
        Self {
            supervisor_status: SupervisorStatus::new(&host.settings().liveness),
            host,
            statuses,
            state,
            reloads: ReloadStatus::default(),
            begin: CancellationToken::new(),
        }
    }

    /// Exports as a metric how many last runs are stored without details.
    fn export_dropped_details(&self, metrics: &MetricsHandle) {
        let statuses = self.statuses.clone();
        metrics.set_dropped_details_source(move || statuses.dropped_details());
    }

    /// The inputs of the health checks.
    fn health_sources(
        &self,
        audit: &Audit,
        metrics: &MetricsHandle,
        slow_polls: SlowPolls,
        alerts: Option<AlertReports>,
    ) -> Sources {
        Sources {
            statuses: self.statuses.clone(),
            supervisor_status: self.supervisor_status.clone(),
            state: self.state.clone(),
            reloads: self.reloads.clone(),
            ledger: Arc::clone(self.host.sandbox.ledger()),
            audit: audit.clone(),
            metrics: metrics.clone(),
            slow_polls,
            trust: self.host.trust.clone(),
            names: self.host.names.clone(),
            alerts,
            liveness: self.host.settings().liveness.clone(),
        }
    }

    /// Starts the reload thread, which reports to telemetry and systemd.
    fn start_reloader(
        &self,
        paths: Vec<PathBuf>,
        first: &Loaded,
        hangup: Hangup,
        (telemetry, systemd): (Telemetry, SystemdNotifier),
    ) -> io::Result<(mpsc::Receiver<supervisor::SuiteUpdate>, ReloadHandle, Thread)> {
        let (updates_tx, updates_rx) = mpsc::channel(1);
        let (reload, thread) = reload::start(reload::Dependencies {
            host: Arc::clone(&self.host),
            paths,
            current: reload::CurrentSuite::new(first),
            suite_updates: updates_tx,
            reloads: self.reloads.clone(),
            hangup,
            systemd: systemd.clone(),
            begin: self.begin.clone(),
            on_reload: Box::new(on_reload(telemetry, systemd)),
        })?;
        Ok((updates_rx, reload, thread))
    }

    /// The dependencies of the supervisor.
    fn supervisor_dependencies(
        &self,
        first: &Loaded,
        suite_updates: mpsc::Receiver<supervisor::SuiteUpdate>,
    ) -> io::Result<supervisor::Dependencies> {
        Ok(supervisor::Dependencies {
            dispatcher: Arc::new(self.host.dispatcher(first.plugins.clone())),
            statuses: self.statuses.clone(),
            state: self.state.clone(),
            supervisor_status: self.supervisor_status.clone(),
            suite_updates,
            pause_detector: PauseDetector::start(&self.host.settings().liveness)?,
        })
    }
}

/// Records all descriptors that are open now as the host's own: those opened later belong to checks.
fn rebaseline_fds(host: &Host, audit: &Audit, first: &Loaded) -> io::Result<()> {
    audit.rebaseline(host.sandbox.ledger())?;
    host.rebaseline_fds()?;
    for shortage in host.resource_warnings(&first.suite) {
        tracing::warn!("{shortage}");
    }
    Ok(())
}

fn open_state(
    host: &Host,
    folder: Option<&std::path::Path>,
) -> Result<(State, canary_state::StateWriter, StoredRows), StateError> {
    let Some(folder) = folder else {
        let (state, state_writer) = State::none();
        return Ok((state, state_writer, StoredRows::default()));
    };
    let (state, state_writer, stored) = {
        let internal_fds = host.internal_fds.clone();
        let hold = Box::new(move || Box::new(internal_fds.acquire()) as Box<dyn Send>);
        State::open(folder, hold, &host.settings().liveness)?
    };
    if state.is_unread()
        && let canary_state::Health::Unread(reason) = state.health()
    {
        let path = folder.display().to_string();
        // A reason that is about a file names it.
        let place = if reason.contains(&path) {
            String::new()
        } else {
            format!(" in `{path}`")
        };
        tracing::error!(
            "cannot read the state{place}: {reason}; is `--state-dir` right? Checks run meanwhile, and alerts are \
             delayed by up to 60 s"
        );
    }
    for note in &stored.notes {
        tracing::warn!("{note}");
    }
    Ok((state, state_writer, stored))
}

/// Starts alerting, if a notifier is configured.
fn start_alerts(
    host: &Host,
    settings: &canary_alert::Settings,
    stored: &StoredRows,
    state: &State,
    begin: &CancellationToken,
) -> io::Result<Option<(canary_alert::AlertRouter, canary_alert::NotificationDispatcher)>> {
    if settings.notifiers.is_empty() {
        let waiting = stored.rows_in(Table::Notification).count();
        if waiting > 0 {
            let line = format!("{waiting} notifications are queued on disk, but no notifier is configured");
            log_at(Level::ERROR, &line);
        }
        return Ok(None);
    }
    if let Some(warning) = settings.unnoticed_status() {
        log_at(Level::WARN, warning);
    }
    let persistence = state.clone();
    let (mut router, dispatcher) = canary_alert::start(canary_alert::Start {
        settings,
        alerts: &rows(stored, Table::Alert),
        notifications: &rows(stored, Table::Notification),
        internal_fds: host.internal_fds.clone(),
        start_signal: begin.clone(),
        persist: Box::new(move |changes| drop(persistence.put(changes))),
        log: Box::new(log_at),
        liveness: host.settings().liveness.clone(),
    })?;
    if state.is_unread() {
        router.await_rows(SystemTime::now());
    }
    Ok(Some((router, dispatcher)))
}

/// Restores the persisted statuses. A row that cannot be read is logged; only that check loses its history.
fn restore_statuses(stored: &StoredRows) -> (StatusStore, Restored) {
    let (records, retired, unreadable) = supervisor::parse(stored);
    for problem in unreadable {
        tracing::warn!("{problem}");
    }
    StatusStore::from_records(records, retired)
}

/// Logs the result of a reload and reports it to systemd and telemetry.
fn on_reload(
    telemetry: Telemetry,
    systemd: SystemdNotifier,
) -> impl FnMut(&ReloadResult, Option<Instant>) + Send {
    move |result, retry_at| {
        match result {
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
                let retry = seconds.map(|seconds| format!("\nretrying in {seconds} s"));
                let retry = retry.unwrap_or_default();
                tracing::error!("reload failed, keeping the current suite:\n{problems}{retry}");
            }
        }
        telemetry.suite_reloaded(
            result
                .as_ref()
                .map(|reloaded| reloaded.checks)
                .map_err(String::as_str),
        );
    }
}
