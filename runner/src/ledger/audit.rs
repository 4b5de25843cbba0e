//! The ledger held against what the operating system says.

use std::io;

use super::Ledger;

/// Compares `/proc/self/fd` with a baseline and the ledger.
///
/// What is in neither is unaccounted, which must be 0: a descriptor that nobody owns.
#[derive(Debug, Clone, Copy)]
pub struct Audit {
    baseline: u64,
}

impl Audit {
    /// Takes what is open now, and not lent, as the host's own. Call it when the host is warm: compiled plugins
    /// keep descriptors of their own.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn baseline(ledger: &Ledger) -> io::Result<Self> {
        let leased = ledger.leased();
        Ok(Self {
            baseline: open_descriptors()?.saturating_sub(leased),
        })
    }

    /// Descriptors that are neither the host's own nor lent.
    ///
    /// # Errors
    /// `/proc/self/fd` cannot be read.
    pub fn unaccounted(&self, ledger: &Ledger) -> io::Result<u64> {
        // Leases come and go while the folder is read: the larger count is the fair one.
        let before = ledger.leased();
        let open = open_descriptors()?;
        let leased = before.max(ledger.leased());
        Ok(open.saturating_sub(self.baseline).saturating_sub(leased))
    }
}

/// Descriptors that this process has open, without the one that reading the folder takes.
///
/// # Errors
/// `/proc/self/fd` cannot be read, for want of a descriptor or of `/proc`.
pub fn open_descriptors() -> io::Result<u64> {
    let count = std::fs::read_dir("/proc/self/fd")?.count();
    Ok(u64::try_from(count).unwrap_or(u64::MAX).saturating_sub(1))
}
