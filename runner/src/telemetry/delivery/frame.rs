//! What is handed over at once.

use super::share::Owner;

/// Encoded spans of a `ScopeSpans`, or log records of a `ScopeLogs`, and whose they are: those of one run, or of several
/// behind one another, since they are repeated fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) owners: Vec<(Owner, u32)>,
}

impl Frame {
    /// The spans or records of one owner.
    #[must_use]
    pub fn new(owner: Owner, bytes: Vec<u8>) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            bytes,
            owners: vec![(owner, length)],
        }
    }

    /// Takes in what comes behind.
    pub fn extend(&mut self, other: Self) {
        self.bytes.extend(other.bytes);
        self.owners.extend(other.owners);
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
