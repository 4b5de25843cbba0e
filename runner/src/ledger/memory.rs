//! The last connections that the host had to close itself.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Reclaimed;

/// Connections that are remembered; older ones are counted only.
pub(super) const KEPT: usize = 256;

/// Written when a run ends that left something open, read by whoever looks; held for one copy.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<VecDeque<Reclaimed>>);

impl Memory {
    pub(super) fn keep(&self, reclaimed: Reclaimed) {
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(reclaimed);
    }

    /// The latest first.
    pub(super) fn read(&self) -> Vec<Reclaimed> {
        self.kept().iter().rev().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Reclaimed>> {
        // A panic under this lock loses one entry at most.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
