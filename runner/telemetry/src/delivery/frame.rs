//! The unit that is appended to a batch.

use super::share::Owner;

/// Encoded spans of a `ScopeSpans`, or log records of a `ScopeLogs`, and their owners. Frames can be concatenated,
/// since they are repeated fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) owners: Vec<(Owner, u32)>,
}

impl Frame {
    /// A frame with the spans or records of one owner.
    #[must_use]
    pub fn new(owner: Owner, bytes: Vec<u8>) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            bytes,
            owners: vec![(owner, length)],
        }
    }

    /// Appends another frame.
    pub fn extend(&mut self, other: Self) {
        self.bytes.extend(other.bytes);
        self.owners.extend(other.owners);
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the frame has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
