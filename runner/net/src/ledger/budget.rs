//! The number of descriptors that the host may lend at once.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::pool::{Limits, Pool};

/// Descriptors reserved for telemetry, admin, alerts, heartbeat, state and reloads, so that they still work when checks
/// use all the others. The admin server alone may use 216. If few descriptors are free, half of them are reserved.
pub const RESERVED_FDS: u64 = 256;

/// Minimum reserve when descriptors are scarce, as long as a check still gets its minimum share.
const MIN_RESERVE: u64 = 24;

/// Descriptors that every check may use at once, however scarce they are.
const MIN_SHARE: u64 = 8;

/// The budget of descriptors that may be lent, shared by all runs. One check gets at most a quarter of them.
#[derive(Debug)]
pub struct Budget {
    pool: Pool,
    reserved: AtomicU64,
}

impl Budget {
    /// Creates a budget of `capacity` descriptors.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self::with_reserve(RESERVED_FDS, capacity)
    }

    fn with_reserve(reserved: u64, capacity: u64) -> Self {
        Self {
            pool: Pool::new("descriptors", limits(capacity)),
            reserved: reserved.into(),
        }
    }

    /// The process limit, minus `baseline` (descriptors that the host itself has open), minus the reserve.
    #[must_use]
    pub fn within(descriptor_limit: u64, baseline: u64) -> Self {
        let free = descriptor_limit.saturating_sub(baseline);
        Self::with_reserve(reserved(free), free - reserved(free))
    }

    /// Recomputes the budget with the same limit and another `baseline`. Descriptors that are already lent stay lent.
    pub(super) fn resize(&self, descriptor_limit: u64, baseline: u64) {
        let free = descriptor_limit.saturating_sub(baseline);
        self.reserved.store(reserved(free), Ordering::Release);
        self.pool.resize(limits(free - reserved(free)));
    }

    /// Descriptors reserved for the host itself, in addition to those that it always has open.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Acquire)
    }

    /// Maximum number of descriptors that can be lent at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.pool.limits().capacity
    }

    /// Descriptors that are currently lent.
    #[must_use]
    pub fn leased(&self) -> u64 {
        self.pool.used()
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

fn limits(capacity: u64) -> Limits {
    Limits::shared(capacity, (capacity / 4).max(MIN_SHARE))
}

/// The reserve, given the number of free descriptors.
fn reserved(free: u64) -> u64 {
    let minimum = MIN_RESERVE.min(free.saturating_sub(MIN_SHARE));
    RESERVED_FDS.min(minimum.max(free / 2))
}

/// Raises the soft limit on open descriptors to the hard limit and returns the effective limit.
///
/// # Errors
/// The operating system refused; the soft limit is unchanged.
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

    /// Lendable and reserved descriptors.
    fn split(free: u64) -> (u64, u64) {
        let budget = Budget::within(free + 30, 30);
        (budget.capacity(), budget.reserved())
    }

    #[test]
    fn the_host_reserves_what_it_needs_before_checks_get_more_than_the_smallest_share() {
        assert_eq!(split(10_000), (10_000 - RESERVED_FDS, RESERVED_FDS));
        assert_eq!(split(100), (50, 50));
        assert_eq!(split(40), (16, 24));
        assert_eq!(split(22), (8, 14));
        assert_eq!(split(14), (7, 7));
        assert_eq!(split(0), (0, 0));
    }

    #[test]
    fn a_new_baseline_changes_what_is_kept_too() {
        let budget = Budget::within(130, 30);
        budget.resize(130, 90);
        assert_eq!((budget.capacity(), budget.reserved()), (16, 24));
    }
}
