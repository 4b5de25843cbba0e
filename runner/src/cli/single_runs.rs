//! Single runs of checks, for `canary check` and `canary probe`: runs each check once, and prints the runs.

use std::sync::Arc;
use std::time::Duration;

use super::output::{RunFormat, RunOutput};
use super::preparation::listen;
use crate::app::{self, Host};
use canary_console::Console;
use canary_run::outcome::Run;
use canary_run::report::{self, Screen};
use canary_sandbox::dispatch::Dispatcher;
use canary_suite::Check;

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
