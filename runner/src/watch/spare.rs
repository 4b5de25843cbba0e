//! Descriptors kept for the moment when there are none left.

use std::fs::File;

use crate::ledger::audit::{Held, Reserve};

/// What costs nothing to keep open.
const NOTHING: &str = "/dev/null";

/// Descriptors that are open for no other reason than to be closed right before one is needed. A process that has run
/// out of them cannot connect, and that is just when it has most to say.
///
/// Another thread may take what is closed here; the next attempt has another chance.
#[derive(Debug)]
pub(super) struct Spare {
    reserve: Reserve,
    count: usize,
    /// A file goes before its place in the reserve does.
    kept: Vec<(File, Held)>,
}

impl Spare {
    /// Keeps `count` of them, or as many as there are.
    pub(super) fn new(reserve: &Reserve, count: usize) -> Self {
        let mut spare = Self {
            reserve: reserve.clone(),
            count,
            kept: Vec::with_capacity(count),
        };
        spare.refill();
        spare
    }

    /// Closes them, for something else to be opened.
    pub(super) fn lend(&mut self) {
        self.kept.clear();
    }

    /// Opens again what is missing.
    pub(super) fn refill(&mut self) {
        while self.kept.len() < self.count {
            let held = self.reserve.hold();
            let Ok(file) = File::open(NOTHING) else { return };
            self.kept.push((file, held));
        }
    }
}
