//! What checks get from their profiles and from `defaults`: shared where it stays as it is, and of a bounded size where it
//! is merged with what a check says itself. A suite of a few lines could fill any memory otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use super::config::RawConfig;
use super::labels::RawLabels;

/// Bytes that profiles and `defaults` may add to what checks say themselves.
pub(super) const MAX_MERGED_BYTES: usize = 128 << 20;

/// More than [`MAX_MERGED_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMuch;

/// What was merged so far.
#[derive(Default)]
pub(super) struct Inheritance {
    bytes: usize,
    configs: Merged<RawConfig>,
    labels: Merged<RawLabels>,
}

impl Inheritance {
    pub(super) fn config(
        &mut self,
        own: &Arc<RawConfig>,
        base: &Arc<RawConfig>,
    ) -> Result<Arc<RawConfig>, TooMuch> {
        let bytes = &mut self.bytes;
        self.configs.get(own, base, |own, base| {
            charge(bytes, base.weight)?;
            Ok(own.over(base))
        })
    }

    pub(super) fn labels(
        &mut self,
        own: &Arc<RawLabels>,
        base: &Arc<RawLabels>,
    ) -> Result<Arc<RawLabels>, TooMuch> {
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

fn charge(bytes: &mut usize, more: usize) -> Result<(), TooMuch> {
    *bytes = bytes.saturating_add(more);
    match *bytes > MAX_MERGED_BYTES {
        true => Err(TooMuch),
        false => Ok(()),
    }
}

/// What was made of two layers, for all checks that have both.
struct Merged<T>(HashMap<(usize, usize), Known<T>>);

struct Known<T> {
    merged: Arc<T>,
    /// As long as these are there, nothing else is at their addresses.
    _of: [Arc<T>; 2],
}

impl<T> Default for Merged<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Merged<T> {
    fn get(
        &mut self,
        own: &Arc<T>,
        base: &Arc<T>,
        merge: impl FnOnce(&T, &T) -> Result<T, TooMuch>,
    ) -> Result<Arc<T>, TooMuch> {
        // Of one check only: nobody will ask again.
        if Arc::strong_count(own) == 1 {
            return merge(own, base).map(Arc::new);
        }
        let key = (Arc::as_ptr(own).addr(), Arc::as_ptr(base).addr());
        if let Some(known) = self.0.get(&key) {
            return Ok(Arc::clone(&known.merged));
        }
        let merged = Arc::new(merge(own, base)?);
        let known = Known {
            merged: Arc::clone(&merged),
            _of: [Arc::clone(own), Arc::clone(base)],
        };
        self.0.insert(key, known);
        Ok(merged)
    }
}
