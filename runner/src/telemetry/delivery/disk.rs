//! The spool folder as something that may fail: every use of it goes through [`Disk::attempt`].

#[cfg(test)]
mod tests;
mod unremoved;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::notice::{Notice, Notices};
use super::spool::{Kind, Spool};
use super::stamp::Stamp;
use crate::io_class::IoClass;
use crate::ledger::audit::Reserve;
use crate::telemetry::settings::{Signal, SpoolSettings};
use unremoved::{Name, Unremoved};

/// How often a folder that could not be opened is tried again, and how long the disk must have done well after a
/// failure to be called recovered: a full disk takes small files between big ones.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Files that cannot be removed are tried again, so many of them at once.
const REMOVALS: usize = 4;

/// The spool, where there is one.
#[derive(Debug)]
pub(super) struct Disk {
    settings: Option<SpoolSettings>,
    reserve: Reserve,
    spool: Option<Spool>,
    trouble: Option<Trouble>,
    failures: BTreeMap<IoClass, u64>,
    /// Files that nobody needs and that the disk did not remove yet. The next process would send them again.
    unremoved: Unremoved,
    notices: Notices,
}

#[derive(Debug)]
struct Trouble {
    last_failure: Instant,
    class: IoClass,
}

impl Disk {
    /// A disk that is opened by [`Disk::open`].
    pub(super) fn new(settings: Option<SpoolSettings>, reserve: Reserve, notices: Notices) -> Self {
        Self {
            settings,
            reserve,
            spool: None,
            trouble: None,
            failures: BTreeMap::new(),
            unremoved: Unremoved::default(),
            notices,
        }
    }

    /// No disk at all.
    pub(super) fn none(notices: Notices) -> Self {
        Self::new(None, Reserve::default(), notices)
    }

    /// Opens the folder, unless it is open or was tried a moment ago.
    pub(super) fn open(&mut self) {
        let waits = |trouble: &Trouble| trouble.last_failure.elapsed() < PATIENCE;
        let (Some(settings), None) = (&self.settings, &self.spool) else {
            return;
        };
        if self.trouble.as_ref().is_some_and(waits) {
            return;
        }
        #[cfg(test)]
        if let Some(error) = super::simulated::disk_failure() {
            return self.fail(error);
        }
        match Spool::open(&settings.folder, &self.reserve) {
            Ok(spool) => self.spool = Some(spool),
            Err(error) => self.fail(error),
        }
    }

    /// Whether the folder is there.
    pub(super) fn is_open(&self) -> bool {
        self.spool.is_some()
    }

