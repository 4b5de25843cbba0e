//! References in a suite that have no value.

use crate::problem::Position;

/// References without a value. They stay as they are written.
#[derive(Debug, Default)]
pub(super) struct FailedReferences {
    /// Positions of keys and values with such a reference.
    pub(super) positions: Vec<Position>,
    /// Positions of the keys of such values.
    pub(super) keys: Vec<Position>,
}
