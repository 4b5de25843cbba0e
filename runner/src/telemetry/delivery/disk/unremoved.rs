//! Files of the spool that nobody needs and that the disk does not remove.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::spool::Kind;
use super::super::stamp::Stamp;
use crate::telemetry::settings::Signal;

/// Files that are known; the next process sends again what lies there beyond them.
const MAX_FILES: usize = 100_000;
/// So many files that stay where they are mean that the disk removes nothing.
const CLOGGED: usize = 16;

/// One file.
pub(in crate::telemetry::delivery) type Name = (Signal, Stamp, Kind);

/// Files that could not be removed, with their bytes.
#[derive(Debug, Default)]
pub(super) struct Unremoved {
    files: BTreeMap<Name, u64>,
    bytes: u64,
    /// The one that was tried last.
    tried: Option<Name>,
}

impl Unremoved {
    pub(super) fn insert(&mut self, name: Name, bytes: u64) {
        if self.files.len() < MAX_FILES && self.files.insert(name, bytes).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    pub(super) fn removed(&mut self, name: &Name) {
        if let Some(bytes) = self.files.remove(name) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// The next to try: those that stay where they are hold up no others.
    pub(super) fn next(&mut self) -> Option<Name> {
        let after = self.tried.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.files.range((after, Bound::Unbounded));
        let next = rest.next().or_else(|| self.files.first_key_value());
        self.tried = next.map(|(name, _)| *name);
        self.tried
    }

    pub(super) fn contains(&self, name: &Name) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes that they take on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the disk seems to remove nothing, so that dropping files makes no room.
    pub(super) fn is_clogged(&self) -> bool {
        self.files.len() >= CLOGGED
    }

    /// Whether there must be no more of them.
    pub(super) fn is_full(&self, max_bytes: u64) -> bool {
        self.files.len() >= MAX_FILES || self.bytes >= max_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn name(second: u64) -> Name {
        let stamp = Stamp::at(UNIX_EPOCH + Duration::from_secs(second));
        (Signal::Traces, stamp, Kind::Request)
    }

    #[test]
    fn each_file_has_its_turn_whatever_becomes_of_the_others() {
        let mut unremoved = Unremoved::default();
        assert_eq!(unremoved.next(), None);
        (1..=3).for_each(|second| unremoved.insert(name(second), 10));
        let turns: Vec<_> = (0..4).map(|_| unremoved.next().unwrap()).collect();
        assert_eq!(turns, [name(1), name(2), name(3), name(1)]);
        unremoved.removed(&name(2));
        assert_eq!(unremoved.next(), Some(name(3)));
        assert_eq!((unremoved.bytes(), unremoved.contains(&name(2))), (20, false));
    }

    #[test]
    fn a_file_counts_once_and_all_of_them_have_a_bound() {
        let mut unremoved = Unremoved::default();
        unremoved.insert(name(1), 10);
        unremoved.insert(name(1), 10);
        assert_eq!((unremoved.bytes(), unremoved.is_clogged()), (10, false));
        assert!(unremoved.is_full(10) && !unremoved.is_full(11));
        for second in 0..2 * u64::try_from(MAX_FILES).unwrap() {
            unremoved.insert(name(second), 0);
        }
        assert!(unremoved.is_clogged() && unremoved.is_full(u64::MAX));
        assert_eq!(unremoved.files.len(), MAX_FILES);
    }
}