    /// Does something on disk; none when there is no disk, or it failed, which is noted here.
    pub(super) fn attempt<T>(&mut self, work: impl FnOnce(&mut Spool) -> io::Result<T>) -> Option<T> {
        // A file or a folder that is open only for as long as this goes on.
        let _held = self.reserve.hold();
        #[cfg(test)]
        if let Some(error) = super::simulated::disk_failure() {
            self.fail(error);
            return None;
        }
        match work(self.spool.as_mut()?) {
            Ok(done) => {
                match self.spool.as_mut().and_then(Spool::take_unsynced) {
                    None => self.do_well(),
                    Some(error) => self.fail(error),
                }
                Some(done)
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Makes a file that was not there before. Where that fails, nothing of it is left, or it is removed once the disk is
    /// well again and counts until then.
    pub(super) fn make<T>(
        &mut self,
        name: Name,
        work: impl FnOnce(&mut Spool) -> io::Result<T>,
    ) -> Option<T> {
        let (signal, stamp, kind) = name;
        let mut is_ours = true;
        let made = self.attempt(|spool| {
            work(spool).inspect_err(|error| is_ours = error.kind() != io::ErrorKind::AlreadyExists)
        });
        match (&made, &self.spool) {
            (Some(_), _) => self.unremoved.removed(&name),
            (None, Some(spool)) if is_ours && spool.size(signal, stamp, kind).is_some() => {
                self.remove(signal, stamp, kind);
            }
            (None, _) => {}
        }
        made
    }

    /// Removes a file, now or once the disk is well again.
    pub(super) fn remove(&mut self, signal: Signal, stamp: Stamp, kind: Kind) {
        let removed = self.attempt(|spool| spool.remove(signal, stamp, kind));
        if let (Some(spool), None) = (&self.spool, removed)
            && let Some(bytes) = spool.size(signal, stamp, kind)
        {
            self.unremoved.insert((signal, stamp, kind), bytes);
        }
    }

    /// Bytes of files that nobody needs and that the disk did not remove.
    pub(super) fn unremoved_bytes(&self) -> u64 {
        self.unremoved.bytes()
    }

    /// Whether the disk seems to remove nothing: then dropping what is there makes no room.
    pub(super) fn is_clogged(&self) -> bool {
        self.unremoved.is_clogged()
    }

    /// Whether a file may be begun that has to be removed soon.
    pub(super) fn takes_segments(&self) -> bool {
        let bound = self.settings.as_ref().map(|settings| settings.max_bytes);
        bound.is_some_and(|bound| !self.unremoved.is_full(bound))
    }

    /// Removes what could not be removed when it was time, a while after the disk last failed.
    pub(super) fn remove_leftovers(&mut self) {
        let waits = |trouble: &Trouble| trouble.last_failure.elapsed() < PATIENCE;
        if self.trouble.as_ref().is_some_and(waits) {
            return;
        }
        let mut failed = 0;
        while failed < REMOVALS
            && let Some(name) = self.unremoved.next()
        {
            let (signal, stamp, kind) = name;
            match self.attempt(|spool| spool.remove(signal, stamp, kind)) {
                Some(()) => self.unremoved.removed(&name),
                None => failed += 1,
            }
        }
    }

    /// Whether a file of this stamp is there only because it could not be removed.
    pub(super) fn is_unremoved(&self, signal: Signal, stamp: Stamp) -> bool {
        [Kind::Request, Kind::Segment]
            .iter()
            .any(|kind| self.unremoved.contains(&(signal, stamp, *kind)))
    }

    /// What was set; none without a spool.
    pub(super) fn settings(&self) -> Option<&SpoolSettings> {
        self.settings.as_ref()
    }

    /// Whether the folder is there and what was last tried of it was done.
    pub(super) fn is_well(&self) -> bool {
        self.spool.is_some() && self.trouble.is_none()
    }

    /// What is the matter with the folder, if there should be one.
    pub(super) fn trouble(&self) -> Option<IoClass> {
        self.trouble.as_ref().map(|trouble| trouble.class)
    }

    /// How many times the disk failed, by what the matter was.
    pub(super) fn failures(&self) -> &BTreeMap<IoClass, u64> {
        &self.failures
    }

    /// Lets go of the folder and its lock.
    pub(super) fn close(&mut self) {
        self.spool = None;
        self.settings = None;
    }

    fn fail(&mut self, error: io::Error) {
        let class = IoClass::of(&error);
        *self.failures.entry(class).or_default() += 1;
        let last_failure = Instant::now();
        let is_new = self.trouble.replace(Trouble { last_failure, class }).is_none();
        if let (true, Some(settings)) = (is_new, &self.settings) {
            let folder = settings.folder.clone();
            self.notices.tell(Notice::SpoolFailed { folder, error });
        }
    }

    fn do_well(&mut self) {
        // A disk from which nothing can be removed is in trouble, whatever it takes.
        let is_well = self.unremoved.is_empty();
        let is_over = |trouble: &mut Trouble| is_well && trouble.last_failure.elapsed() >= PATIENCE;
        if let (Some(_), Some(settings)) = (self.trouble.take_if(is_over), &self.settings) {
            let folder = settings.folder.clone();
            self.notices.tell(Notice::SpoolRecovered { folder });
        }
    }
}
