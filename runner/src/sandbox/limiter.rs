//! One bound on all that a guest has allocated.

use wasmtime::ResourceLimiter;

use super::fault::is_short_of_memory;
use super::room::StoreLimits;
use crate::ledger::Denial;
use crate::quota::QuotaKind;

/// What an element of a table costs the host, in bytes.
const TABLE_ELEMENT: usize = 16;

/// Bounds the sum of a guest's linear memories and tables, in bytes. wasmtime's own limit is per memory.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    peak: usize,
    /// The refusal of memory that the guest asked for.
    refusal: Option<Denial>,
}

impl Limiter {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
            used: 0,
            peak: 0,
            refusal: None,
        }
    }

    pub(super) fn peak(&self) -> u64 {
        u64::try_from(self.peak).unwrap_or(u64::MAX)
    }

    /// Whether the guest was refused memory.
    pub(super) fn refusal(&self) -> Option<Denial> {
        self.refusal
    }

    fn grow(&mut self, by: usize) -> Result<(), Denial> {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            return Err(Denial {
                what: QuotaKind::Memory,
                limit: u64::try_from(self.limit).unwrap_or(u64::MAX),
            });
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        Ok(())
    }
}

impl ResourceLimiter for Limiter {
    fn instances(&self) -> usize {
        StoreLimits::INSTANCES
    }

    fn memories(&self) -> usize {
        StoreLimits::MEMORIES
    }

    fn tables(&self) -> usize {
        StoreLimits::TABLES
    }

    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        match self.grow(desired.saturating_sub(current)) {
            Ok(()) => Ok(true),
            // Without the memory that it is declared with there is no guest.
            Err(denial) if current == 0 => Err(wasmtime::Error::new(denial)),
            // One that can do with less goes on, and gives its verdict. Of most languages it traps.
            Err(denial) => {
                self.refusal = Some(denial);
                Ok(false)
            }
        }
    }

    /// A guest that is not given what it may have could not say why it failed.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        match is_short_of_memory(&error) {
            true => Err(error),
            false => Ok(()),
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let grown = self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT));
        grown.map(|()| true).map_err(wasmtime::Error::new)
    }
}
