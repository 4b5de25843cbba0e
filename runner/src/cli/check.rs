//! `canary check`: every check once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::output::{RunFormat, RunOutput};
use super::run::{listen, load_and_warn};
use super::settings::Settings;
use crate::app::load::Loaded;
use crate::app::{self, Host};
use canary_console::Console;
use canary_run::outcome::Run;
use canary_run::report::{self, Screen};
use canary_sandbox::dispatch::Dispatcher;
use canary_suite::{Check, Suite, suggest};

/// `--check` names a check that the suite does not have.
#[derive(Debug, thiserror::Error)]
#[error("no check named `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub(super) struct NoSuchCheck {
    name: String,
    nearest: Option<String>,
}

/// Runs every check once, or those whose names or ids are `wanted`.
pub(super) async fn runs(
    suites: &[PathBuf],
    wanted: &[String],
    host: &Host,
    settings: &Settings,
) -> anyhow::Result<Vec<Run>> {
    let Loaded { suite, plugins, .. } = load_and_warn(suites, host).await?;
    let checks = select(suite, wanted)?;
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
    output: RunOutput,
    console: &Console,
    screen: Screen,
) -> anyhow::Result<u8> {
    match output.format {
        RunFormat::Human => console.print(&report::human(runs, output.detail(), screen))?,
        RunFormat::Json => {
            for part in report::json_parts(runs) {
                console.print(&part?)?;
            }
        }
        RunFormat::Junit => {
            let host = rustix::system::uname();
            for part in report::junit_parts(runs, &host.nodename().to_string_lossy()) {
                console.print(&part)?;
            }
        }
    }
    Ok(report::exit_code(runs))
}

fn select(suite: Suite, wanted: &[String]) -> Result<Vec<Arc<Check>>, NoSuchCheck> {
    let is_named = |check: &Check, name: &String| check.name == *name || check.id.as_str() == name;
    for name in wanted {
        if !suite.checks.iter().any(|check| is_named(check, name)) {
            let known = suite.checks.iter().map(|check| check.name.as_str());
            let nearest = suggest::closest(name, known).map(str::to_owned);
            return Err(NoSuchCheck {
                name: name.clone(),
                nearest,
            });
        }
    }
    let mut checks = suite.checks;
    checks.retain(|check| wanted.is_empty() || wanted.iter().any(|name| is_named(check, name)));
    Ok(checks)
}
