//! The ledger held against what the operating system says.

mod judge;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use self::judge::Judge;
pub use self::process::open_descriptors;
use self::process::{Descriptor, Process, count};
use super::Ledger;

/// A descriptor that nobody owns is found each time. One that was closed when others had been opened, while the folder was
/// read, is not: a busy machine takes its time for that.
const LOOKS: usize = 8;

/// Descriptors of the runner itself that come and go: connections to a collector, those of the admin address.
#[derive(Debug, Clone, Default)]
pub struct Reserve(Arc<AtomicU64>);

impl Reserve {
    /// Notes one more; take it just before the descriptor exists, and keep it beside the descriptor.
    pub fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::AcqRel);
        Held(Arc::clone(&self.0))
    }

    /// Descriptors noted now.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A descriptor of the reserve; given back on drop.
#[derive(Debug)]
#[must_use = "a descriptor is given back when this is dropped"]
pub struct Held(Arc<AtomicU64>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Compares `/proc/self/fd` with a baseline, the ledger and the reserve.
///
/// What is in none of them is unaccounted, which must be 0: a descriptor that nobody owns.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Shared by all clones.
    baseline: Arc<AtomicU64>,
    reserve: Reserve,
    /// One for all who ask.
    judge: Arc<Mutex<Judge>>,
    process: Process,
}

/// What was found at one moment.
#[derive(Debug, Default)]
struct Reading {
    open: BTreeSet<Descriptor>,
    /// How many of them are neither the host's own nor lent.
    unaccounted: u64,
}

impl Audit {
    /// Takes what is open now, and not lent, as the host's own. Call it when the host is warm: compiled plugins
    /// keep descriptors of their own.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn baseline(ledger: &Ledger, reserve: &Reserve) -> io::Result<Self> {
        Self::of(Process::default(), ledger, reserve)
    }

    fn of(process: Process, ledger: &Ledger, reserve: &Reserve) -> io::Result<Self> {
        let audit = Self {
            baseline: Arc::default(),
            reserve: reserve.clone(),
            judge: Arc::default(),
            process,
        };
        audit.take_stock(ledger)?;
        Ok(audit)
    }

    /// Finds nothing, and does not look: tests that share a process open descriptors as they like.
    #[cfg(test)]
    pub(crate) fn blind(reserve: &Reserve) -> Self {
        Self {
            baseline: Arc::new(u64::MAX.into()),
            reserve: reserve.clone(),
            judge: Arc::default(),
            process: Process::default(),
        }
    }

    /// The same, once more: what was opened since then and stays is the host's own.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn take_stock(&self, ledger: &Ledger) -> io::Result<()> {
        let own = count(&self.process.of_no_plugin()?).saturating_sub(self.known(ledger));
        self.baseline.store(own, Ordering::Release);
        Ok(())
    }

    /// Descriptors that are neither the host's own nor lent, at this moment: one that is between two owners is among
    /// them.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn unaccounted(&self, ledger: &Ledger) -> io::Result<u64> {
        Ok(self.read(ledger)?.unaccounted)
    }

    /// The same of those that stay: the same descriptors, for some seconds, in several readings. Each call is a reading,
    /// whoever makes it.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn leaked(&self, ledger: &Ledger) -> io::Result<u64> {
        let found = self.read(ledger)?;
        let own = self.baseline.load(Ordering::Acquire);
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(judge.see(Instant::now(), found, own))
    }

    /// The fairest of some looks.
    fn read(&self, ledger: &Ledger) -> io::Result<Reading> {
        let mut best = self.look(ledger)?;
        for _ in 1..LOOKS {
            if best.unaccounted == 0 {
                break;
            }
            let next = self.look(ledger)?;
            if next.unaccounted < best.unaccounted {
                best = next;
            }
        }
        Ok(best)
    }

    fn look(&self, ledger: &Ledger) -> io::Result<Reading> {
        let baseline = self.baseline.load(Ordering::Acquire);
        #[cfg(test)]
        if baseline == u64::MAX {
            return Ok(Reading::default());
        }
        // Leases come and go while the folder is read: the larger count is the fair one.
        let before = self.known(ledger);
        let open = self.process.of_no_plugin()?;
        let unaccounted = count(&open)
            .saturating_sub(baseline)
            .saturating_sub(before.max(self.known(ledger)));
        Ok(Reading { open, unaccounted })
    }

    fn known(&self, ledger: &Ledger) -> u64 {
        ledger.leased() + self.reserve.held() + (self.process.reading)()
    }
}
