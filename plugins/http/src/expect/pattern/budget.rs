//! Memory for the patterns of a check, which is known when a suite is loaded.

use std::cell::Cell;

/// Most memory that all patterns of a check may take when they are compiled, in bytes. A run has to have it beside the body.
pub(super) const ALL: usize = 6 << 20;

/// Most memory that one search takes besides, and what searches before it keep, in bytes.
pub(in crate::expect) const SEARCH: usize = 5 << 20;

/// What is left of it.
#[derive(Debug)]
pub(in crate::expect) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(ALL))
    }
}

impl Budget {
    /// Takes memory, and says whether there was so much. Once there was not, there is nothing left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    pub(in crate::expect) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}
