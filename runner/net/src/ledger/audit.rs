//! Compares the ledger with the descriptors that the operating system reports.

mod leak_detector;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use self::leak_detector::LeakDetector;
pub use self::process::open_descriptors;
use self::process::{Descriptor, ProcessFds, count};
use super::Ledger;

/// Maximum number of scans per reading. A leaked descriptor appears in every scan; one that was closed while others
/// were opened during the scan does not, which is common on a busy machine.
const MAX_SCANS: usize = 8;

/// Counts the runner's own short-lived descriptors: connections to a collector, connections of the admin server.
#[derive(Debug, Clone, Default)]
pub struct InternalFds(Arc<AtomicU64>);

impl InternalFds {
    /// Registers one descriptor. Call it just before the descriptor is created, and keep the guard next to the
    /// descriptor.
    pub fn acquire(&self) -> FdGuard {
        self.0.fetch_add(1, Ordering::AcqRel);
        FdGuard(Arc::clone(&self.0))
    }

    /// Number of registered descriptors.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// One registered internal descriptor; unregistered on drop.
#[derive(Debug)]
#[must_use = "a descriptor is given back when this is dropped"]
pub struct FdGuard(Arc<AtomicU64>);

impl Drop for FdGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Compares `/proc/self/fd` with a baseline, the ledger and the internal descriptors.
///
/// A descriptor in none of them is unaccounted; there must be none.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Shared by all clones.
    baseline: Arc<AtomicU64>,
    internal_fds: InternalFds,
    /// Shared by all callers, so that each call contributes a scan.
    leak_detector: Arc<Mutex<LeakDetector>>,
    process: ProcessFds,
}

/// The result of one scan.
#[derive(Debug, Default)]
struct Scan {
    open: BTreeSet<Descriptor>,
    /// Number of open descriptors that are neither the host's own nor lent.
    unaccounted: u64,
}

impl Audit {
    /// Takes everything that is open and not lent as the host's own. Call it once the host is warm, because compiled
    /// plugins hold descriptors too.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn baseline(ledger: &Ledger, internal_fds: &InternalFds) -> io::Result<Self> {
        Self::new(ProcessFds::default(), ledger, internal_fds)
    }

    fn new(process: ProcessFds, ledger: &Ledger, internal_fds: &InternalFds) -> io::Result<Self> {
        let audit = Self {
            baseline: Arc::default(),
            internal_fds: internal_fds.clone(),
            leak_detector: Arc::default(),
            process,
        };
        audit.rebaseline(ledger)?;
        Ok(audit)
    }

    /// An audit that never scans and reports no leaks, for tests that share one process.
    #[cfg(any(test, feature = "test-util"))]
    pub fn disabled(internal_fds: &InternalFds) -> Self {
        Self {
            baseline: Arc::new(u64::MAX.into()),
            internal_fds: internal_fds.clone(),
            leak_detector: Arc::default(),
            process: ProcessFds::default(),
        }
    }

    /// Repeats the baseline: descriptors that were opened since and remain open become the host's own.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn rebaseline(&self, ledger: &Ledger) -> io::Result<()> {
        let own = count(&self.process.without_plugin_files()?).saturating_sub(self.accounted(ledger));
        self.baseline.store(own, Ordering::Release);
        Ok(())
    }

    /// Number of descriptors that are neither the host's own nor lent at this moment, including those that are being
    /// handed over between owners.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn unaccounted(&self, ledger: &Ledger) -> io::Result<u64> {
        Ok(self.best_scan(ledger)?.unaccounted)
    }

    /// Number of unaccounted descriptors that persist: the same descriptors, over several seconds and scans. Each call,
    /// from any caller, counts as a scan.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn leaked(&self, ledger: &Ledger) -> io::Result<u64> {
        let found = self.best_scan(ledger)?;
        let own = self.baseline.load(Ordering::Acquire);
        let mut leak_detector = self.leak_detector.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(leak_detector.observe(Instant::now(), found, own))
    }

    /// The scan with the fewest unaccounted descriptors.
    fn best_scan(&self, ledger: &Ledger) -> io::Result<Scan> {
        let mut best = self.scan(ledger)?;
        for _ in 1..MAX_SCANS {
            if best.unaccounted == 0 {
                break;
            }
            let next = self.scan(ledger)?;
            if next.unaccounted < best.unaccounted {
                best = next;
            }
        }
        Ok(best)
    }

    fn scan(&self, ledger: &Ledger) -> io::Result<Scan> {
        let baseline = self.baseline.load(Ordering::Acquire);
        #[cfg(any(test, feature = "test-util"))]
        if baseline == u64::MAX {
            return Ok(Scan::default());
        }
        // Leases change while the directory is read; use the larger count to avoid false positives.
        let before = self.accounted(ledger);
        let open = self.process.without_plugin_files()?;
        let unaccounted = count(&open)
            .saturating_sub(baseline)
            .saturating_sub(before.max(self.accounted(ledger)));
        Ok(Scan { open, unaccounted })
    }

    fn accounted(&self, ledger: &Ledger) -> u64 {
        ledger.leased() + self.internal_fds.count() + (self.process.files_being_read)()
    }
}
