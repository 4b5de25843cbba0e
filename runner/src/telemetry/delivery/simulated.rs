//! A spool whose disk fails when a test says so.

use std::cell::Cell;
use std::io;

thread_local! {
    static FAILURE: Cell<Option<i32>> = const { Cell::new(None) };
}

/// From now on each use of a spool on this thread fails with this error of the operating system, or none does.
pub(super) fn fail_disk(errno: Option<i32>) {
    FAILURE.set(errno);
}

pub(super) fn disk_failure() -> Option<io::Error> {
    FAILURE.get().map(io::Error::from_raw_os_error)
}
