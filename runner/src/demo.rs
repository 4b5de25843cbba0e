//! A bundled suite against bundled targets on loopback, the leaking one of the story included.

mod certificates;
mod live;
mod suite;
mod targets;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::admin::Door;
use crate::alert;
use crate::app::service::{self, ServiceError};
use crate::app::{self, Host};
use crate::console::Console;
use crate::ledger::audit::Audit;
use crate::outcome::Run;
use crate::report::{Detail, Screen, human};
use crate::signal::{self, Hangup, Shutdown};
use crate::suite::Problems;
use crate::telemetry::settings::Settings;
use targets::Targets;

/// How long runs may go on after the end was asked for: longer than any check may take.
const GRACE: Duration = Duration::from_secs(4);

/// The demo cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The bundled targets do not start.
    #[error("cannot start the bundled targets")]
    Targets(#[source] io::Error),
    /// The certificates for the bundled targets cannot be made.
    #[error("cannot make certificates for the bundled targets")]
    Certificates(#[source] rcgen::Error),
    /// The bundled suite cannot be written or read; a fault of this build.
    #[error("the bundled suite is broken")]
    Suite(#[source] Problems),
    /// The bundled suite has no place on disk to be read from.
    #[error("cannot write the bundled suite")]
    Write(#[source] io::Error),
    /// Signals or descriptors are out of reach.
    #[error("the operating system refused")]
    System(#[source] io::Error),
    /// The service that runs the bundled suite does not start.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What the demo says of itself at its end.
struct Ending {
    /// Checks that ended otherwise than the suite says, by name.
    surprises: Vec<String>,
    unaccounted: u64,
}

/// Runs every bundled check once, prints, and says whether each ended as the suite says.
///
/// # Errors
/// The demo cannot be shown.
pub async fn once(
    host: &Host,
    telemetry: Option<&Settings>,
    console: &Console,
    screen: Screen,
) -> Result<bool, DemoError> {
    let stage = Stage::set(host).await?;
    let dispatcher = host.dispatcher(stage.loaded.plugins.clone());
    // Compiled plugins and the runtime have their descriptors now: what is added from here on, checks add.
    let audit = host.audit().map_err(DemoError::System)?;
    let runs = app::check::once(&stage.loaded.suite.checks, &dispatcher).await;
    let ending = stage.ending(host, &audit, &runs)?;
    if let Some(settings) = telemetry {
        app::check::tell(&stage.loaded.suite.checks, &runs, host, settings).map_err(DemoError::System)?;
    }
    let text = format!(
        "{}\n{}",
        human(&runs, Detail::Trouble, screen),
        ending.words(host, &runs)
    );
    console.print(&text).map_err(DemoError::System)?;
    Ok(ending.is_as_told())
}

/// Runs the bundled suite at its cadence, as a service with a live table, until a signal. The `door` is opened, where
/// there is one, once stock is taken of what is open.
///
/// # Errors
/// The demo cannot be shown.
pub async fn live(
    host: &Arc<Host>,
    telemetry: &Settings,
    door: impl FnOnce() -> Option<Door>,
    (console, screen): (&Console, Screen),
) -> Result<bool, DemoError> {
    let stage = Stage::set(host).await?;
    signal::guard(&host.settings().liveness, GRACE).map_err(DemoError::System)?;
    let mut shutdown = Shutdown::listen().map_err(DemoError::System)?;
    let audit = host.audit().map_err(DemoError::System)?;
    let settings = service::Settings {
        grace: GRACE,
        state: None,
        alert: alert::Settings::default(),
        telemetry: telemetry.clone(),
        heartbeat: None,
        door: door(),
        hangup: Hangup::never(),
        screen,
    };
    let (paths, loaded) = (vec![stage.file.path().to_owned()], stage.loaded.clone());
    let watch = |telemetry, _| Ok(live::Watcher::new(host, telemetry, screen));
    let stop = shutdown.requested();
    let (_, watcher) = service::watched(Arc::clone(host), paths, loaded, settings, watch, stop).await?;
    let runs = watcher.finish();
    let ending = stage.ending(host, &audit, &runs)?;
    console
        .print(&ending.words(host, &runs))
        .map_err(DemoError::System)?;
    Ok(ending.is_as_told())
}

/// The targets and the suite that looks at them.
struct Stage {
    _targets: Targets,
    /// Where the suite was read from.
    file: NamedTempFile,
    loaded: app::load::Loaded,
}

impl Stage {
    async fn set(host: &Host) -> Result<Self, DemoError> {
        let targets = Targets::start(&host.reserve).await?;
        let (file, loaded) = suite::load(&targets, host).await?;
        Ok(Self {
            _targets: targets,
            file,
            loaded,
        })
    }

    fn ending(&self, host: &Host, audit: &Audit, runs: &[Run]) -> Result<Ending, DemoError> {
        let surprises = runs.iter().filter(|run| !suite::is_as_told(run));
        let unaccounted = audit.unaccounted(host.sandbox.ledger());
        Ok(Ending {
            surprises: surprises.map(|run| run.check.id.to_string()).collect(),
            unaccounted: unaccounted.map_err(DemoError::System)?,
        })
    }
}

impl Ending {
    fn is_as_told(&self) -> bool {
        self.surprises.is_empty() && self.unaccounted == 0
    }

    fn words(&self, host: &Host, runs: &[Run]) -> String {
        let ledger = host.sandbox.ledger();
        let told = match self.surprises.as_slice() {
            [] => format!(
                "all {} checks ended as the demo says they should (some are meant to fail)",
                runs.len()
            ),
            names => format!(
                "these checks ended otherwise than the demo says: {}",
                names.join(", ")
            ),
        };
        format!(
            "{told}\ndescriptors: {} lent of {}, {} reclaimed from plugins that kept them, {} unaccounted\n",
            ledger.leased(),
            ledger.capacity(),
            ledger.reclaimed(),
            self.unaccounted,
        )
    }
}
