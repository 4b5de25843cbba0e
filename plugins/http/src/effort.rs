//! The budget of CPU time for evaluating responses.
//!
//! All work that grows with what a peer sends is charged before it is done: each exchange and each of its bytes, each
//! value that a path selects, each comparison, each byte that is scanned. So no response can exhaust the run's quota,
//! whatever rules it is evaluated against. Charges are estimates, the same on every machine; the actual time is
//! checked from time to time, since machines differ and some inputs cost more than estimated.

use std::cell::Cell;
use std::time::Duration;

use canary_sdk::usage;

/// The percentage of a run's CPU time that evaluation may use. The rest is for the verdict.
const PART: u32 = 85;
/// How often the actual time is checked: whenever this fraction of the CPU time was charged since.
const TIME_CHECKS: u64 = 64;

/// Continuing costs more than is left of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("takes more CPU time than a run has (raise the quota `cpu`)")]
pub(crate) struct TooCostly;

/// The effort budget, shared by all addresses and all expectations of a check.
#[derive(Debug)]
pub(crate) struct Effort {
    /// Units left, of about a nanosecond each.
    left: Cell<u64>,
    /// Units charged since the time was last checked.
    unchecked: Cell<u64>,
    /// Units after which the time is checked again.
    interval: u64,
    /// CPU time after which no work continues.
    limit: Duration,
}

impl Effort {
    /// An unlimited budget, for data of the suite itself.
    pub(crate) fn unbounded() -> Self {
        Self::with_units(u64::MAX)
    }

    /// A budget of so many units, however long they take.
    pub(crate) fn with_units(units: u64) -> Self {
        Self {
            left: Cell::new(units),
            unchecked: Cell::new(0),
            interval: u64::MAX,
            limit: Duration::MAX,
        }
    }

    /// The budget of a run with so much CPU time.
    pub(crate) fn for_cpu_quota(cpu: Duration) -> Self {
        let units = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        Self {
            left: Cell::new(units),
            unchecked: Cell::new(0),
            interval: units / TIME_CHECKS,
            limit: cpu.saturating_mul(PART) / 100,
        }
    }

    /// Charges units.
    ///
    /// # Errors
    /// Not so many are left.
    pub(crate) fn charge(&self, units: usize) -> Result<(), TooCostly> {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let left = self.left.get().checked_sub(units);
        // After a charge that failed, smaller ones must fail too.
        self.left.set(left.unwrap_or(0));
        left.ok_or(TooCostly)?;
        self.unchecked.set(self.unchecked.get().saturating_add(units));
        if self.unchecked.get() > self.interval {
            self.check_time()
        } else {
            Ok(())
        }
    }

    /// Checks whether there was time for what was charged last. For work that may cost far more than its charge.
    ///
    /// # Errors
    /// There was not.
    pub(crate) fn check_time(&self) -> Result<(), TooCostly> {
        let paid = Duration::from_nanos(self.unchecked.take());
        if usage::cpu().saturating_add(paid) <= self.limit {
            Ok(())
        } else {
            self.left.set(0);
            Err(TooCostly)
        }
    }

    /// Whether a charge has failed, or every further one would.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left.get() == 0
    }
}

/// The budget of a run with the default quotas.
#[cfg(test)]
impl Default for Effort {
    fn default() -> Self {
        Self::for_cpu_quota(canary_sdk::Quotas::default().cpu)
    }
}

#[cfg(test)]
mod tests {
    use canary_sdk::fake::FakeHost;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn charges_use_up_the_budget() {
        let effort = Effort::for_cpu_quota(SECOND);
        let paid = (0..).take_while(|_| effort.charge(1 << 20).is_ok()).count();
        assert_eq!(paid, 1_000_000_000 >> 20);
        assert!(effort.is_used_up());
    }

    #[test]
    fn actual_time_uses_up_the_budget_too() {
        let effort = Effort::for_cpu_quota(SECOND);
        let host = FakeHost::new().cpu_used(Duration::from_millis(860));
        host.enter(|| {
            assert_eq!(effort.charge(1), Ok(()));
            assert_eq!(effort.check_time(), Err(TooCostly));
            assert!(effort.is_used_up());
        });
    }

    #[test]
    fn time_is_checked_as_units_are_charged() {
        let host = FakeHost::new().cpu_used(Duration::from_millis(860));
        host.enter(|| {
            let effort = Effort::for_cpu_quota(SECOND);
            let paid = (0..).take_while(|_| effort.charge(1_000_000).is_ok()).count();
            assert_eq!(paid, 15);
        });
    }

    #[test]
    fn a_long_piece_of_work_is_not_begun_without_time_for_it() {
        let host = FakeHost::new().cpu_used(Duration::from_millis(600));
        host.enter(|| {
            let effort = Effort::for_cpu_quota(SECOND);
            assert_eq!(effort.charge(200_000_000), Ok(()));
            assert_eq!(effort.charge(300_000_000), Err(TooCostly));
        });
    }
}
