//! Every check once, now.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::{Host, aside};
use crate::dispatch::Dispatcher;
use crate::liveness::begun;
use crate::outcome::Run;
use crate::publish::Board;
use crate::suite::Check;
use crate::telemetry::settings::{Exporter, Settings, Signal};

/// Runs each check once, as many at once as there are permits; the runs come in the checks' order. Fewer runs than
/// checks come back when the dispatcher was drained meanwhile.
pub async fn once(checks: &[Arc<Check>], dispatcher: &Dispatcher) -> Vec<Run> {
    let due = Instant::now();
    let mut under_way: FuturesUnordered<_> = checks
        .iter()
        .enumerate()
        .map(|(place, check)| async move {
            let job = dispatcher.job(check, due);
            let permit = dispatcher.permit(&job).await?;
            Some((place, dispatcher.run(job, permit).await))
        })
        .collect();
    let mut runs = Vec::with_capacity(checks.len());
    while let Some(finished) = under_way.next().await {
        runs.extend(finished);
    }
    runs.sort_by_key(|(place, _)| *place);
    runs.into_iter().map(|(_, run)| run).collect()
}

/// Tells telemetry of runs, and waits until it has left; nothing to do where there is nowhere to send it to.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub fn tell(checks: &[Arc<Check>], runs: &[Run], host: &Host, settings: &Settings) -> io::Result<()> {
    if Signal::ALL
        .iter()
        .all(|signal| *settings.exporter(*signal) == Exporter::None)
    {
        return Ok(());
    }
    let (_telling, telemetry, _) = aside::telemetry(host, &host.audit()?, settings, None, &begun())?;
    telemetry.suite(checks.to_vec());
    let board = Board::default();
    for run in runs {
        let run = Arc::new(run.clone());
        let standing = board.publish(&run, SystemTime::now());
        telemetry.finished(&run, &standing);
    }
    Ok(())
}
