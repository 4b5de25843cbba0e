//! Access to the spool folder, which may fail at any time: every use goes through [`Disk::attempt`].

mod pending_removals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::notice::{Notice, NoticeSender};
use super::request_id::RequestId;
use super::spool::{FileKind, Spool};
use crate::settings::SpoolSettings;
use crate::signal::Signal;
use canary_net::ledger::audit::InternalFds;
use canary_system::io_class::IoClass;
use pending_removals::{FileKey, PendingRemovals};

/// How often opening the folder is retried, and how long the disk must work after a failure before it counts as
/// recovered: a full disk accepts small files between large ones.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Failed removals after which a round of retries stops.
const MAX_FAILED_REMOVALS: usize = 4;

/// The spool, if there is one, with its state of health.
#[derive(Debug)]
pub(super) struct Disk {
    settings: Option<SpoolSettings>,
    internal_fds: InternalFds,
    spool: Option<Spool>,
    failure: Option<DiskFailure>,
    failures: BTreeMap<IoClass, u64>,
    /// Obsolete files that could not be removed yet. The next process would send them again.
    pending_removals: PendingRemovals,
    notices: NoticeSender,
}

#[derive(Debug)]
struct DiskFailure {
    last_failure: Instant,
    class: IoClass,
}

impl Disk {
    /// Creates a disk that is opened by [`Disk::open`].
    pub(super) fn new(
        settings: Option<SpoolSettings>,
        internal_fds: InternalFds,
        notices: NoticeSender,
    ) -> Self {
        Self {
            settings,
            internal_fds,
            spool: None,
            failure: None,
            failures: BTreeMap::new(),
            pending_removals: PendingRemovals::default(),
            notices,
        }
    }

    /// A disk that stores nothing.
    pub(super) fn none(notices: NoticeSender) -> Self {
        Self::new(None, InternalFds::default(), notices)
    }

    /// Opens the folder, unless it is open or opening it failed recently.
    pub(super) fn open(&mut self) {
        let is_too_soon = |failure: &DiskFailure| failure.last_failure.elapsed() < RETRY_INTERVAL;
        let (Some(settings), None) = (&self.settings, &self.spool) else {
            return;
        };
        if self.failure.as_ref().is_some_and(is_too_soon) {
            return;
        }
        #[cfg(any(test, feature = "test-util"))]
        if let Some(error) = super::simulated::disk_failure() {
            return self.record_failure(error);
        }
        match Spool::open(&settings.folder, &self.internal_fds) {
            Ok(spool) => self.spool = Some(spool),
            Err(error) => self.record_failure(error),
        }
    }

    /// Whether the folder is open.
    pub(super) fn is_open(&self) -> bool {
        self.spool.is_some()
    }

    /// Runs a disk operation; `None` if there is no disk or the operation failed, which is recorded here.
    pub(super) fn attempt<T>(&mut self, work: impl FnOnce(&mut Spool) -> io::Result<T>) -> Option<T> {
        // Counts the file or folder that is open during this operation.
        let _held = self.internal_fds.acquire();
        #[cfg(any(test, feature = "test-util"))]
        if let Some(error) = super::simulated::disk_failure() {
            self.record_failure(error);
            return None;
        }
        match work(self.spool.as_mut()?) {
            Ok(done) => {
                match self.spool.as_mut().and_then(Spool::take_sync_error) {
                    None => self.record_success(),
                    Some(error) => self.record_failure(error),
                }
                Some(done)
            }
            Err(error) => {
                self.record_failure(error);
                None
            }
        }
    }

    /// Creates a new file. After a failure nothing of it is left, or the remainder is queued for removal and counted
    /// until then.
    pub(super) fn create<T>(
        &mut self,
        name: FileKey,
        work: impl FnOnce(&mut Spool) -> io::Result<T>,
    ) -> Option<T> {
        let (signal, id, kind) = name;
        let mut is_new_file = true;
        let made = self.attempt(|spool| {
            work(spool).inspect_err(|error| is_new_file = error.kind() != io::ErrorKind::AlreadyExists)
        });
        match (&made, &self.spool) {
            (Some(_), _) => self.pending_removals.removed(&name),
            (None, Some(spool)) if is_new_file && spool.size(signal, id, kind).is_some() => {
                self.remove(signal, id, kind);
            }
            (None, _) => {}
        }
        made
    }

