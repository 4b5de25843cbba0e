//! Counts hash look-ups on this thread.

use std::cell::Cell;

thread_local! {
    static LOOKUPS: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn increment() {
    LOOKUPS.set(LOOKUPS.get() + 1);
}

/// The number of look-ups of `work`.
pub(in crate::redact) fn count_in(work: impl FnOnce()) -> u64 {
    let before = LOOKUPS.get();
    work();
    LOOKUPS.get() - before
}
