//! How many descriptors the host may lend at once.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for telemetry, admin, alerts and heartbeat, so that they still speak when checks have eaten the
/// rest. Where there are few, half of what is free.
const RESERVE: u64 = 32;

/// A count of descriptors that may be taken, shared by all runs.
#[derive(Debug)]
pub struct Budget {
    capacity: AtomicU64,
    taken: AtomicU64,
}

impl Budget {
    /// A budget of `capacity` descriptors.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity: AtomicU64::new(capacity),
            taken: AtomicU64::new(0),
        }
    }

    /// What the process may open, less `baseline` (open now, for the host itself), less the reserve.
    #[must_use]
    pub fn within(descriptor_limit: u64, baseline: u64) -> Self {
        Self::new(lendable(descriptor_limit, baseline))
    }

    /// The same limit, with another `baseline`. What is lent already stays lent.
    pub(super) fn refit(&self, descriptor_limit: u64, baseline: u64) {
        self.capacity
            .store(lendable(descriptor_limit, baseline), Ordering::Release);
    }

    /// Descriptors that may be lent at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Acquire)
    }

    /// Descriptors lent now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    pub(super) fn try_take(&self) -> bool {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < self.capacity()).then_some(taken + 1)
            })
            .is_ok()
    }

    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lendable(descriptor_limit: u64, baseline: u64) -> u64 {
    let free = descriptor_limit.saturating_sub(baseline);
    free - RESERVE.min(free / 2)
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
