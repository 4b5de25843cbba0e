//! Reserved file descriptors for when the process has none left.

use std::fs::File;

use canary_net::ledger::audit::{FdGuard, InternalFds};

/// A file that costs nothing to keep open.
const NULL_DEVICE: &str = "/dev/null";

/// Descriptors that are held open only to be closed right before one is needed: a process that is out of descriptors
/// cannot connect, and that is when reporting matters most.
///
/// Another thread may take the freed descriptors; the next attempt has another chance.
#[derive(Debug)]
pub(super) struct ReservedFds {
    internal_fds: InternalFds,
    count: usize,
    /// Each file is closed before its guard is dropped.
    files: Vec<(File, FdGuard)>,
}

impl ReservedFds {
    /// Reserves `count` descriptors, or as many as there are.
    pub(super) fn new(internal_fds: &InternalFds, count: usize) -> Self {
        let mut reserved = Self {
            internal_fds: internal_fds.clone(),
            count,
            files: Vec::with_capacity(count),
        };
        reserved.refill();
        reserved
    }

    /// Closes them, so that something else can be opened.
    pub(super) fn release(&mut self) {
        self.files.clear();
    }

    /// Reopens the missing ones.
    pub(super) fn refill(&mut self) {
        while self.files.len() < self.count {
            let held = self.internal_fds.acquire();
            let Ok(file) = File::open(NULL_DEVICE) else { return };
            self.files.push((file, held));
        }
    }
}
