//! Linear memory for what a peer sends.
//!
//! Whatever grows with an answer is reserved here before it is made, so that an answer which does not fit is a failure of the
//! check, and not the end of the run. Two things decide: what is left of the quota by reckoning, and what the allocator has
//! in one piece, which free places between others make less.

use std::hint::black_box;

/// What a run needs besides, in bytes: code and its data, the configuration, headers and certificates of an answer, texts
/// of the verdict.
const BESIDES: usize = 4 << 20;
/// The part of it that is not there yet when an answer comes.
const SPARE: usize = 2 << 20;

/// Bytes of a page of linear memory.
#[cfg(target_family = "wasm")]
const PAGE: usize = 64 << 10;
/// What the allocator adds to what it grows by, in bytes.
const GRANULARITY: usize = 128 << 10;

/// There is not so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more memory than a run has (raise the quota `memory`)")]
pub(crate) struct OutOfMemory;

/// What is left, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    quota: usize,
    left: usize,
    /// What has to stay free for what is made without a reservation.
    spare: usize,
}

impl Memory {
    /// That of a run with so much.
    pub(crate) fn within(quota: u64) -> Self {
        let quota = usize::try_from(quota).unwrap_or(usize::MAX);
        Self {
            quota,
            left: quota.saturating_sub(BESIDES),
            spare: SPARE,
        }
    }

    /// So many bytes.
    #[cfg(test)]
    pub(crate) fn of(left: usize) -> Self {
        Self {
            left,
            ..Self::unbounded()
        }
    }

    /// For what the suite itself has.
    pub(crate) fn unbounded() -> Self {
        Self {
            quota: usize::MAX,
            left: usize::MAX,
            spare: 0,
        }
    }

    /// What is left when so many bytes are taken.
    pub(crate) fn without(self, taken: usize) -> Self {
        Self {
            left: self.left.saturating_sub(taken),
            ..self
        }
    }

    /// What is left when so many bytes stay free for something else.
    pub(crate) fn sparing(self, bytes: usize) -> Self {
        Self {
            left: self.left.saturating_sub(bytes),
            spare: self.spare.saturating_add(bytes),
            ..self
        }
    }

    /// Bytes.
    pub(crate) fn left(self) -> usize {
        self.left
    }

    /// Whether there are so many bytes in one piece.
    pub(crate) fn has(self, bytes: usize) -> bool {
        self.list::<u8>(bytes).is_ok()
    }

    /// An empty list with room for so many values.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn list<T>(self, capacity: usize) -> Result<Vec<T>, OutOfMemory> {
        let mut list = Vec::new();
        self.reserve(&mut list, capacity)?;
        Ok(list)
    }

    /// Makes room for so many more values.
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
            // It is held for this moment only, so that what is reserved does not take its place.
            spare.try_reserve_exact(self.spare).map_err(|_| OutOfMemory)?;
        }
        list.try_reserve_exact(more).map_err(|_| OutOfMemory)?;
        // The compiler may leave out what nobody looks at.
        black_box((spare.as_ptr(), list.as_ptr()));
        Ok(())
    }

    /// Whether the linear memory may grow by so much and by what has to stay free, so that no free places are needed.
    fn can_grow(self, bytes: usize) -> bool {
        let wanted = bytes.saturating_add(self.spare).saturating_add(GRANULARITY);
        size_of_memory().saturating_add(wanted) <= self.quota
    }
}

#[cfg(target_family = "wasm")]
fn size_of_memory() -> usize {
    std::arch::wasm32::memory_size::<0>() * PAGE
}

/// Elsewhere nobody bounds it.
#[cfg(not(target_family = "wasm"))]
fn size_of_memory() -> usize {
    0
}

/// That of a run with the default quotas.
#[cfg(test)]
impl Default for Memory {
    fn default() -> Self {
        Self::within(canary_sdk::Quotas::default().memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_more_than_is_left() {
        let memory = Memory::within(32 << 20).without(8 << 20).sparing(10 << 20);
        assert_eq!(memory.left(), 10 << 20);
        assert!(memory.has(10 << 20) && !memory.has((10 << 20) + 1));
        assert_eq!(memory.list::<u64>(usize::MAX).map(drop), Err(OutOfMemory));
        assert!(!memory.without(usize::MAX).has(1));
    }
}
