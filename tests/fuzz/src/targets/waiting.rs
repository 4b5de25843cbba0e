//! Runs what waits for something.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// With a clock that stands still while there is something to do.
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
