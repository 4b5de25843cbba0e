//! The share of a run's CPU time that what peers send may use.

use std::time::Duration;

use super::Page;

/// Percentage of the quota `cpu` after which nothing more is received: the rest is for the guest's verdict.
const CPU_FOR_RECEIVING: u32 = 90;
/// Percentage of the quota `cpu` after which reads are small.
const CPU_BEFORE_SMALL_READS: u32 = 25;
/// Size of a small read, in bytes: one-byte pieces cost about a microsecond each.
const SMALL_READ: usize = 4 << 10;

/// Returns the CPU time that a run has used so far, including the current poll.
pub(super) type CpuUsed = dyn Fn() -> Duration + Send + Sync;

impl Page {
    /// Sets how the run's CPU time is measured, so that receiving is denied before it uses up the quota `cpu`: a peer
    /// must not be able to end a run without a verdict. `used` is called on the thread that polls the run. Only the
    /// first call has an effect.
    pub fn set_cpu_meter(&self, used: Box<CpuUsed>) {
        let _first_wins = self.cpu_used.set(used);
    }

    /// Maximum size of the next read, in bytes; `None` if there is no CPU time left to process what it returns.
    pub(in crate::ledger) fn max_read(&self) -> Option<usize> {
        let Some(used) = self.cpu_used.get() else {
            return Some(usize::MAX);
        };
        let used = used();
        let part = |percent: u32| self.quota.cpu.saturating_mul(percent) / 100;
        if used < part(CPU_BEFORE_SMALL_READS) {
            Some(usize::MAX)
        } else {
            (used < part(CPU_FOR_RECEIVING)).then_some(SMALL_READ)
        }
    }
}
