//! The result of applying a suite to the status store.

use std::sync::Arc;

use super::Entry;
use crate::outcome::Run;
use canary_suite::CheckId;

/// The result of applying a suite to the status store.
#[derive(Debug, Default)]
pub struct ApplyResult {
    /// Checks that were removed. Checks with a run in flight are removed later.
    pub removed: Vec<CheckId>,
    /// Runs that were in flight when an earlier process was killed, by check.
    pub killed: Vec<(CheckId, u64)>,
    /// The data of the removed checks.
    pub deferred_drop: DeferredDrop,
}

/// Data that is no longer needed and may take long to free. Drop it where that blocks nothing else.
#[derive(Debug, Default)]
pub struct DeferredDrop {
    _entries: Vec<Entry>,
    _runs: Vec<Arc<Run>>,
}

impl DeferredDrop {
    pub(super) fn new(entries: Vec<Entry>, runs: Vec<Arc<Run>>) -> Self {
        Self {
            _entries: entries,
            _runs: runs,
        }
    }
}
