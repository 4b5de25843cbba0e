//! A complete request and the owners of its data.

use std::collections::HashMap;

use super::share::{Owner, Share};

/// A complete encoded request, and its main owners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share,
}

impl Request {
    /// A request with the bytes of each owner in it.
    #[must_use]
    pub fn new(bytes: Vec<u8>, owners: &HashMap<Owner, u32>) -> Self {
        let share = Share::new(owners);
        Self { bytes, share }
    }
}

/// A request that belongs to no check.
impl From<Vec<u8>> for Request {
    fn from(bytes: Vec<u8>) -> Self {
        let share = Share::default();
        Self { bytes, share }
    }
}
