//! The one place where a thread is started.

use std::future::Future;
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::refused::{ThreadError, refused};
use super::{BEAT, Impact, Progress, Registry};

/// How long the end of a thread may take, where it has named no other time.
const LAST_MOMENT: Duration = Duration::from_secs(2);
const JOIN_LOOK: Duration = Duration::from_millis(1);
/// Bytes of stack of the thread that does what the main one would: as many as that has.
const MAIN_STACK: usize = 8 << 20;
/// What a thread is called in health, and what fails when it makes no progress. In the kernel it is `canary-NAME`.
#[derive(Debug, Clone, Copy)]
pub struct Component {
    /// A word or two.
    pub name: &'static str,
    /// What fails.
    pub impact: Impact,
}

/// For threads that need not wait for anything.
#[must_use]
pub fn begun() -> CancellationToken {
    let begin = CancellationToken::new();
    begin.cancel();
    begin
}

/// A runtime for one thread that waits for the network, and for nobody else.
///
/// # Errors
/// The operating system refuses what it needs.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        // Nothing uses its pool of threads.
        .max_blocking_threads(1)
        .build()
}

/// Starts a thread without a runtime. It has to report at least every [`super::STALL`], also when it has nothing to do.
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
        // Owned by the closure, so that a panic is seen by the drop of `progress`.
        .spawn(move || work(&{ progress }))
        .map_err(|error| refused(&name, error))
}

/// Whether so many threads can be started now, beside those that there are: they are, and end.
///
/// # Errors
/// The operating system refuses one of them.
pub fn can_start(count: usize) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut refusal = None;
    while waiting.len() < count && refusal.is_none() {
        let (end, ended) = sync_channel::<()>(0);
        let thread = std::thread::Builder::new()
            .name("canary-trial".to_owned())
            .spawn(move || {
                let _ended = ended.recv();
            });
        match thread {
            Ok(thread) => waiting.push((end, thread)),
            Err(error) => refusal = Some(error),
        }
    }
    let started = waiting.len();
    for (end, thread) in waiting {
        drop(end);
        let _ended = thread.join();
    }
    let what = || format!("more than {started} of {count} threads");
    refusal.map_or(Ok(()), |error| Err(ThreadError::new(what(), error).into()))
}

/// Does `work` on a thread of its own, which the calling one waits for and does nothing else.
///
/// The kernel hands a signal of the process to its main thread first. Were that one waiting for a disk, it would run no
/// handler, and neither would another thread; one that waits for a thread does.
///
/// # Errors
/// The operating system refuses a thread.
pub fn apart_from_main<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let thread = std::thread::Builder::new()
        .name("canary-command".to_owned())
        .stack_size(MAIN_STACK)
        .spawn(work)
        .map_err(|error| refused("canary-command", error))?;
    // Ends as it would have on the calling thread.
    thread.join().or_else(|panic| std::panic::resume_unwind(panic))
}

/// Does `work` on a thread of its own, which ends with it: for what waits for a disk, or computes for long, now and then.
/// A runtime's pool panics where the operating system has no thread to spare.
///
/// Cancellation: the work goes on, and nobody hears what came of it.
///
/// # Errors
/// The operating system refuses a thread, or `work` panicked.
pub async fn once<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done_tx, done) = oneshot::channel();
    let name = format!("canary-{name}");
    std::thread::Builder::new()
        .name(name.clone())
        .stack_size(MAIN_STACK)
        // Nobody waits when this was cancelled.
        .spawn(move || drop(done_tx.send(work())))
        .map_err(|error| refused(&name, error))?;
    done.await
        .map_err(|_| io::Error::other(format!("the thread {name} panicked")))
}

/// Waits for the end of a thread that was asked for it, for `limit` at most: one that hangs is left behind.
pub fn join(thread: JoinHandle<()>, limit: Duration) {
    let began = Instant::now();
    while !thread.is_finished() {
        if began.elapsed() > limit {
            return;
        }
        std::thread::park_timeout(JOIN_LOOK);
    }
    // A panic was logged when it happened.
    let _ended = thread.join();
}

/// A thread with a runtime of its own: what works there holds nobody up, and nobody holds it up. Ends when dropped.
#[derive(Debug)]
pub struct Thread {
    stop: CancellationToken,
    handle: Option<JoinHandle<()>>,
    patience: Duration,
}

impl Thread {
    /// Does `work` on `runtime` from when `begin` is cancelled until it is over; `work` ends when its own token is, and
    /// when it ends before that, the component counts as dead.
    ///
    /// What a thread opens before stock is taken of what is open, or is just about to, would be taken for what it is
    /// not as long as the process lives: that is what `begin` is for.
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
            runtime.block_on(reporting(progress, async {
                tokio::select! {
                    () = begin.cancelled() => {}
                    () = until.cancelled() => {}
                }
                work(until.clone()).await;
            }));
            if !until.is_cancelled() {
                progress.ended_unasked();
            }
            // A name that is being looked up holds the end up no longer.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            stop,
            handle: Some(handle),
            patience: LAST_MOMENT,
        })
    }

    /// The same, with this much time for its end.
    #[must_use]
    pub fn patiently(mut self, time: Duration) -> Self {
        self.patience = time + LAST_MOMENT;
        self
    }

    /// Asks for the end without waiting for it, so that several threads end at the same time.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(handle) = self.handle.take() {
            join(handle, self.patience);
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end();
    }
}

/// `work`, while the thread that does it reports that it is not blocked.
pub(crate) async fn reporting(progress: &Progress, work: impl Future) {
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
