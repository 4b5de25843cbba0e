//! Inheritance from profiles and `defaults`: unchanged values are shared, and the memory for merged ones is bounded. A
//! suite of a few lines could exhaust any memory otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use super::config::RawConfig;
use super::labels::RawLabels;

/// Bytes that merging profiles and `defaults` into checks may add.
pub(super) const MAX_MERGED_BYTES: usize = 64 << 20;

/// More than [`MAX_MERGED_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MergeLimitExceeded;

/// Merges layers, with a cache and a memory limit.
#[derive(Default)]
pub(super) struct Inheritance {
    bytes: usize,
    configs: MergeCache<RawConfig>,
    labels: MergeCache<RawLabels>,
}

impl Inheritance {
    /// Whether merging failed, which fails every further merge.
    pub(super) fn is_limit_exceeded(&self) -> bool {
        self.bytes > MAX_MERGED_BYTES
    }

    pub(super) fn config(
        &mut self,
        own: &Arc<RawConfig>,
        base: &Arc<RawConfig>,
    ) -> Result<Arc<RawConfig>, MergeLimitExceeded> {
        let bytes = &mut self.bytes;
        self.configs.get(own, base, |own, _| {
            charge(bytes, base.weight)?;
            Ok(own.over(base))
        })
    }

    pub(super) fn labels(
        &mut self,
        own: &Arc<RawLabels>,
        base: &Arc<RawLabels>,
    ) -> Result<Arc<RawLabels>, MergeLimitExceeded> {
        if own.is_empty() {
            return Ok(Arc::clone(base));
        }
        if base.is_empty() {
            return Ok(Arc::clone(own));
        }
        let bytes = &mut self.bytes;
        self.labels.get(own, base, |own, base| {
            charge(bytes, base.weight())?;
            Ok(own.over(base))
        })
    }
}

fn charge(bytes: &mut usize, more: usize) -> Result<(), MergeLimitExceeded> {
    *bytes = bytes.saturating_add(more);
    if *bytes > MAX_MERGED_BYTES {
        Err(MergeLimitExceeded)
    } else {
        Ok(())
    }
}

/// The merged values of pairs of layers, for all checks that have both.
struct MergeCache<T>(HashMap<(usize, usize), CachedMerge<T>>);

struct CachedMerge<T> {
    merged: Arc<T>,
    /// Kept alive so that their addresses are not reused.
    _of: [Arc<T>; 2],
}

impl<T> Default for MergeCache<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> MergeCache<T> {
    fn get(
        &mut self,
        own: &Arc<T>,
        base: &Arc<T>,
        merge: impl FnOnce(&T, &T) -> Result<T, MergeLimitExceeded>,
    ) -> Result<Arc<T>, MergeLimitExceeded> {
        // A value of a single check: the merged one is not needed again.
        if Arc::strong_count(own) == 1 {
            return merge(own, base).map(Arc::new);
        }
        let key = (Arc::as_ptr(own).addr(), Arc::as_ptr(base).addr());
        if let Some(cached) = self.0.get(&key) {
            return Ok(Arc::clone(&cached.merged));
        }
        let merged = Arc::new(merge(own, base)?);
        let cached = CachedMerge {
            merged: Arc::clone(&merged),
            _of: [Arc::clone(own), Arc::clone(base)],
        };
        self.0.insert(key, cached);
        Ok(merged)
    }
}
