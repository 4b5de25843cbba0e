//! The one place that starts threads.

use std::future::Future;
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::thread_error::{ThreadError, spawn_error};
use super::{BEAT, Impact, Progress, Registry};

/// Default time that stopping a thread may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
const JOIN_POLL: Duration = Duration::from_millis(1);
/// Stack size of a thread that takes over from the main thread, which has as much.
const MAIN_STACK: usize = 8 << 20;
/// Name of a thread in health, and what fails when it makes no progress. Its kernel name is `canary-NAME`.
#[derive(Debug, Clone, Copy)]
pub struct Component {
    /// A word or two.
    pub name: &'static str,
    /// What fails.
    pub impact: Impact,
}

/// For threads that may begin at once.
#[must_use]
pub fn already_begun() -> CancellationToken {
    let begin = CancellationToken::new();
    begin.cancel();
    begin
}

/// A single-threaded runtime for a thread that does network I/O.
///
/// # Errors
/// The operating system refuses what it needs.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        // Nothing uses the blocking pool.
        .max_blocking_threads(1)
        .build()
}

/// Starts a thread without a runtime. It has to report at least every [`super::STALL`], also when idle.
///
/// # Errors
/// The operating system refuses a thread.
pub fn spawn(
    component: Component,
    registry: &Registry,
    work: impl FnOnce(&Progress) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let progress = registry.register(component.name, component.impact);
    let name = format!("canary-{}", component.name);
    std::thread::Builder::new()
        .name(name.clone())
        // Owned by the closure, so that the drop of `progress` sees a panic.
        .spawn(move || work(&{ progress }))
        .map_err(|error| spawn_error(&name, error))
}

/// Checks that this many more threads can be started: they are started, and end.
///
/// # Errors
/// The operating system refuses one of them.
pub fn can_start(count: usize) -> io::Result<()> {
    let mut started = Vec::new();
    let mut refusal = None;
    while started.len() < count && refusal.is_none() {
        let (end_tx, end_rx) = sync_channel::<()>(0);
        let thread = std::thread::Builder::new()
            .name("canary-trial".to_owned())
            .spawn(move || {
                let _ended = end_rx.recv();
            });
        match thread {
            Ok(thread) => started.push((end_tx, thread)),
            Err(error) => refusal = Some(error),
        }
    }
    let count_started = started.len();
    for (end_tx, thread) in started {
        drop(end_tx);
        let _ended = thread.join();
    }
    let what = || format!("more than {count_started} of {count} threads");
    refusal.map_or(Ok(()), |error| Err(ThreadError::new(what(), error).into()))
}

/// Runs `work` on another thread and blocks the calling one until it is done.
///
/// The kernel delivers a signal of the process to its main thread first. If that were blocked by a disk, it would run
/// no handler, and neither would another thread; a thread that waits for a thread does.
///
/// # Errors
/// The operating system refuses a thread.
pub fn run_off_main_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let thread = std::thread::Builder::new()
        .name("canary-command".to_owned())
        .stack_size(MAIN_STACK)
        .spawn(work)
        .map_err(|error| spawn_error("canary-command", error))?;
    // Propagates the panic as if it had happened on the calling thread.
    thread.join().or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs `work` on a short-lived thread: for occasional work that blocks on a disk or computes for long. A runtime's
/// blocking pool would panic where the operating system has no thread to spare.
///
/// Cancellation: the work continues, and its result is dropped.
///
/// # Errors
/// The operating system refuses a thread, or `work` panicked.
pub async fn run_blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (result_tx, result_rx) = oneshot::channel();
    let name = format!("canary-{name}");
    std::thread::Builder::new()
        .name(name.clone())
        .stack_size(MAIN_STACK)
        // The receiver is gone if this was cancelled.
        .spawn(move || drop(result_tx.send(work())))
        .map_err(|error| spawn_error(&name, error))?;
    result_rx
        .await
        .map_err(|_| io::Error::other(format!("the thread {name} panicked")))
}

/// Waits for a thread that was asked to stop, for `limit` at most: one that hangs is left behind.
pub fn join(thread: JoinHandle<()>, limit: Duration) {
    let began = Instant::now();
    while !thread.is_finished() {
        if began.elapsed() > limit {
            return;
        }
        std::thread::park_timeout(JOIN_POLL);
    }
    // A panic was logged when it happened.
    let _ended = thread.join();
}

/// A thread with a runtime of its own, isolated from the others. Stops when dropped.
#[derive(Debug)]
pub struct Thread {
    stop: CancellationToken,
    handle: Option<JoinHandle<()>>,
    stop_timeout: Duration,
}

impl Thread {
    /// Runs `work` on `runtime` once `begin` is cancelled; `work` has to end when its own token is cancelled. If it
    /// ends before that, the component counts as dead.
    ///
    /// Descriptors that a thread opens before, or while, the host's own are counted would be attributed wrongly as
    /// long as the process lives: that is what `begin` is for.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start<F: Future>(
        component: Component,
        registry: &Registry,
        runtime: Runtime,
        begin: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let (begin, until) = (begin.clone(), stop.clone());
        let handle = spawn(component, registry, move |progress| {
            runtime.block_on(report_while(progress, async {
                tokio::select! {
                    () = begin.cancelled() => {}
                    () = until.cancelled() => {}
                }
                work(until.clone()).await;
            }));
            if !until.is_cancelled() {
                progress.exited_unexpectedly();
            }
            // A pending name lookup does not delay the end.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            stop,
            handle: Some(handle),
            stop_timeout: STOP_TIMEOUT,
        })
    }

    /// Sets the time that stopping may take.
    #[must_use]
    pub fn with_stop_timeout(mut self, time: Duration) -> Self {
        self.stop_timeout = time + STOP_TIMEOUT;
        self
    }

    /// Requests the thread to stop without waiting for it, so that several threads stop concurrently.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(handle) = self.handle.take() {
            join(handle, self.stop_timeout);
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `work` while reporting that its thread is not blocked.
pub async fn report_while(progress: &Progress, work: impl Future) {
    let beats = async {
        loop {
            progress.beat();
            sleep(BEAT).await;
        }
    };
    tokio::select! {
        biased;
        () = beats => {}
        _ = work => {}
    }
}
