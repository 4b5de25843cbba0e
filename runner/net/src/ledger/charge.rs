//! Descriptors that the host shares between runs, and shortages of host resources.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Denial, Page};
use canary_record::quota::QuotaKind;
use canary_record::trace::Shortage;

/// A shorter wait does not change a run's result and is not recorded as a shortage.
const TOLERATED_WAIT: Duration = Duration::from_millis(100);

/// One descriptor that the host has open for this run, possibly shared with others, such as the socket to a name server
/// that several runs wait for. It counts against the quota `fds` of each of them and is released on drop.
#[derive(Debug)]
#[must_use = "a charge is given back when this is dropped"]
pub struct Charge(Arc<Page>);

impl Drop for Charge {
    fn drop(&mut self) {
        self.0.state().shared -= 1;
    }
}

/// A wait for a scarce host resource. If the run times out before the wait ends, or loses time that its peer would have
/// had, the host is to blame: the page records the shortage.
#[derive(Debug)]
pub struct ShortageWait<'a> {
    page: &'a Page,
    began: Instant,
    shortage: Option<Shortage>,
}

impl ShortageWait<'_> {
    /// Ends the wait because the resource is available; a wait of more than 100 ms is recorded all the same.
    pub fn end(mut self) {
        if self.began.elapsed() <= TOLERATED_WAIT {
            self.shortage = None;
        }
    }
}

impl Drop for ShortageWait<'_> {
    fn drop(&mut self) {
        if let Some(shortage) = self.shortage {
            self.page.record_shortage(shortage);
        }
    }
}

impl Page {
    /// Charges one descriptor that the host shares between runs; returns `None` if the quota `fds` has no room.
    pub(crate) fn try_charge(self: &Arc<Self>) -> Option<Charge> {
        let mut state = self.state();
        let descriptors = state.open + state.shared + 1;
        (descriptors <= self.quota().fds).then(|| {
            state.shared += 1;
            state.usage.used.fds_peak = state.usage.used.fds_peak.max(descriptors);
            Charge(Arc::clone(self))
        })
    }

    /// Like `Page::try_charge`, but records a denial when the quota is exhausted.
    ///
    /// # Errors
    /// The quota `fds` is exhausted.
    pub fn charge(self: &Arc<Self>) -> Result<Charge, Denial> {
        self.try_charge()
            .ok_or_else(|| self.deny(&mut self.state(), QuotaKind::Fds))
    }

    /// Starts waiting for a resource that all checks share.
    pub(crate) fn begin_wait(&self, what: Shortage) -> ShortageWait<'_> {
        ShortageWait {
            page: self,
            began: Instant::now(),
            shortage: Some(what),
        }
    }

    /// Records that a host resource was short for this run.
    pub(crate) fn record_shortage(&self, what: Shortage) {
        self.state().shortage.get_or_insert(what);
    }

    /// The host resource that was short for this run. If there is one, the run's verdict on its target is unreliable.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        self.state().shortage
    }
}
