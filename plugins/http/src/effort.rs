//! What is left of the CPU time that a run has for judging, as a measure that is the same on every machine.
//!
//! All that grows with what a peer sends pays before it is done: each exchange and each byte of it, each value that a path
//! leads to, each comparison, each byte that is looked through. So no answers make a run use up its quota, whatever rules
//! they are held against.

use std::cell::Cell;
use std::time::Duration;

/// A unit is about a nanosecond, and of those that a run has this part is for judging, in percent. The rest is for what the
/// suite itself asks for, and for slower machines.
const PART: u128 = 40;

/// To go on costs more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("takes more computing than a run has (raise the quota `cpu`)")]
pub(crate) struct TooCostly;

/// Shared by all addresses and all expectations of a check.
#[derive(Debug)]
pub(crate) struct Effort(Cell<u64>);

impl Effort {
    pub(crate) fn of(units: u64) -> Self {
        Self(Cell::new(units))
    }

    /// What a run may take that has so much time on a processor.
    pub(crate) fn within(cpu: Duration) -> Self {
        Self::of(u64::try_from(cpu.as_nanos() * PART / 100).unwrap_or(u64::MAX))
    }

    /// Takes units.
    ///
    /// # Errors
    /// There are not so many left.
    pub(crate) fn take(&self, units: usize) -> Result<(), TooCostly> {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let left = self.0.get().checked_sub(units);
        // What could not be paid for is not paid for by what comes later either.
        self.0.set(left.unwrap_or(0));
        left.map(drop).ok_or(TooCostly)
    }

    /// Whether something could not be paid for, or nothing can be any more.
    pub(crate) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// That of a run with the default quotas.
#[cfg(test)]
impl Default for Effort {
    fn default() -> Self {
        Self::within(canary_sdk::Quotas::default().cpu)
    }
}
