//! One bound on all that a guest has allocated, and what the host keeps for it.

use wasmtime::ResourceLimiter;

use super::fault::is_short_of_memory;
use super::room::StoreLimits;
use crate::ledger::Denial;
use crate::quota::QuotaKind;

/// What an element of a table costs the host, in bytes.
const TABLE_ELEMENT: usize = 16;

/// Bounds the sum of a guest's linear memories and tables and of what the host keeps for it, in bytes. wasmtime's own limit is
/// per memory.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// The part of it that the host keeps for the guest.
    kept: usize,
    peak: usize,
    /// The refusal of memory that the guest asked for.
    refusal: Option<Denial>,
}

impl Limiter {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
            used: 0,
            kept: 0,
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

    /// Counts bytes that the host keeps for the guest from now on. They have a quarter of the limit at most: the guest goes on
    /// where that is used up, and needs memory for it.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), Denial> {
        let kept = self.kept.saturating_add(bytes);
        if kept > self.limit / 4 {
            return Err(self.denial());
        }
        self.grow(bytes)?;
        self.kept = kept;
        Ok(())
    }

    /// Counts bytes no more that the host has kept.
    pub(super) fn release(&mut self, bytes: usize) {
        self.kept = self.kept.saturating_sub(bytes);
        self.used = self.used.saturating_sub(bytes);
    }

    fn grow(&mut self, by: usize) -> Result<(), Denial> {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            return Err(self.denial());
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        Ok(())
    }

    fn denial(&self) -> Denial {
        Denial {
            what: QuotaKind::Memory,
            limit: u64::try_from(self.limit).unwrap_or(u64::MAX),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_keeps_has_a_quarter_of_the_memory_until_it_is_released() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 30, None).unwrap());
        limiter.keep(25).unwrap();
        assert_eq!(limiter.keep(1).unwrap_err().limit, 100);
        assert!(limiter.memory_growing(30, 75, None).unwrap());
        assert!(!limiter.memory_growing(75, 76, None).unwrap());
        limiter.release(25);
        assert!(limiter.memory_growing(75, 90, None).unwrap());
        assert!(limiter.keep(11).is_err(), "the guest has the rest");
        limiter.keep(10).unwrap();
        assert_eq!(limiter.peak(), 100);
    }
}
