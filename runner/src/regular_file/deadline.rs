//! Waiting for a disk, but not for ever: a system call on a mount whose server is gone cannot be interrupted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::Owner;
use crate::liveness;

/// What a thread that reads is called.
const THREAD: &str = "canary-file";
/// How long one file may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Why a file was not waited for.
#[derive(Debug, thiserror::Error)]
pub enum Stalled {
    /// It took too long.
    #[error("no answer from the disk within {} s", .limit.as_secs_f32())]
    Now {
        /// What it was given.
        limit: Duration,
    },
    /// An earlier attempt at the same file still waits.
    #[error("an earlier read of it still waits for the disk")]
    Before,
    /// Too many attempts of the same owner at other files still wait.
    #[error("{0} earlier reads still wait for the disk")]
    TooMany(usize),
    /// All reads of a session together took too long.
    #[error("the disk is too slow: reading all files took longer than {} s", .limit.as_secs_f32())]
    Session {
        /// What they were given.
        limit: Duration,
    },
    /// Nobody needs it any more.
    #[error("reading was cancelled")]
    Cancelled,
}

impl From<Stalled> for io::Error {
    fn from(stalled: Stalled) -> Self {
        Self::new(io::ErrorKind::TimedOut, stalled)
    }
}

/// Reads that are under way, those that were given up included.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    under_way: Mutex<Vec<Read>>,
    /// Notified when a read ends or is given up.
    changed: Condvar,
}

#[derive(Debug)]
struct Read {
    number: u64,
    owner: Owner,
    path: PathBuf,
    is_given_up: bool,
}

/// A read that somebody waits for; its drop gives it up, unless it has ended.
#[derive(Debug)]
#[must_use = "dropped, it counts as given up"]
pub struct Started {
    number: u64,
    reads: Reads,
}

impl Drop for Started {
    fn drop(&mut self) {
        let mut under_way = self.reads.lock();
        let own = under_way.iter_mut().find(|read| read.number == self.number);
        own.into_iter().for_each(|read| read.is_given_up = true);
        self.reads.0.changed.notify_all();
    }
}

/// What the thread holds while it waits; its drop says that it does so no longer.
struct UnderWay {
    number: u64,
    reads: Reads,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.reads.lock().retain(|read| read.number != self.number);
        self.reads.0.changed.notify_all();
    }
}

/// Does `work`, which waits for the disk on behalf of `path`, for at most [`LIMIT`]. While another read of the same path
/// by the same owner is under way, that is waited for first: one thread at a time may hang on a path.
///
/// When that is over its thread is given up: it ends as soon as the disk answers. An owner has at most as many such
/// threads as [`Owner`] says; until one of them ends, and for the same path in any case, its further calls fail at once.
///
/// # Errors
/// `TimedOut` with [`Stalled`] inside; the operating system has no thread to spare.
pub fn within<T: Send + 'static>(
    owner: Owner,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    Reads::of_process().within(LIMIT, owner, path, work)
}

/// Begins the same without waiting: `deliver` gets what comes of it, on the thread that did it. The caller decides how
/// long it waits, and drops what it was given when it does no longer.
///
/// # Errors
/// As [`within`].
pub fn start<T: 'static>(
    owner: Owner,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
    deliver: impl FnOnce(T) + Send + 'static,
) -> io::Result<Started> {
    Reads::of_process().start(owner, path, work, deliver)
}

impl Reads {
    pub(super) fn of_process() -> &'static Self {
        static READS: OnceLock<Reads> = OnceLock::new();
        READS.get_or_init(Self::default)
    }

    pub(super) fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        owner: Owner,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        self.wait_for_same(limit, owner, path);
        let (tx, rx) = sync_channel(1);
        // Nobody waits when this one was given up.
        let started = self.start(owner, path, work, move |done| drop(tx.send(done)))?;
        match rx.recv_timeout(limit) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Disconnected) => return Err(failed()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        drop(started);
        // It may have come to an end since.
        rx.try_recv().map_err(|_| Stalled::Now { limit }.into())
    }

    pub(super) fn start<T: 'static>(
        &self,
        owner: Owner,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
        deliver: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<Started> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.admit(Read {
            number,
            owner,
            path: path.to_owned(),
            is_given_up: false,
        })?;
        let reads = self.clone();
        let under_way = UnderWay { number, reads };
        let reading = move || {
            let done = work();
            // Before anybody hears of it, so that it is not taken for one that is given up.
            drop(under_way);
            deliver(done);
        };
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(reading)
            .map_err(|error| liveness::refused(THREAD, error))?;
        let reads = self.clone();
        Ok(Started { number, reads })
    }

    fn wait_for_same(&self, limit: Duration, owner: Owner, path: &Path) {
        let is_waited_for = |under_way: &mut Vec<Read>| {
            let mut reads = under_way.iter();
            reads.any(|read| read.owner == owner && read.path == path && !read.is_given_up)
        };
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), limit, is_waited_for);
        // Whatever came of it is judged next.
        drop(waited);
    }

    fn admit(&self, read: Read) -> Result<(), Stalled> {
        let mut under_way = self.lock();
        let given_up = under_way
            .iter()
            .filter(|other| other.is_given_up && other.owner == read.owner);
        let places = read.owner.places();
        if given_up.clone().any(|other| other.path == read.path) {
            return Err(Stalled::Before);
        }
        if given_up.count() >= places {
            return Err(Stalled::TooMany(places));
        }
        under_way.push(read);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Read>> {
        // Every section is a few assignments.
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed() -> io::Error {
    io::Error::other("the thread that reads it panicked")
}
