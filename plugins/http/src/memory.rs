//! The budget of linear memory for what a peer sends.
//!
//! Whatever grows with a response is reserved here before it is built, so that a response that does not fit is a
//! failure of the check, and not the end of the run. Two things decide: what is left of the quota by calculation, and
//! what the allocator has in one piece, which fragmentation reduces.

use std::hint::black_box;

/// Bytes that a run needs in any case: code and its data, the configuration, headers and certificates of a response,
/// texts of the verdict.
const BESIDES: usize = 4 << 20;
/// The part of it that is not allocated yet when a response arrives.
const SPARE: usize = 2 << 20;

/// Bytes of a page of linear memory.
#[cfg(target_family = "wasm")]
const PAGE: usize = 64 << 10;
/// Bytes that the allocator adds when it grows.
const GRANULARITY: usize = 128 << 10;

/// There is not enough memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more memory than a run has (raise the quota `memory`)")]
pub(crate) struct OutOfMemory;

/// The bytes that are left of a run's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryBudget {
    quota: usize,
    left: usize,
    /// Bytes that must stay free for what is allocated without a reservation.
    spare: usize,
}

impl MemoryBudget {
    /// The budget of a run with this quota.
    pub(crate) fn for_quota(quota: u64) -> Self {
        let quota = usize::try_from(quota).unwrap_or(usize::MAX);
        Self {
            quota,
            left: quota.saturating_sub(BESIDES),
            spare: SPARE,
        }
    }

    /// A budget of so many bytes.
    #[cfg(test)]
    pub(crate) fn with_bytes(left: usize) -> Self {
        Self {
            left,
            ..Self::unbounded()
        }
    }

    /// An unlimited budget, for data of the suite itself.
    pub(crate) fn unbounded() -> Self {
        Self {
            quota: usize::MAX,
            left: usize::MAX,
            spare: 0,
        }
    }

    /// What is left after so many bytes are taken.
    pub(crate) fn without(self, taken: usize) -> Self {
        Self {
            left: self.left.saturating_sub(taken),
            ..self
        }
    }

    /// What is left if so many bytes are reserved for something else.
    pub(crate) fn reserving(self, bytes: usize) -> Self {
        Self {
            left: self.left.saturating_sub(bytes),
            spare: self.spare.saturating_add(bytes),
            ..self
        }
    }

    /// The bytes that are left.
    pub(crate) fn left(self) -> usize {
        self.left
    }

    /// Whether so many bytes are available in one piece.
    pub(crate) fn has(self, bytes: usize) -> bool {
        // Allocating it to see whether it is there would make the memory grow in every run.
        bytes <= self.left && (self.can_grow(bytes) || self.list::<u8>(bytes).is_ok())
    }

    /// An empty list with this capacity.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn list<T>(self, capacity: usize) -> Result<Vec<T>, OutOfMemory> {
        let mut list = Vec::new();
        self.reserve(&mut list, capacity)?;
        Ok(list)
    }

    /// Reserves capacity for so many more values.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn reserve<T>(self, list: &mut Vec<T>, more: usize) -> Result<(), OutOfMemory> {
        let bytes = more.checked_mul(size_of::<T>()).ok_or(OutOfMemory)?;
        if bytes > self.left {
            return Err(OutOfMemory);
        }
        let mut spare: Vec<u8> = Vec::new();
        if !self.can_grow(bytes) {
            // Allocated only for this moment, so that the reservation is not made in its place.
            spare.try_reserve_exact(self.spare).map_err(|_| OutOfMemory)?;
        }
        list.try_reserve_exact(more).map_err(|_| OutOfMemory)?;
        // Keeps the compiler from removing the unused allocation.
        black_box((spare.as_ptr(), list.as_ptr()));
        Ok(())
    }

    /// Whether the linear memory can grow by this and the bytes that must stay free, without using free places.
    fn can_grow(self, bytes: usize) -> bool {
        let wanted = bytes.saturating_add(self.spare).saturating_add(GRANULARITY);
        size_of_memory().saturating_add(wanted) <= self.quota
    }
}

#[cfg(target_family = "wasm")]
fn size_of_memory() -> usize {
    std::arch::wasm32::memory_size::<0>() * PAGE
}

/// Outside of wasm memory is not limited.
#[cfg(not(target_family = "wasm"))]
fn size_of_memory() -> usize {
    0
}

/// The budget of a run with the default quotas.
#[cfg(test)]
impl Default for MemoryBudget {
    fn default() -> Self {
        Self::for_quota(canary_sdk::Quotas::default().memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_more_than_is_left() {
        let memory = MemoryBudget::for_quota(32 << 20)
            .without(8 << 20)
            .reserving(10 << 20);
        assert_eq!(memory.left(), 10 << 20);
        assert!(memory.has(10 << 20) && !memory.has((10 << 20) + 1));
        assert_eq!(memory.list::<u64>(usize::MAX).map(drop), Err(OutOfMemory));
        assert!(!memory.without(usize::MAX).has(1));
    }
}
