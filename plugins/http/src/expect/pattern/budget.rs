//! The memory budget of a check's patterns, which is known when a suite is loaded.

use std::cell::Cell;

/// Maximum memory of all compiled patterns of a check, in bytes. A run needs it besides the body.
pub(super) const ALL: usize = 6 << 20;

/// Maximum memory of one search and of the caches of earlier ones, in bytes.
pub(in crate::expect) const SEARCH: usize = 5 << 20;

/// The memory that is left.
#[derive(Debug)]
pub(in crate::expect) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(ALL))
    }
}

impl Budget {
    /// Takes memory; returns whether there was enough. After a failure nothing is left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    pub(in crate::expect) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}
