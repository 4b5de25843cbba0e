//! What is left of the CPU time that a run has for judging.
//!
//! All that grows with what a peer sends pays before it is done: each exchange and each byte of it, each value that a path
//! leads to, each comparison, each byte that is looked through. So no answers make a run use up its quota, whatever rules
//! they are held against. What is paid is a reckoning, the same on every machine; how long it really took is looked up from
//! time to time, since machines differ, and some inputs cost more than anybody reckons.

use std::cell::Cell;
use std::time::Duration;

use canary_sdk::usage;

/// The part of a run's CPU time that may be used when judging goes on, in percent. The rest is for the verdict.
const PART: u32 = 85;
/// How often that is looked up: whenever what was paid since is this part of the CPU time.
const LOOKS: u64 = 64;

/// To go on costs more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("takes more computing than a run has (raise the quota `cpu`)")]
pub(crate) struct TooCostly;

/// Shared by all addresses and all expectations of a check.
#[derive(Debug)]
pub(crate) struct Effort {
    /// Units, of about a nanosecond.
    left: Cell<u64>,
    /// Units that were paid since the time was looked up.
    unseen: Cell<u64>,
    /// Those after which it is looked up again.
    interval: u64,
    /// CPU time after which nothing goes on.
    limit: Duration,
}

impl Effort {
    /// For what the suite itself has.
    pub(crate) fn unbounded() -> Self {
        Self::of(u64::MAX)
    }

    /// So many units, however long they take.
    pub(crate) fn of(units: u64) -> Self {
        Self {
            left: Cell::new(units),
            unseen: Cell::new(0),
            interval: u64::MAX,
            limit: Duration::MAX,
        }
    }

    /// What a run may take that has so much time on a processor.
    pub(crate) fn within(cpu: Duration) -> Self {
        let units = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        Self {
            left: Cell::new(units),
            unseen: Cell::new(0),
            interval: units / LOOKS,
            limit: cpu.saturating_mul(PART) / 100,
        }
    }

    /// Takes units.
    ///
    /// # Errors
    /// There are not so many left.
    pub(crate) fn take(&self, units: usize) -> Result<(), TooCostly> {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let left = self.left.get().checked_sub(units);
        // What could not be paid for is not paid for by what comes later either.
        self.left.set(left.unwrap_or(0));
        left.ok_or(TooCostly)?;
        self.unseen.set(self.unseen.get().saturating_add(units));
        match self.unseen.get() > self.interval {
            true => self.look(),
            false => Ok(()),
        }
    }

    /// Looks up whether there is time for what was paid last. For work that may cost far more than it pays.
    ///
    /// # Errors
    /// There is not.
    pub(crate) fn look(&self) -> Result<(), TooCostly> {
        let paid = Duration::from_nanos(self.unseen.take());
        match usage::cpu().saturating_add(paid) <= self.limit {
            true => Ok(()),
            false => {
                self.left.set(0);
                Err(TooCostly)
            }
        }
    }

    /// Whether something could not be paid for, or nothing can be any more.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left.get() == 0
    }
}

/// That of a run with the default quotas.
#[cfg(test)]
impl Default for Effort {
    fn default() -> Self {
        Self::within(canary_sdk::Quotas::default().cpu)
    }
}

#[cfg(test)]
mod tests {
    use canary_sdk::fake::FakeHost;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_reckoned_comes_to_an_end() {
        let effort = Effort::within(SECOND);
        let paid = (0..).take_while(|_| effort.take(1 << 20).is_ok()).count();
        assert_eq!(paid, 1_000_000_000 >> 20);
        assert!(effort.is_used_up());
    }

    #[test]
    fn time_that_nobody_reckoned_with_ends_it_too() {
        let effort = Effort::within(SECOND);
        let host = FakeHost::new().cpu_used(Duration::from_millis(860));
        host.enter(|| {
            assert_eq!(effort.take(1), Ok(()));
            assert_eq!(effort.look(), Err(TooCostly));
            assert!(effort.is_used_up());
        });
    }

    #[test]
    fn time_is_looked_up_as_units_are_paid() {
        let host = FakeHost::new().cpu_used(Duration::from_millis(860));
        host.enter(|| {
            let effort = Effort::within(SECOND);
            let paid = (0..).take_while(|_| effort.take(1_000_000).is_ok()).count();
            assert_eq!(paid, 15);
        });
    }

    #[test]
    fn a_long_piece_of_work_is_not_begun_without_time_for_it() {
        let host = FakeHost::new().cpu_used(Duration::from_millis(600));
        host.enter(|| {
            let effort = Effort::within(SECOND);
            assert_eq!(effort.take(200_000_000), Ok(()));
            assert_eq!(effort.take(300_000_000), Err(TooCostly));
        });
    }
}
