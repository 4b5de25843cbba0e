//! Obsolete spool files whose removal failed.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::request_id::RequestId;
use super::super::spool::FileKind;
use crate::signal::Signal;

/// Maximum number of remembered files; the next process sends the others again.
const MAX_FILES: usize = 100_000;
/// Number of files from which on the disk is assumed unable to remove any.
const STUCK: usize = 16;

/// Identifies a file in the spool.
pub(in crate::delivery) type FileKey = (Signal, RequestId, FileKind);

/// Files that could not be removed, with their sizes.
#[derive(Debug, Default)]
pub(super) struct PendingRemovals {
    files: BTreeMap<FileKey, u64>,
    bytes: u64,
    /// The file that was tried last.
    last_tried: Option<FileKey>,
}

impl PendingRemovals {
    pub(super) fn insert(&mut self, name: FileKey, bytes: u64) {
        if self.files.len() < MAX_FILES && self.files.insert(name, bytes).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    pub(super) fn removed(&mut self, name: &FileKey) {
        if let Some(bytes) = self.files.remove(name) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// The next file to try, round-robin, so that a file that cannot be removed does not block the others.
    pub(super) fn next(&mut self) -> Option<FileKey> {
        let after = self.last_tried.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.files.range((after, Bound::Unbounded));
        let next = rest.next().or_else(|| self.files.first_key_value());
        self.last_tried = next.map(|(name, _)| *name);
        self.last_tried
    }

    pub(super) fn contains(&self, name: &FileKey) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Their total size on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the disk seems unable to remove files, so that dropping requests frees no space.
    pub(super) fn is_stuck(&self) -> bool {
        self.files.len() >= STUCK
    }

    /// Whether no further files may be added.
    pub(super) fn is_full(&self, max_bytes: u64) -> bool {
        self.files.len() >= MAX_FILES || self.bytes >= max_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn name(second: u64) -> FileKey {
        let id = RequestId::from_wall_clock(UNIX_EPOCH + Duration::from_secs(second));
        (Signal::Traces, id, FileKind::Request)
    }

    #[test]
    fn each_file_has_its_turn_whatever_becomes_of_the_others() {
        let mut pending_removals = PendingRemovals::default();
        assert_eq!(pending_removals.next(), None);
        (1..=3).for_each(|second| pending_removals.insert(name(second), 10));
        let turns: Vec<_> = (0..4).map(|_| pending_removals.next().unwrap()).collect();
        assert_eq!(turns, [name(1), name(2), name(3), name(1)]);
        pending_removals.removed(&name(2));
        assert_eq!(pending_removals.next(), Some(name(3)));
        assert_eq!(
            (pending_removals.bytes(), pending_removals.contains(&name(2))),
            (20, false)
        );
    }

    #[test]
    fn a_file_counts_once_and_all_of_them_have_a_bound() {
        let mut pending_removals = PendingRemovals::default();
        pending_removals.insert(name(1), 10);
        pending_removals.insert(name(1), 10);
        assert_eq!(
            (pending_removals.bytes(), pending_removals.is_stuck()),
            (10, false)
        );
        assert!(pending_removals.is_full(10) && !pending_removals.is_full(11));
        for second in 0..2 * u64::try_from(MAX_FILES).unwrap() {
            pending_removals.insert(name(second), 0);
        }
        assert!(pending_removals.is_stuck() && pending_removals.is_full(u64::MAX));
        assert_eq!(pending_removals.files.len(), MAX_FILES);
    }
}
