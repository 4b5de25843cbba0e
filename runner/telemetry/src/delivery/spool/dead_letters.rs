//! Dead letters: requests that a collector refused for good, stored for inspection.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{MAX_REQUEST_BYTES, REQUEST, SEGMENT, remove, write_atomically};
use crate::delivery::request_id::RequestId;
use crate::signal::Signal;

/// Maximum total size of dead letters in bytes; the oldest are removed first.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// The dead-letter folder.
#[derive(Debug)]
pub(super) struct DeadLetters {
    folder: PathBuf,
    /// Sizes by name; names begin with a request id, so they sort by time.
    letters: BTreeMap<String, u64>,
    bytes: u64,
    max_bytes: u64,
}

impl DeadLetters {
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        Self::bounded(folder, MAX_BYTES)
    }

    fn bounded(folder: PathBuf, max_bytes: u64) -> io::Result<Self> {
        let mut letters = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|name| is_dead_letter(name)) {
                letters.insert(name.to_owned(), entry.metadata()?.len());
            }
        }
        let bytes = letters.values().sum();
        let mut dead = Self {
            folder,
            letters,
            bytes,
            max_bytes,
        };
        // A removal that fails now is retried before the next dead letter is written.
        let _later = dead.make_room(0);
        Ok(dead)
    }

    /// Stores a request, or the part of one that begins at an item.
    pub(super) fn write(
        &mut self,
        signal: Signal,
        id: RequestId,
        part: usize,
        request: &[u8],
    ) -> io::Result<()> {
        let stem = format!("{}-{}", id.number(), signal.as_str());
        let name = match part {
            0 => format!("{stem}.{REQUEST}"),
            part => format!("{stem}-{part}.{REQUEST}"),
        };
        let bytes = request.len().try_into().unwrap_or(u64::MAX);
        if bytes > self.max_bytes {
            return Ok(());
        }
        self.make_room(bytes)?;
        let written = write_atomically(&self.folder.join(&name), request);
        self.count(name);
        written
    }

    /// Moves a segment here.
    pub(super) fn move_segment(&mut self, segment: &Path, signal: Signal, id: RequestId) -> io::Result<()> {
        let name = format!("{}-{}.{SEGMENT}", id.number(), signal.as_str());
        let bytes = fs::metadata(segment)?.len();
        self.make_room(bytes)?;
        let moved = fs::rename(segment, self.folder.join(&name));
        self.count(name);
        moved
    }

    /// Counts the file with this name, whether or not writing it reported an error.
    fn count(&mut self, name: String) {
        let bytes = match self.folder.join(&name).symlink_metadata() {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => MAX_REQUEST_BYTES,
        };
        self.bytes += bytes;
        if let Some(before) = self.letters.insert(name, bytes) {
            self.bytes = self.bytes.saturating_sub(before);
        }
    }

    /// Removes the oldest files until there is room for `bytes`.
    ///
    /// # Errors
    /// A file could not be removed and still counts.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        while self.bytes.saturating_add(bytes) > self.max_bytes
            && let Some(oldest) = self.letters.first_entry()
        {
            remove(&self.folder.join(oldest.key()))?;
            self.bytes = self.bytes.saturating_sub(oldest.remove());
        }
        Ok(())
    }
}

/// Foreign files are neither counted nor removed.
fn is_dead_letter(name: &str) -> bool {
    let id = name.split('-').next().and_then(RequestId::parse);
    id.is_some() && (name.ends_with(REQUEST) || name.ends_with(SEGMENT))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn id(second: u64) -> RequestId {
        RequestId::from_wall_clock(UNIX_EPOCH + Duration::from_secs(second))
    }

    fn write_letter(dead: &mut DeadLetters, second: u64, bytes: usize) {
        let request = vec![0; bytes];
        dead.write(Signal::Logs, id(second), 0, &request).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_dead_letters_make_room_for_new_ones_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        let mut dead = open();
        write_letter(&mut dead, 1, 60);
        write_letter(&mut dead, 2, 40);
        assert_eq!(names(folder.path()).len(), 2);

        let mut dead = open();
        write_letter(&mut dead, 3, 30);
        let kept = [2, 3].map(|second| format!("{}-logs.request", id(second)));
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn where_none_can_be_removed_no_further_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        write_letter(&mut dead, 1, 60);
        // A folder in place of the file cannot be removed as a file.
        let first = folder.path().join(&names(folder.path())[0]);
        fs::remove_file(&first).unwrap();
        fs::create_dir(&first).unwrap();
        for second in 2..5 {
            assert!(dead.write(Signal::Logs, id(second), 0, &[0; 60]).is_err());
        }
        assert_eq!((names(folder.path()).len(), dead.bytes), (1, 60));
        fs::remove_dir(&first).unwrap();
        write_letter(&mut dead, 5, 60);
        assert_eq!((names(folder.path()).len(), dead.bytes), (1, 60));
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let others = ["0001.txt", "notes.request", "notes.segment", "notes.txt"];
        for name in others {
            fs::write(folder.path().join(name), vec![0; 200]).unwrap();
        }
        let dated = format!("{}-notes.txt", id(1).number());
        fs::write(folder.path().join(&dated), vec![0; 200]).unwrap();
        let mut dead = DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        write_letter(&mut dead, 1, 101);
        assert_eq!((names(folder.path()).len(), dead.bytes), (others.len() + 1, 0));
    }

    #[test]
    fn parts_of_one_request_lie_beside_each_other_and_segments_count_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("elsewhere");
        fs::write(&segment, [0; 30]).unwrap();
        let mut dead = DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        dead.write(Signal::Logs, id(1), 0, &[0; 30]).unwrap();
        dead.write(Signal::Logs, id(1), 7, &[0; 30]).unwrap();
        dead.move_segment(&segment, Signal::Logs, id(1)).unwrap();
        let number = id(1).number();
        let all = ["-logs-7.request", "-logs.request", "-logs.segment"].map(|end| format!("{number}{end}"));
        assert_eq!((names(folder.path()), dead.bytes), (all.into(), 90));
        let dead = DeadLetters::bounded(folder.path().to_owned(), 60).unwrap();
        assert_eq!((names(folder.path()).len(), dead.bytes), (2, 60));
    }

    #[test]
    fn a_letter_that_comes_again_counts_once_and_a_segment_makes_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("elsewhere");
        fs::write(&segment, [0; 50]).unwrap();
        let mut dead = DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        write_letter(&mut dead, 1, 40);
        write_letter(&mut dead, 2, 20);
        write_letter(&mut dead, 2, 30);
        assert_eq!((names(folder.path()).len(), dead.bytes), (3, 70));
        dead.move_segment(&segment, Signal::Logs, id(3)).unwrap();
        let kept = [
            format!("{}-logs.request", id(2).number()),
            format!("{}-logs.segment", id(3).number()),
        ];
        assert_eq!((names(folder.path()), dead.bytes), (kept.into(), 80));
    }
}
