//! Log of the most recently reclaimed connections.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Reclaimed;

/// Maximum number of connections in the log; older ones are only counted.
pub(super) const MAX_ENTRIES: usize = 256;

/// Appended to when a run ends with open descriptors, read by the live view; the lock is held for one copy.
#[derive(Debug, Default)]
pub(super) struct ReclaimLog(Mutex<VecDeque<Reclaimed>>);

impl ReclaimLog {
    pub(super) fn push(&self, reclaimed: Reclaimed) {
        let mut entries = self.entries();
        if entries.len() >= MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(reclaimed);
    }

    /// Entries, latest first.
    pub(super) fn latest_first(&self) -> Vec<Reclaimed> {
        self.entries().iter().rev().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Reclaimed>> {
        // A panic under this lock loses at most one entry.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
