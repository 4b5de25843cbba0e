//! One memory limit for everything that a guest has allocated and that the host stores for it.

use std::io;

use rustix::io::Errno;
use wasmtime::{OutOfMemory, ResourceLimiter};

use super::instance_pool::StoreLimits;
use canary_net::ledger::Denial;
use canary_record::quota::QuotaKind;

/// Bytes of host memory that one table element costs.
const TABLE_ELEMENT: usize = 16;

/// Limits the sum, in bytes, of a guest's linear memories, its tables and what the host stores for it. wasmtime's own
/// limit is per memory.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// The part of `used` that the host stores for the guest.
    host_bytes: usize,
    peak: usize,
    /// The last denial of memory that the guest asked for.
    refusal: Option<Denial>,
}

impl Limiter {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
            used: 0,
            host_bytes: 0,
            peak: 0,
            refusal: None,
        }
    }

    pub(super) fn peak(&self) -> u64 {
        u64::try_from(self.peak).unwrap_or(u64::MAX)
    }

    /// The denial, if the guest was refused memory.
    pub(super) fn refusal(&self) -> Option<Denial> {
        self.refusal
    }

    /// Reserves bytes that the host stores for the guest. They may take a quarter of the limit at most: the guest
    /// continues after a refusal and needs memory for that.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), Denial> {
        let host_bytes = self.host_bytes.saturating_add(bytes);
        if host_bytes > self.limit / 4 {
            return Err(self.denial());
        }
        self.grow(bytes)?;
        self.host_bytes = host_bytes;
        Ok(())
    }

    /// Releases bytes that were reserved for the host.
    pub(super) fn release(&mut self, bytes: usize) {
        self.host_bytes = self.host_bytes.saturating_sub(bytes);
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
            // Without its declared initial memory the guest cannot start.
            Err(denial) if current == 0 => Err(wasmtime::Error::new(denial)),
            // A guest that can do with less continues and returns its verdict. In most languages it traps.
            Err(denial) => {
                self.refusal = Some(denial);
                Ok(false)
            }
        }
    }

    /// Ends the call if the operating system is out of memory: the guest could not report that as the reason.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if is_short_of_memory(&error) {
            Err(error)
        } else {
            Ok(())
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

/// Whether the operating system refused memory for a guest: a limit of the process or of the machine.
pub(crate) fn is_short_of_memory(error: &wasmtime::Error) -> bool {
    let by_system = error.chain().any(|cause| {
        let by_system = cause.downcast_ref::<Errno>() == Some(&Errno::NOMEM);
        let by_std =
            cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::OutOfMemory);
        by_system || by_std
    });
    by_system || error.is::<OutOfMemory>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_keeps_has_a_quarter_of_the_memory_until_it_is_released() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 30, None).unwrap());
        limiter.reserve(25).unwrap();
        assert_eq!(limiter.reserve(1).unwrap_err().limit, 100);
        assert!(limiter.memory_growing(30, 75, None).unwrap());
        assert!(!limiter.memory_growing(75, 76, None).unwrap());
        limiter.release(25);
        assert!(limiter.memory_growing(75, 90, None).unwrap());
        assert!(limiter.reserve(11).is_err(), "the guest has the rest");
        limiter.reserve(10).unwrap();
        assert_eq!(limiter.peak(), 100);
    }
}
