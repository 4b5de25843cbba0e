//! The spool folder as something that may fail: every use of it goes through [`Disk::attempt`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::notice::{Notice, Notices};
use super::spool::{Kind, Spool};
use super::stamp::Stamp;
use crate::io_class::IoClass;
use crate::ledger::audit::Reserve;
use crate::telemetry::settings::{Signal, SpoolSettings};

/// How often a folder that could not be opened is tried again, and how long the disk must have done well after a
/// failure to be called recovered: a full disk takes small files between big ones.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The spool, where there is one.
#[derive(Debug)]
pub(super) struct Disk {
    settings: Option<SpoolSettings>,
    reserve: Reserve,
    spool: Option<Spool>,
    trouble: Option<Trouble>,
    failures: BTreeMap<IoClass, u64>,
    /// Files that nobody needs and that the disk did not remove yet: no more than were there. The next process would send
    /// them again.
    unremoved: BTreeSet<(Signal, Stamp, Kind)>,
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
            unremoved: BTreeSet::new(),
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
                self.do_well();
                Some(done)
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Removes a file, now or once the disk is well again.
    pub(super) fn remove(&mut self, signal: Signal, stamp: Stamp, kind: Kind) {
        let is_open = self.is_open();
        let removed = self.attempt(|spool| spool.remove(signal, stamp, kind));
        if is_open && removed.is_none() {
            self.unremoved.insert((signal, stamp, kind));
        }
    }

    /// Removes what could not be removed when it was time, a while after the disk last failed.
    pub(super) fn remove_leftovers(&mut self) {
        let waits = |trouble: &Trouble| trouble.last_failure.elapsed() < PATIENCE;
        if self.trouble.as_ref().is_some_and(waits) {
            return;
        }
        while let Some((signal, stamp, kind)) = self.unremoved.first().copied() {
            let removed = self.attempt(|spool| spool.remove(signal, stamp, kind));
            if removed.is_none() {
                return;
            }
            self.unremoved.pop_first();
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
        let is_over = |trouble: &mut Trouble| trouble.last_failure.elapsed() >= PATIENCE;
        if let (Some(_), Some(settings)) = (self.trouble.take_if(is_over), &self.settings) {
            let folder = settings.folder.clone();
            self.notices.tell(Notice::SpoolRecovered { folder });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::advance;

    use super::super::simulated::fail_disk;
    use super::*;
    use crate::age::Clock;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_removed_is_removed_once_the_disk_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let settings = SpoolSettings {
            folder: folder.path().join("spool"),
            max_bytes: 1 << 20,
            max_age: Duration::from_secs(60),
        };
        let (sender, _notices) = mpsc::channel(8);
        let mut disk = Disk::new(Some(settings), Reserve::default(), Notices::new(sender));
        disk.open();
        let stamp = Stamp::after(None, &Clock::default().read());
        let kept = disk.attempt(|spool| spool.keep(Signal::Traces, stamp, b"delivered"));
        assert!(kept.is_some());
        fail_disk(Some(libc::EIO));
        disk.remove(Signal::Traces, stamp, Kind::Request);
        fail_disk(None);
        let left = |disk: &mut Disk| disk.attempt(|spool| spool.leftovers(Signal::Traces)).unwrap();
        disk.remove_leftovers();
        assert_eq!(
            (left(&mut disk).len(), disk.is_unremoved(Signal::Traces, stamp)),
            (1, true)
        );
        advance(PATIENCE).await;
        disk.remove_leftovers();
        assert_eq!(
            (left(&mut disk).len(), disk.is_unremoved(Signal::Traces, stamp)),
            (0, false)
        );
    }
}
