//! How many descriptors the host may lend at once.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::pool::{Limits, Pool};

/// Descriptors kept for telemetry, admin, alerts, heartbeat, state and reloads, so that they still work when checks have
/// taken the rest. The admin address alone may have 70. Where there are few, half of what is free.
pub(crate) const RESERVE: u64 = 128;

/// Descriptors that every check may have at once, however few there are.
const SMALLEST_SHARE: u64 = 8;

/// Descriptors that may be lent, shared by all runs. One check has a quarter of them at most.
#[derive(Debug)]
pub struct Budget(Pool);

impl Budget {
    /// A budget of `capacity` descriptors.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self(Pool::new("descriptors", limits(capacity)))
    }

    /// What the process may open, less `baseline` (open now, for the host itself), less the reserve.
    #[must_use]
    pub fn within(descriptor_limit: u64, baseline: u64) -> Self {
        Self::new(lendable(descriptor_limit, baseline))
    }

    /// The same limit, with another `baseline`. What is lent already stays lent.
    pub(super) fn refit(&self, descriptor_limit: u64, baseline: u64) {
        self.0.resize(limits(lendable(descriptor_limit, baseline)));
    }

    /// Descriptors that may be lent at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.0.limits().capacity
    }

    /// Descriptors lent now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.0.used()
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.0
    }
}

fn limits(capacity: u64) -> Limits {
    Limits::shared(capacity, (capacity / 4).max(SMALLEST_SHARE))
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
