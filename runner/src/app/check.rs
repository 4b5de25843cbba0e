//! One-shot execution: runs every check once.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::{Host, telemetry_thread};
use canary_run::outcome::Run;
use canary_run::publish::StatusStore;
use canary_sandbox::dispatch::Dispatcher;
use canary_suite::Check;
use canary_system::liveness::already_begun;
use canary_telemetry::Signal;
use canary_telemetry::settings::{Exporter, Settings};

/// Runs each check once, with as much concurrency as there are permits. Returns the runs in the order of the checks;
/// fewer runs than checks when the dispatcher was drained meanwhile.
pub async fn run_once(checks: &[Arc<Check>], dispatcher: &Dispatcher) -> Vec<Run> {
    let due = Instant::now();
    let mut under_way: FuturesUnordered<_> = checks
        .iter()
        .enumerate()
        .map(|(index, check)| async move {
            let job = dispatcher.job(check, due);
            let permit = dispatcher.permit(&job).await?;
            Some((index, dispatcher.run(job, permit).await))
        })
        .collect();
    let mut runs = Vec::with_capacity(checks.len());
    while let Some(run) = under_way.next().await {
        runs.extend(run);
    }
    runs.sort_by_key(|(index, _)| *index);
    runs.into_iter().map(|(_, run)| run).collect()
}

/// Exports the runs through telemetry and waits for the flush; a no-op if every exporter is `none`.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub fn export(checks: &[Arc<Check>], runs: &[Run], host: &Host, settings: &Settings) -> io::Result<()> {
    if Signal::ALL
        .iter()
        .all(|signal| *settings.exporter(*signal) == Exporter::None)
    {
        return Ok(());
    }
    let (_telemetry_thread, telemetry, _) =
        telemetry_thread::start(host, &host.audit()?, settings, None, &already_begun())?;
    telemetry.suite_changed(checks.to_vec());
    let statuses = StatusStore::default();
    for run in runs {
        let run = Arc::new(run.clone());
        let check_status = statuses.publish(&run, SystemTime::now());
        telemetry.run_finished(&run, &check_status);
    }
    Ok(())
}