    /// Removes a file, now or once the disk has recovered.
    pub(super) fn remove(&mut self, signal: Signal, id: RequestId, kind: FileKind) {
        let removed = self.attempt(|spool| spool.remove(signal, id, kind));
        if let (Some(spool), None) = (&self.spool, removed)
            && let Some(bytes) = spool.size(signal, id, kind)
        {
            self.pending_removals.insert((signal, id, kind), bytes);
        }
    }

    /// Bytes of obsolete files that could not be removed.
    pub(super) fn pending_removal_bytes(&self) -> u64 {
        self.pending_removals.bytes()
    }

    /// Whether the disk seems unable to remove files: then dropping requests frees no space.
    pub(super) fn is_stuck(&self) -> bool {
        self.pending_removals.is_stuck()
    }

    /// Whether a new journal segment may be created, although it has to be removed soon.
    pub(super) fn accepts_segments(&self) -> bool {
        let bound = self.settings.as_ref().map(|settings| settings.max_bytes);
        bound.is_some_and(|bound| !self.pending_removals.is_full(bound))
    }

    /// Retries failed removals, unless the disk failed recently.
    pub(super) fn retry_removals(&mut self) {
        let is_too_soon = |failure: &DiskFailure| failure.last_failure.elapsed() < RETRY_INTERVAL;
        if self.failure.as_ref().is_some_and(is_too_soon) {
            return;
        }
        let mut failed = 0;
        while failed < MAX_FAILED_REMOVALS
            && let Some(name) = self.pending_removals.next()
        {
            let (signal, id, kind) = name;
            match self.attempt(|spool| spool.remove(signal, id, kind)) {
                Some(()) => self.pending_removals.removed(&name),
                None => failed += 1,
            }
        }
    }

    /// Whether a file with this id exists only because it could not be removed.
    pub(super) fn is_pending_removal(&self, signal: Signal, id: RequestId) -> bool {
        [FileKind::Request, FileKind::Segment]
            .iter()
            .any(|kind| self.pending_removals.contains(&(signal, id, *kind)))
    }

    /// The spool settings; `None` without a spool.
    pub(super) fn settings(&self) -> Option<&SpoolSettings> {
        self.settings.as_ref()
    }

    /// Whether the folder is open and its last operation succeeded.
    pub(super) fn is_healthy(&self) -> bool {
        self.spool.is_some() && self.failure.is_none()
    }

    /// The class of the current failure.
    pub(super) fn failure_class(&self) -> Option<IoClass> {
        self.failure.as_ref().map(|failure| failure.class)
    }

    /// Disk failures by class.
    pub(super) fn failures(&self) -> &BTreeMap<IoClass, u64> {
        &self.failures
    }

    /// Closes the folder and releases its lock.
    pub(super) fn close(&mut self) {
        self.spool = None;
        self.settings = None;
    }

    fn record_failure(&mut self, error: io::Error) {
        let class = IoClass::classify(&error);
        *self.failures.entry(class).or_default() += 1;
        let last_failure = Instant::now();
        let is_new = self
            .failure
            .replace(DiskFailure { last_failure, class })
            .is_none();
        if let (true, Some(settings)) = (is_new, &self.settings) {
            let folder = settings.folder.clone();
            self.notices.send(Notice::SpoolFailed { folder, error });
        }
    }

    fn record_success(&mut self) {
        // A disk that cannot remove files is unhealthy even if writes succeed.
        let is_well = self.pending_removals.is_empty();
        let is_over = |failure: &mut DiskFailure| is_well && failure.last_failure.elapsed() >= RETRY_INTERVAL;
        if let (Some(_), Some(settings)) = (self.failure.take_if(is_over), &self.settings) {
            let folder = settings.folder.clone();
            self.notices.send(Notice::SpoolRecovered { folder });
        }
    }
}
