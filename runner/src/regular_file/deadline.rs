//! Waiting for a disk, but not for ever: a system call on a mount whose server is gone cannot be interrupted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one file may take.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Threads that were given up and still wait. Beyond that nothing is tried.
const MOST_STALLED: usize = 8;

/// Why a file was not waited for.
#[derive(Debug, thiserror::Error)]
pub enum Stalled {
    /// It took too long.
    #[error("no answer from the disk within {} s", .limit.as_secs())]
    Now {
        /// What it was given.
        limit: Duration,
    },
    /// An earlier attempt at the same file still waits.
    #[error("an earlier read of it still waits for the disk")]
    Before,
    /// Too many attempts at other files still wait.
    #[error("{MOST_STALLED} earlier reads still wait for the disk")]
    TooMany,
}

impl From<Stalled> for io::Error {
    fn from(stalled: Stalled) -> Self {
        Self::new(io::ErrorKind::TimedOut, stalled)
    }
}

/// Reads that were given up.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Vec<GivenUp>>>);

#[derive(Debug)]
struct GivenUp {
    number: u64,
    path: PathBuf,
}

/// What a thread holds while it waits; its drop says that it does so no longer.
struct Attempt {
    number: u64,
    waiting: Waiting,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        lock(&self.waiting.0).retain(|given_up| given_up.number != self.number);
    }
}

/// Does `work`, which waits for the disk on behalf of `path`, for at most [`LIMIT`].
///
/// When that is over its thread is given up: it ends as soon as the disk answers. At most 8 such threads exist; until
/// one of them ends, and for the same path in any case, further calls fail at once.
///
/// # Errors
/// `TimedOut` with [`Stalled`] inside; the operating system has no thread to spare.
pub fn within<T: Send + 'static>(path: &Path, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static WAITING: Mutex<Option<Waiting>> = Mutex::new(None);
    let waiting = lock(&WAITING).get_or_insert_default().clone();
    waiting.within(LIMIT, path, work)
}

impl Waiting {
    pub(super) fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        self.judge(path)?;
        let (tx, rx) = sync_channel(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let attempt = Attempt {
            number,
            waiting: self.clone(),
        };
        let work = move || {
            let _attempt = attempt;
            // Nobody waits when this one was given up.
            let _given_up = tx.send(work());
        };
        std::thread::Builder::new()
            .name("canary-file".to_owned())
            .spawn(work)?;
        match rx.recv_timeout(limit) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Disconnected) => return Err(failed()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let mut stalled = lock(&self.0);
        // It may have come to an end since.
        if let Ok(done) = rx.try_recv() {
            return Ok(done);
        }
        stalled.push(GivenUp {
            number,
            path: path.to_owned(),
        });
        Err(Stalled::Now { limit }.into())
    }

    fn judge(&self, path: &Path) -> Result<(), Stalled> {
        let stalled = lock(&self.0);
        if stalled.iter().any(|given_up| given_up.path == path) {
            return Err(Stalled::Before);
        }
        match stalled.len() < MOST_STALLED {
            true => Ok(()),
            false => Err(Stalled::TooMany),
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("the thread that reads it panicked")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every section is a few assignments.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
