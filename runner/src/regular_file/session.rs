//! Reading many files for one purpose, such as a suite: all of them together have a deadline as well.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::deadline::{LIMIT, Reads, Stalled};
use super::{Owner, Policy, anything, read_now};
use crate::clock;

/// How long a disk may be waited for while all files of one purpose are read, which may be 10,000 of a network.
const ALL: Duration = Duration::from_secs(120);

/// Reads that belong together. Each has [`LIMIT`], and all of them have two minutes; what is done between them does not
/// count. When that is over, or nobody needs them any more, every further read fails at once.
///
/// Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Session {
    owner: Owner,
    reads: Reads,
    limit: Duration,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waited: Mutex<Duration>,
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
        Self::within_limit(owner, Reads::of_process().clone(), ALL)
    }

    pub(super) fn within_limit(owner: Owner, reads: Reads, limit: Duration) -> Self {
        Self {
            owner,
            reads,
            limit,
            shared: Arc::default(),
        }
    }

    /// The same session, for reads on behalf of another.
    #[must_use]
    pub fn on_behalf_of(&self, owner: Owner) -> Self {
        Self {
            owner,
            ..self.clone()
        }
    }

    /// What cancels it: a read that is under way is waited for, for its own limit at most, and no other one begins.
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }

    /// As [`super::read`].
    ///
    /// # Errors
    /// The same, and `TimedOut` with [`Stalled`] inside when the session is over.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.read_permitted(path, limit, &anything())
    }

    /// As [`super::read_permitted`].
    ///
    /// # Errors
    /// The same, and `TimedOut` with [`Stalled`] inside when the session is over.
    pub fn read_permitted(&self, path: &Path, limit: u64, policy: &Policy) -> io::Result<Vec<u8>> {
        let (file, policy) = (path.to_owned(), Arc::clone(policy));
        self.within(path, move || read_now(&file, limit, &policy))?
    }

    /// As [`super::within`].
    ///
    /// # Errors
    /// The same, and `TimedOut` with [`Stalled`] inside when the session is over.
    pub fn within<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let left = self.left()?;
        let began = clock::awake();
        let done = self.reads.within(left.min(LIMIT), self.owner, path, work);
        *self.waited() += clock::awake().saturating_sub(began);
        match done {
            // What it was given was the rest.
            Err(error) if left < LIMIT && error.kind() == io::ErrorKind::TimedOut => Err(self.over().into()),
            done => done,
        }
    }

    fn left(&self) -> Result<Duration, Stalled> {
        if self.shared.is_cancelled.load(Ordering::Acquire) {
            return Err(Stalled::Cancelled);
        }
        let left = self.limit.saturating_sub(*self.waited());
        match left.is_zero() {
            true => Err(self.over()),
            false => Ok(left),
        }
    }

    fn over(&self) -> Stalled {
        Stalled::Session { limit: self.limit }
    }

    fn waited(&self) -> MutexGuard<'_, Duration> {
        // Every section is one assignment.
        self.shared.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
