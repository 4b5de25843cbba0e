//! What the host opens for several runs at once, and what it had too little of.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Denial, Page};
use crate::quota::QuotaKind;
use crate::trace::Shortage;

/// A run that waited for less has lost nothing that changes what it says of its target.
const BRIEF: Duration = Duration::from_millis(100);

/// A descriptor that the host has open for this run, and perhaps for others too, such as the socket to a name server
/// that several runs wait for. It counts against the quota `fds` of each of them; given back on drop.
#[derive(Debug)]
#[must_use = "a charge is given back when this is dropped"]
pub struct Charge(Arc<Page>);

impl Drop for Charge {
    fn drop(&mut self) {
        self.0.state().shared -= 1;
    }
}

/// A wait for something that the host is short of. When the run's time is up before the wait is over, or a part of it
/// is lost that its peer would have had, that is the host's fault: the page remembers it.
#[derive(Debug)]
pub struct Waiting<'a> {
    page: &'a Page,
    began: Instant,
    shortage: Option<Shortage>,
}

impl Waiting<'_> {
    /// What was waited for is there; a wait of over 100 ms is remembered all the same.
    pub fn end(mut self) {
        if self.began.elapsed() <= BRIEF {
            self.shortage = None;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(shortage) = self.shortage {
            self.page.note_shortage(shortage);
        }
    }
}

impl Page {
    /// Charges one descriptor that the host shares between runs; nothing when the quota `fds` has no room now.
    pub fn try_charge(self: &Arc<Self>) -> Option<Charge> {
        let mut state = self.state();
        let descriptors = state.open + state.shared + 1;
        (descriptors <= self.quota().fds).then(|| {
            state.shared += 1;
            state.usage.fds_peak = state.usage.fds_peak.max(descriptors);
            Charge(Arc::clone(self))
        })
    }

    /// The same, but what the quota refuses is a denial.
    ///
    /// # Errors
    /// The quota `fds` is used up.
    pub fn charge(self: &Arc<Self>) -> Result<Charge, Denial> {
        self.try_charge()
            .ok_or_else(|| self.refuse(&mut self.state(), QuotaKind::Fds))
    }

    /// Begins to wait for something that all checks share.
    pub fn wait_for(&self, what: Shortage) -> Waiting<'_> {
        Waiting {
            page: self,
            began: Instant::now(),
            shortage: Some(what),
        }
    }

    /// The host had too little of something for this run.
    pub fn note_shortage(&self, what: Shortage) {
        self.state().shortage.get_or_insert(what);
    }

    /// What the host had too little of for this run: what it says of its target is not to be believed then.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        self.state().shortage
    }
}
