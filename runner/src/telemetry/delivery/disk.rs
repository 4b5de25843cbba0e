//! The spool folder as something that may fail: every use of it goes through [`Disk::attempt`].

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::notice::{Notice, Notices};
use super::spool::Spool;
use crate::io_class::IoClass;
use crate::ledger::audit::Reserve;
use crate::telemetry::settings::SpoolSettings;

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
