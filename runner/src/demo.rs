//! The `demo` command: a bundled suite against bundled targets on loopback, including a leaking plugin.

mod certificates;
mod live;
mod suite;
mod targets;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::app::bootstrap::{self, ServiceError};
use crate::app::{self, Host};
use canary_admin::AdminListener;
use canary_console::Console;
use canary_net::ledger::audit::Audit;
use canary_run::outcome::Run;
use canary_run::report::{Detail, Screen, human};
use canary_suite::Problems;
use canary_system::signal::{self, Hangup, Shutdown};
use canary_telemetry::settings::Settings;
use targets::Targets;

/// How long runs may go on after a stop: longer than the time-out of any check.
const GRACE: Duration = Duration::from_secs(4);

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The bundled targets cannot be started.
    #[error("cannot start the bundled targets")]
    Targets(#[source] io::Error),
    /// The certificates for the bundled targets cannot be made.
    #[error("cannot create certificates for the bundled targets")]
    Certificates(#[source] rcgen::Error),
    /// The bundled suite is invalid, which is a bug of this build.
    #[error("the bundled suite is invalid")]
    Suite(#[source] Problems),
    /// The bundled suite cannot be written to a temporary file.
    #[error("cannot write the bundled suite")]
    Write(#[source] io::Error),
    /// Signals or descriptors are not available.
    #[error("operating system error")]
    System(#[source] io::Error),
    /// The service that runs the bundled suite cannot be started.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Result of the demo, printed at its end.
struct DemoResult {
    /// Checks that did not end as the suite expects, by id.
    unexpected: Vec<String>,
    unaccounted: u64,
}

/// Runs every bundled check once and prints the results. Returns whether each ended as the suite expects.
///
/// # Errors
/// The demo cannot run.
pub async fn run_once(
    host: &Host,
    telemetry: Option<&Settings>,
    console: &Console,
    screen: Screen,
) -> Result<bool, DemoError> {
    let demo = Demo::start(host).await?;
    let dispatcher = host.dispatcher(demo.loaded.plugins.clone());
    // Plugins are compiled and the runtime has its descriptors: from here on, only checks open new ones.
    let audit = host.audit().map_err(DemoError::System)?;
    let runs = app::check::run_once(&demo.loaded.suite.checks, &dispatcher).await;
    let result = demo.result(host, &audit, &runs)?;
    if let Some(settings) = telemetry {
        app::check::export(&demo.loaded.suite.checks, &runs, host, settings).map_err(DemoError::System)?;
    }
    let text = format!(
        "{}\n{}",
        human(&runs, Detail::Problems, screen),
        result.summary(host, &runs)
    );
    console.print(&text).map_err(DemoError::System)?;
    Ok(result.is_as_expected())
}

/// Runs the bundled suite on its schedule as a service, with a live table, until a signal. The admin listener is opened
/// after the baseline of open descriptors is taken.
///
/// # Errors
/// The demo cannot run.
pub async fn run_live(
    host: &Arc<Host>,
    telemetry: &Settings,
    open_admin: impl FnOnce() -> Option<AdminListener>,
    (console, screen): (&Console, Screen),
) -> Result<bool, DemoError> {
    let demo = Demo::start(host).await?;
    signal::guard(&host.settings().liveness, GRACE).map_err(DemoError::System)?;
    let mut shutdown = Shutdown::listen().map_err(DemoError::System)?;
    let audit = host.audit().map_err(DemoError::System)?;
    let settings = bootstrap::Settings {
        grace: GRACE,
        state: None,
        alert: canary_alert::Settings::default(),
        telemetry: telemetry.clone(),
        heartbeat: None,
        admin_listener: open_admin(),
        hangup: Hangup::never(),
        screen,
    };
    let (paths, loaded) = (vec![demo.file.path().to_owned()], demo.loaded.clone());
    let watch = |telemetry, _| Ok(live::LiveTable::new(host, telemetry, screen));
    let stop = shutdown.requested();
    let (_, table) =
        bootstrap::run_with_observer(Arc::clone(host), paths, loaded, settings, watch, stop).await?;
    let runs = table.into_last_runs();
    let result = demo.result(host, &audit, &runs)?;
    console
        .print(&result.summary(host, &runs))
        .map_err(DemoError::System)?;
    Ok(result.is_as_expected())
}

/// The running targets and the suite that checks them.
struct Demo {
    _targets: Targets,
    /// The suite's file.
    file: NamedTempFile,
    loaded: app::load::Loaded,
}

impl Demo {
    async fn start(host: &Host) -> Result<Self, DemoError> {
        let targets = Targets::start(&host.internal_fds).await?;
        let (file, loaded) = suite::load(&targets, host).await?;
        Ok(Self {
            _targets: targets,
            file,
            loaded,
        })
    }

    fn result(&self, host: &Host, audit: &Audit, runs: &[Run]) -> Result<DemoResult, DemoError> {
        let unexpected = runs.iter().filter(|run| !suite::is_as_expected(run));
        let unaccounted = audit.unaccounted(host.sandbox.ledger());
        Ok(DemoResult {
            unexpected: unexpected.map(|run| run.check.id.to_string()).collect(),
            unaccounted: unaccounted.map_err(DemoError::System)?,
        })
    }
}

impl DemoResult {
    fn is_as_expected(&self) -> bool {
        self.unexpected.is_empty() && self.unaccounted == 0
    }

    fn summary(&self, host: &Host, runs: &[Run]) -> String {
        let ledger = host.sandbox.ledger();
        let expected = match self.unexpected.as_slice() {
            [] => format!(
                "all {} checks ended as expected (some are meant to fail)",
                runs.len()
            ),
            names => format!("checks with unexpected outcomes: {}", names.join(", ")),
        };
        format!(
            "{expected}\ndescriptors: {} of {} leased, {} reclaimed from leaking plugins, {} unaccounted\n",
            ledger.leased(),
            ledger.capacity(),
            ledger.reclaimed(),
            self.unaccounted,
        )
    }
}
