//! A thread with a runtime of its own: what works there holds nobody up, and nobody holds it up.

use std::future::Future;
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::console;

/// How long the end may take, unless told otherwise.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// For threads that need not wait for anything.
#[must_use]
pub fn at_once() -> CancellationToken {
    let begin = CancellationToken::new();
    begin.cancel();
    begin
}

/// Ends when it is told to, or dropped.
pub struct Thread {
    name: &'static str,
    stop: CancellationToken,
    ended: Receiver<()>,
    handle: Option<JoinHandle<()>>,
    patience: Duration,
}

impl Thread {
    /// Does `work` on `runtime` from when `begin` is cancelled until it is over; `work` ends when its own token is.
    ///
    /// What a thread opens before stock is taken of what is open, or is just about to, would be taken for what it is
    /// not as long as the process lives: that is what `begin` is for.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start<F: Future>(
        name: &'static str,
        runtime: Runtime,
        begin: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let (begin, until) = (begin.clone(), stop.clone());
        let (ending, ended) = sync_channel(1);
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = begin.cancelled() => {}
                    () = until.cancelled() => {}
                }
                work(until).await;
            });
            // A name that is being looked up holds the end up no longer.
            runtime.shutdown_background();
            // Nobody waits any more when this is late.
            let _late = ending.send(());
        };
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self {
            name,
            stop,
            ended,
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

    fn end(&mut self) {
        self.stop.cancel();
        let Some(handle) = self.handle.take() else { return };
        let ended = self.ended.recv_timeout(self.patience);
        if ended == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // It hangs on a disk; the process ends without it.
            return;
        }
        if handle.join().is_err() {
            console::note(&format!("thread {} ended by a fault of its own", self.name));
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{TryRecvError, channel};

    use tokio::runtime::Builder;

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn work_begins_when_it_may_and_not_before() {
        let begin = CancellationToken::new();
        let (tell, told) = channel();
        let thread = Thread::start("test", runtime(), &begin, |stop| async move {
            tell.send(()).unwrap();
            stop.cancelled().await;
        });
        let thread = thread.unwrap();
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
        begin.cancel();
        assert_eq!(told.recv(), Ok(()));
        drop(thread);
    }

    #[test]
    fn a_thread_that_never_began_ends_all_the_same() {
        let thread = Thread::start("test", runtime(), &CancellationToken::new(), |stop| async move {
            stop.cancelled().await;
        });
        drop(thread.unwrap());
    }
}
