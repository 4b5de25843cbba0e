//! `canary check`: every check once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::run::{listen, load_and_warn};
use super::settings::Settings;
use super::{Format, Output};
use crate::app::load::Loaded;
use crate::app::{self, Host};
use crate::console::Console;
use crate::dispatch::Dispatcher;
use crate::outcome::Run;
use crate::report::{self, Screen};
use crate::suite::{Check, Suite, suggest};

/// `--only` names a check that the suite does not have.
#[derive(Debug, thiserror::Error)]
#[error("no check named `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub(super) struct NoSuchCheck {
    name: String,
    nearest: Option<String>,
}

/// Runs every check once, or those that `only` names.
pub(super) async fn runs(
    suites: &[PathBuf],
    only: &[String],
    host: &Host,
    settings: &Settings,
) -> anyhow::Result<Vec<Run>> {
    let Loaded { suite, plugins, .. } = load_and_warn(suites, host).await?;
    let checks = select(suite, only)?;
    let runs = run_once(&checks, &host.dispatcher(plugins), host).await?;
    app::check::export(&checks, &runs, host, &settings.telemetry).context("cannot start telemetry")?;
    Ok(runs)
}

/// Runs every check once, until a termination signal.
pub(super) async fn run_once(
    checks: &[Arc<Check>],
    dispatcher: &Dispatcher,
    host: &Host,
) -> anyhow::Result<Vec<Run>> {
    let mut shutdown = listen(host, Duration::ZERO)?;
    let run_once = app::check::run_once(checks, dispatcher);
    let mut run_once = std::pin::pin!(run_once);
    Ok(tokio::select! {
        runs = &mut run_once => runs,
        () = shutdown.requested() => {
            dispatcher.abort_running();
            run_once.await
        }
    })
}

/// Prints the runs and returns the exit code.
pub(super) fn print_runs(
    runs: &[Run],
    output: Output,
    console: &Console,
    screen: Screen,
) -> anyhow::Result<u8> {
    match output.format {
        Format::Human => console.print(&report::human(runs, output.detail(), screen))?,
        Format::Json => {
            for part in report::json_parts(runs) {
                console.print(&part?)?;
            }
        }
        Format::Junit => {
            let host = rustix::system::uname();
            for part in report::junit_parts(runs, &host.nodename().to_string_lossy()) {
                console.print(&part)?;
            }
        }
    }
    Ok(report::exit_code(runs))
}

fn select(suite: Suite, only: &[String]) -> Result<Vec<Arc<Check>>, NoSuchCheck> {
    for name in only {
        if !suite.checks.iter().any(|check| check.name == *name) {
            let known = suite.checks.iter().map(|check| check.name.as_str());
            let nearest = suggest::closest(name, known).map(str::to_owned);
            return Err(NoSuchCheck {
                name: name.clone(),
                nearest,
            });
        }
    }
    let mut checks = suite.checks;
    checks.retain(|check| only.is_empty() || only.contains(&check.name));
    Ok(checks)
}
