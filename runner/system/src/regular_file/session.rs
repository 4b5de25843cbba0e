//! Reads that share a timeout, such as those of all files of a suite.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::deadline::{READ_TIMEOUT, ReadTracker, Stalled};
use super::{Owner, Policy, allow_all, read_file};
use crate::clock;

/// Maximum time that all reads of a session may block, for example on 10,000 files of a network file system.
const SESSION_TIMEOUT: Duration = Duration::from_secs(120);

/// Reads that share a timeout. Each has [`READ_TIMEOUT`], and all of them together two minutes; time between reads does
/// not count. After that, or after cancellation, every further read fails immediately.
///
/// Cheap to clone; clones share their state.
#[derive(Debug, Clone)]
pub struct Session {
    owner: Owner,
    reads: ReadTracker,
    limit: Duration,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    blocked_time: Mutex<Duration>,
    is_cancelled: AtomicBool,
}

/// Cancels a session when it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it cancels the session"]
pub struct CancelOnDrop(Session);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.shared.is_cancelled.store(true, Ordering::Release);
    }
}

impl Session {
    /// Reads on behalf of `owner`.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self::with_limit(owner, ReadTracker::global().clone(), SESSION_TIMEOUT)
    }

    pub(super) fn with_limit(owner: Owner, reads: ReadTracker, limit: Duration) -> Self {
        Self {
            owner,
            reads,
            limit,
            shared: Arc::default(),
        }
    }

    /// The same session, for reads on behalf of another owner.
    #[must_use]
    pub fn on_behalf_of(&self, owner: Owner) -> Self {
        Self {
            owner,
            ..self.clone()
        }
    }

    /// A guard that cancels the session: a read in flight is waited for, up to its own timeout, and no further one
    /// starts.
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }

    /// As [`super::read`].
    ///
    /// # Errors
    /// The same, and `TimedOut` with a [`Stalled`] when the session has timed out or was cancelled.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.read_permitted(path, limit, &allow_all())
    }

    /// As [`super::read_permitted`].
    ///
    /// # Errors
    /// The same, and `TimedOut` with a [`Stalled`] when the session has timed out or was cancelled.
    pub fn read_permitted(&self, path: &Path, limit: u64, policy: &Policy) -> io::Result<Vec<u8>> {
        let (file, policy) = (path.to_owned(), Arc::clone(policy));
        self.with_timeout(path, move || read_file(&file, limit, &policy))?
    }

    /// As [`super::with_timeout`].
    ///
    /// # Errors
    /// The same, and `TimedOut` with a [`Stalled`] when the session has timed out or was cancelled.
    pub fn with_timeout<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let remaining = self.remaining()?;
        let started_at = clock::monotonic();
        let result = self
            .reads
            .run_with_timeout(remaining.min(READ_TIMEOUT), self.owner, path, work);
        *self.blocked_time() += clock::monotonic().saturating_sub(started_at);
        match result {
            // The read had only the rest of the session's time.
            Err(error) if remaining < READ_TIMEOUT && error.kind() == io::ErrorKind::TimedOut => {
                Err(self.timed_out().into())
            }
            result => result,
        }
    }

    fn remaining(&self) -> Result<Duration, Stalled> {
        if self.shared.is_cancelled.load(Ordering::Acquire) {
            return Err(Stalled::Cancelled);
        }
        let remaining = self.limit.saturating_sub(*self.blocked_time());
        if remaining.is_zero() {
            Err(self.timed_out())
        } else {
            Ok(remaining)
        }
    }

    fn timed_out(&self) -> Stalled {
        Stalled::SessionTimedOut { limit: self.limit }
    }

    fn blocked_time(&self) -> MutexGuard<'_, Duration> {
        // Every critical section is one assignment.
        self.shared
            .blocked_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
