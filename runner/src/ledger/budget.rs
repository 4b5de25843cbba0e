//! How many descriptors the host may lend at once.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::pool::{Limits, Pool};

/// Descriptors kept for telemetry, admin, alerts, heartbeat, state and reloads, so that they still work when checks have
/// taken the rest. The admin address alone may have 216. Where there are few, half of what is free.
pub(crate) const RESERVE: u64 = 256;

/// Of few descriptors too these are kept, as long as a check can have its smallest share.
const SMALLEST_RESERVE: u64 = 24;

/// Descriptors that every check may have at once, however few there are.
const SMALLEST_SHARE: u64 = 8;

/// Descriptors that may be lent, shared by all runs. One check has a quarter of them at most.
#[derive(Debug)]
pub struct Budget {
    pool: Pool,
    reserved: AtomicU64,
}

impl Budget {
    /// A budget of `capacity` descriptors.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self::keeping(RESERVE, capacity)
    }

    fn keeping(reserved: u64, capacity: u64) -> Self {
        Self {
            pool: Pool::new("descriptors", limits(capacity)),
            reserved: reserved.into(),
        }
    }

    /// What the process may open, less `baseline` (open now, for the host itself), less the reserve.
    #[must_use]
    pub fn within(descriptor_limit: u64, baseline: u64) -> Self {
        let free = descriptor_limit.saturating_sub(baseline);
        Self::keeping(reserved(free), free - reserved(free))
    }

    /// The same limit, with another `baseline`. What is lent already stays lent.
    pub(super) fn refit(&self, descriptor_limit: u64, baseline: u64) {
        let free = descriptor_limit.saturating_sub(baseline);
        self.reserved.store(reserved(free), Ordering::Release);
        self.pool.resize(limits(free - reserved(free)));
    }

    /// Descriptors that are kept for the host itself, besides those that it always has open.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Acquire)
    }

    /// Descriptors that may be lent at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.pool.limits().capacity
    }

    /// Descriptors lent now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.pool.used()
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

fn limits(capacity: u64) -> Limits {
    Limits::shared(capacity, (capacity / 4).max(SMALLEST_SHARE))
}

/// What is kept of descriptors that are free.
fn reserved(free: u64) -> u64 {
    let smallest = SMALLEST_RESERVE.min(free.saturating_sub(SMALLEST_SHARE));
    RESERVE.min(smallest.max(free / 2))
}

/// Raises the soft limit on open descriptors to the hard one and returns what is in force now.
///
/// # Errors
/// The operating system refused; the soft limit stays as it was.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptors that are lent, and those that are kept.
    fn split(free: u64) -> (u64, u64) {
        let budget = Budget::within(free + 30, 30);
        (budget.capacity(), budget.reserved())
    }

    #[test]
    fn the_host_keeps_what_it_needs_before_checks_get_more_than_the_smallest_share() {
        assert_eq!(split(10_000), (10_000 - RESERVE, RESERVE));
        assert_eq!(split(100), (50, 50));
        assert_eq!(split(40), (16, 24));
        assert_eq!(split(22), (8, 14));
        assert_eq!(split(14), (7, 7));
        assert_eq!(split(0), (0, 0));
    }

    #[test]
    fn a_new_baseline_changes_what_is_kept_too() {
        let budget = Budget::within(130, 30);
        budget.refit(130, 90);
        assert_eq!((budget.capacity(), budget.reserved()), (16, 24));
    }
}
