//! Work that must not occupy a worker thread of the runtime.

use super::IsolationError;
use canary_system::liveness;

/// Runs work that waits for disks, processors or processes off the runtime's worker threads.
pub(in crate::plugin) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IsolationError> {
    liveness::run_blocking("plugin", work)
        .await
        .map_err(IsolationError::Thread)
}
