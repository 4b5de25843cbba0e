//! Timeouts for disk operations: a system call on a mount whose server is gone cannot be interrupted, so its thread is
//! abandoned.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::Owner;
use crate::liveness;

/// Name of the reading threads.
const THREAD_NAME: &str = "canary-file";
/// Timeout of one file.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a read was abandoned or not started.
#[derive(Debug, thiserror::Error)]
pub enum Stalled {
    /// It timed out.
    #[error("no response from the disk within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// The timeout.
        limit: Duration,
    },
    /// An earlier read of the same file is still blocked.
    #[error("an earlier read of the file is still waiting for the disk")]
    StillBlocked,
    /// Too many reads of other files by the same owner are still blocked.
    #[error("{0} earlier reads are still waiting for the disk")]
    TooMany(usize),
    /// All reads of a session together timed out.
    #[error("the disk is too slow: reading all files took longer than {} s", .limit.as_secs_f32())]
    SessionTimedOut {
        /// The timeout.
        limit: Duration,
    },
    /// The result is no longer needed.
    #[error("reading was cancelled")]
    Cancelled,
}

impl From<Stalled> for io::Error {
    fn from(stalled: Stalled) -> Self {
        Self::new(io::ErrorKind::TimedOut, stalled)
    }
}

/// Tracks reads in flight, including abandoned ones.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadTracker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    in_flight: Mutex<Vec<Read>>,
    /// Notified when a read ends or is abandoned.
    changed: Condvar,
}

#[derive(Debug)]
struct Read {
    number: u64,
    owner: Owner,
    path: PathBuf,
    is_abandoned: bool,
}

/// A read in flight. Dropping it abandons the read, unless it has ended.
#[derive(Debug)]
#[must_use = "dropped, it counts as given up"]
pub struct PendingRead {
    number: u64,
    reads: ReadTracker,
}

impl Drop for PendingRead {
    fn drop(&mut self) {
        let mut in_flight = self.reads.lock();
        let own = in_flight.iter_mut().find(|read| read.number == self.number);
        own.into_iter().for_each(|read| read.is_abandoned = true);
        self.reads.0.changed.notify_all();
    }
}

/// Held by the reading thread; dropping it removes the read from the tracker.
struct InFlight {
    number: u64,
    reads: ReadTracker,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.reads.lock().retain(|read| read.number != self.number);
        self.reads.0.changed.notify_all();
    }
}

/// Runs `work`, which blocks on the disk at `path`, for at most [`READ_TIMEOUT`]. Waits for another read of the same
/// path by the same owner first: only one thread at a time may block on a path.
///
/// After the timeout the thread is abandoned: it ends as soon as the disk responds. Each [`Owner`] has a maximum number
/// of abandoned threads; beyond it, and for the same path in any case, further calls fail immediately until one of them
/// ends.
///
/// # Errors
/// `TimedOut` with a [`Stalled`]; or a thread cannot be spawned.
pub fn with_timeout<T: Send + 'static>(
    owner: Owner,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    ReadTracker::global().run_with_timeout(READ_TIMEOUT, owner, path, work)
}

/// Starts `work` without waiting for it: `deliver` is called with its result on the thread that ran it. The caller
/// decides how long to wait, and drops the returned handle to abandon the read.
///
/// # Errors
/// As [`with_timeout`].
pub fn spawn<T: 'static>(
    owner: Owner,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
    deliver: impl FnOnce(T) + Send + 'static,
) -> io::Result<PendingRead> {
    ReadTracker::global().spawn(owner, path, work, deliver)
}

impl ReadTracker {
    pub(super) fn global() -> &'static Self {
        static READS: OnceLock<ReadTracker> = OnceLock::new();
        READS.get_or_init(Self::default)
    }

    pub(super) fn run_with_timeout<T: Send + 'static>(
        &self,
        limit: Duration,
        owner: Owner,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        self.wait_for_same(limit, owner, path);
        let (tx, rx) = sync_channel(1);
        // The receiver is gone if the read was abandoned.
        let started = self.spawn(owner, path, work, move |done| drop(tx.send(done)))?;
        match rx.recv_timeout(limit) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Disconnected) => return Err(panicked()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        drop(started);
        // It may have ended in the meantime.
        rx.try_recv().map_err(|_| Stalled::TimedOut { limit }.into())
    }

    pub(super) fn spawn<T: 'static>(
        &self,
        owner: Owner,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
        deliver: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<PendingRead> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.register_read(Read {
            number,
            owner,
            path: path.to_owned(),
            is_abandoned: false,
        })?;
        let reads = self.clone();
        let in_flight = InFlight { number, reads };
        let run = move || {
            let done = work();
            // Before the result is delivered, so that the read does not count as abandoned.
            drop(in_flight);
            deliver(done);
        };
        std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(run)
            .map_err(|error| liveness::spawn_error(THREAD_NAME, error))?;
        let reads = self.clone();
        Ok(PendingRead { number, reads })
    }

    fn wait_for_same(&self, limit: Duration, owner: Owner, path: &Path) {
        let is_awaited = |in_flight: &mut Vec<Read>| {
            let mut reads = in_flight.iter();
            reads.any(|read| read.owner == owner && read.path == path && !read.is_abandoned)
        };
        let waited = self.0.changed.wait_timeout_while(self.lock(), limit, is_awaited);
        // The caller checks the outcome next.
        drop(waited);
    }

    fn register_read(&self, read: Read) -> Result<(), Stalled> {
        let mut in_flight = self.lock();
        let abandoned = in_flight
            .iter()
            .filter(|other| other.is_abandoned && other.owner == read.owner);
        let max_abandoned = read.owner.max_abandoned();
        if abandoned.clone().any(|other| other.path == read.path) {
            return Err(Stalled::StillBlocked);
        }
        if abandoned.count() >= max_abandoned {
            return Err(Stalled::TooMany(max_abandoned));
        }
        in_flight.push(read);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Read>> {
        // Every critical section is a few assignments.
        self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panicked() -> io::Error {
    io::Error::other("the thread that reads it panicked")
}
