//! Every check once, now.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use crate::dispatch::Dispatcher;
use crate::outcome::Run;
use crate::suite::Check;

/// Runs each check once, as many at once as there are permits; the runs come in the checks' order. Fewer runs than
/// checks come back when the dispatcher was drained meanwhile.
pub async fn once(checks: &[Arc<Check>], dispatcher: &Dispatcher) -> Vec<Run> {
    let due = Instant::now();
    let mut under_way: FuturesUnordered<_> = checks
        .iter()
        .enumerate()
        .map(|(place, check)| async move {
            let permit = dispatcher.permit().await?;
            Some((place, dispatcher.run(check, permit, due).await))
        })
        .collect();
    let mut runs = Vec::with_capacity(checks.len());
    while let Some(finished) = under_way.next().await {
        runs.extend(finished);
    }
    runs.sort_by_key(|(place, _)| *place);
    runs.into_iter().map(|(_, run)| run).collect()
}
