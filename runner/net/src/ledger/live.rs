//! Views of a page for the live view and the reclaim log.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::Page;
use super::model::{LiveLease, Reclaimed};
use super::page::Entry;
use canary_record::trace::EndCause;

impl Page {
    pub(super) fn live(&self) -> Vec<LiveLease> {
        let state = self.state();
        state
            .entries
            .iter()
            .flatten()
            .map(|entry| self.live_lease(entry))
            .collect()
    }

    fn live_lease(&self, entry: &Entry) -> LiveLease {
        LiveLease {
            owner: self.owner().clone(),
            peer: entry.peer,
            activity: entry.traffic.activity(),
            age: entry.opened_at.elapsed(),
            bytes_in: entry.traffic.bytes_in.load(Ordering::Relaxed),
            bytes_out: entry.traffic.bytes_out.load(Ordering::Relaxed),
        }
    }

    pub(super) fn reclaimed(&self, entry: &Entry, cause: EndCause, at: SystemTime) -> Reclaimed {
        Reclaimed {
            owner: self.owner().clone(),
            peer: entry.peer,
            cause,
            open_for: entry.opened_at.elapsed(),
            bytes_in: entry.traffic.bytes_in.load(Ordering::Relaxed),
            bytes_out: entry.traffic.bytes_out.load(Ordering::Relaxed),
            at,
        }
    }
}
