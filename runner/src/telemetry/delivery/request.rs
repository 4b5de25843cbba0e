//! A whole request, and whose data it has.

use std::collections::HashMap;

use super::share::{Owner, Share};

/// A whole encoded request, and who fills it most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share,
}

impl Request {
    /// A request in which owners have so many bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>, owners: &HashMap<Owner, u32>) -> Self {
        let share = Share::of(owners);
        Self { bytes, share }
    }
}

/// A request that is of no check.
impl From<Vec<u8>> for Request {
    fn from(bytes: Vec<u8>) -> Self {
        let share = Share::default();
        Self { bytes, share }
    }
}
