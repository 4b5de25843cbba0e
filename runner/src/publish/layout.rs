//! What comes of laying a suite out on the board.

use std::sync::Arc;

use super::Entry;
use crate::outcome::Run;
use crate::suite::CheckId;

/// What was found when the suite was laid out on the board.
#[derive(Debug, Default)]
pub struct Layout {
    /// Checks that are gone, with nothing under way.
    pub gone: Vec<CheckId>,
    /// Runs that a kill of an earlier process cut off, by check.
    pub killed: Vec<(CheckId, u64)>,
    /// What was known of those that are gone.
    pub released: Released,
}

/// What nobody needs any more, and takes long to release where there is much of it.
#[derive(Debug, Default)]
pub struct Released {
    _entries: Vec<Entry>,
    _runs: Vec<Arc<Run>>,
}

impl Released {
    pub(super) fn of(entries: Vec<Entry>, runs: Vec<Arc<Run>>) -> Self {
        Self {
            _entries: entries,
            _runs: runs,
        }
    }
}
