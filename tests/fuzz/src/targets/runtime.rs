//! Runs futures.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// A runtime with a paused clock, which advances only when all tasks are idle.
static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .ok()
});

/// The result of a future.
///
/// # Panics
/// The operating system refuses a runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    match &*RUNTIME {
        Some(runtime) => runtime.block_on(future),
        None => super::fail("there is no runtime"),
    }
}
