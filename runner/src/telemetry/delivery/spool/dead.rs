//! Requests that a collector refused for good, kept for whoever wants to know why.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{REQUEST, remove, sync_folder};
use crate::telemetry::delivery::stamp::Stamp;
use crate::telemetry::settings::Signal;

/// Bytes of dead letters that are kept; the oldest go first.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// The folder of dead letters.
#[derive(Debug)]
pub(super) struct DeadLetters {
    folder: PathBuf,
    /// Sizes by name; names begin with a stamp, so they are in the order of time.
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
            if let Some(name) = entry.file_name().to_str().filter(|name| is_letter(name)) {
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
        dead.make_room()?;
        Ok(dead)
    }

    /// Moves a request here from where it waited.
    pub(super) fn take(&mut self, request: &Path, signal: Signal, stamp: Stamp) -> io::Result<()> {
        let name = format!("{stamp}-{}.{REQUEST}", signal.word());
        let bytes = fs::metadata(request)?.len();
        fs::rename(request, self.folder.join(&name))?;
        self.bytes += bytes;
        self.letters.insert(name, bytes);
        self.make_room()?;
        sync_folder(&self.folder)
    }

    fn make_room(&mut self) -> io::Result<()> {
        while self.bytes > self.max_bytes
            && let Some((name, bytes)) = self.letters.pop_first()
        {
            self.bytes = self.bytes.saturating_sub(bytes);
            remove(&self.folder.join(name))?;
        }
        Ok(())
    }
}

/// What somebody else put here is not counted, and never removed.
fn is_letter(name: &str) -> bool {
    let stamp = name.split('-').next().and_then(Stamp::parse);
    stamp.is_some() && name.ends_with(REQUEST)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn stamp(second: u64) -> Stamp {
        Stamp::after(None, UNIX_EPOCH + Duration::from_secs(second))
    }

    fn bury(dead: &mut DeadLetters, folder: &Path, second: u64, bytes: usize) {
        let request = folder.join("waiting");
        fs::write(&request, vec![0; bytes]).unwrap();
        dead.take(&request, Signal::Logs, stamp(second)).unwrap();
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
        let elsewhere = tempfile::tempdir().unwrap();
        let open = || DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        let mut dead = open();
        bury(&mut dead, elsewhere.path(), 1, 60);
        bury(&mut dead, elsewhere.path(), 2, 40);
        assert_eq!(names(folder.path()).len(), 2);

        let mut dead = open();
        bury(&mut dead, elsewhere.path(), 3, 30);
        let kept = [2, 3].map(|second| format!("{}-logs.request", stamp(second)));
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), vec![0; 200]).unwrap();
        let mut dead = DeadLetters::bounded(folder.path().to_owned(), 100).unwrap();
        bury(&mut dead, elsewhere.path(), 1, 101);
        assert_eq!(names(folder.path()), ["notes.txt"]);
    }
}
