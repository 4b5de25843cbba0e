//! What peers remember of their clients.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many entries a peer remembers; older ones are forgotten.
pub const ENTRIES_KEPT: usize = 1024;

/// The latest entries, shared between a peer and its tasks.
pub(super) struct Log<T>(Arc<Mutex<VecDeque<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Log<T> {
    pub(super) fn push(&self, entry: T) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == ENTRIES_KEPT {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// All entries, oldest first.
    pub(super) fn entries(&self) -> Vec<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
