//! The spill file: disk space that is allocated in advance. Changes that the database cannot accept, because the disk
//! is full or the database is locked, are written here and survive a kill of the process.
//!
//! The file has two halves that are written in turn, each with a digest, so that a kill in the middle of a write leaves
//! the previous half intact. Its contents apply on top of one particular commit of the database and no other.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Batch, Table};

/// Size of a half, in bytes.
const HALF: usize = 256 << 10;
/// Size of the header of a half, in bytes: a number, a length, a digest.
const HEAD: usize = 8 + 8 + 32;

/// The open spill file, at its full size.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: fs::File,
    /// The number of the next write; odd ones go to the second half.
    number: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    /// The commit of the database that the rows apply to.
    after: Option<String>,
    rows: Vec<(String, String, Option<String>)>,
}

impl SpillFile {
    /// Opens the file, and allocates its space if necessary.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(folder.join("reserve"))?;
        let size = 2 * HALF as u64;
        if file.metadata()?.len() < size {
            // Written in full: a sparse file has no blocks on a full disk.
            let allocated = file
                .write_all_at(&vec![0; 2 * HALF], 0)
                .and_then(|()| file.sync_all());
            if let Err(error) = allocated {
                // The database needs the remaining space.
                file.set_len(0)?;
                return Err(error);
            }
        }
        let newest = newest(&file).map_or(0, |(number, _)| number);
        Ok(Self {
            file,
            number: newest + 1,
        })
    }

    /// Writes as much of `batch` as fits, alerts and notifications first. Returns whether all of it fits.
    pub(super) fn write(&mut self, after: Option<&str>, batch: &Batch) -> io::Result<bool> {
        let mut rows: Vec<_> = batch.iter().collect();
        // A lost alert row is sent twice; a lost check row only loses the last runs.
        rows.sort_by_key(|((table, _), _)| *table == Table::Check);
        let mut left = HALF - HEAD - 1_024;
        let fitting = rows.iter().take_while(|((_, key), value)| {
            // A JSON escape takes up to six bytes for one.
            let text = value.as_ref().map_or(0, String::len);
            let size = 32 + 6 * key.len() + escaped(value.as_deref().unwrap_or_default()).max(text);
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        });
        let row = |((table, key), value): &(&(Table, Arc<str>), &Option<String>)| {
            (table.as_str().to_owned(), key.to_string(), (*value).clone())
        };
        let content = Content {
            after: after.map(str::to_owned),
            rows: fitting.map(row).collect(),
        };
        let is_all = content.rows.len() == batch.len();
        let text = serde_json::to_vec(&content)?;
        self.write_half(&text)?;
        Ok(is_all)
    }

    fn write_half(&mut self, text: &[u8]) -> io::Result<()> {
        if HEAD + text.len() > HALF {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::with_capacity(HEAD + text.len());
        bytes.extend(self.number.to_le_bytes());
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(digest(self.number, text));
        bytes.extend(text);
        self.file.write_all_at(&bytes, offset(self.number))?;
        self.number += 1;
        Ok(())
    }

    /// The rows of the latest write, if they apply to this commit of the database.
    pub(super) fn read(&self, after: Option<&str>) -> Batch {
        let content = newest(&self.file).and_then(|(_, text)| serde_json::from_slice::<Content>(&text).ok());
        let content = content.filter(|content| content.after.as_deref() == after);
        let rows = content.map(|content| content.rows).unwrap_or_default();
        let row = |(table, key, value): (String, String, Option<String>)| {
            let table = Table::ALL.into_iter().find(|known| known.as_str() == table)?;
            Some(((table, Arc::from(key)), value))
        };
        rows.into_iter().filter_map(row).collect::<HashMap<_, _>>()
    }
}

/// The size of a text in JSON, in bytes, at most.
fn escaped(text: &str) -> usize {
    let size = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(size).sum()
}

fn offset(number: u64) -> u64 {
    (number % 2) * HALF as u64
}

fn digest(number: u64, text: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update(text);
    hash.finalize().into()
}

fn newest(file: &fs::File) -> Option<(u64, Vec<u8>)> {
    let halves = [0, 1].into_iter().filter_map(|half| read_half(file, half));
    halves.max_by_key(|(number, _)| *number)
}

fn read_half(file: &fs::File, half: u64) -> Option<(u64, Vec<u8>)> {
    let at = offset(half);
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, at).ok()?;
    let (number, rest) = head.split_first_chunk::<8>()?;
    let (length, expected) = rest.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    if length > HALF - HEAD {
        return None;
    }
    let mut text = vec![0; length];
    file.read_exact_at(&mut text, at + HEAD as u64).ok()?;
    (digest(number, &text) == *expected).then_some((number, text))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn batch(rows: &[(Table, &str, &str)]) -> Batch {
        let row =
            |(table, key, text): &(Table, &str, &str)| ((*table, Arc::from(*key)), Some((*text).to_owned()));
        rows.iter().map(row).collect()
    }

    #[test]
    fn the_latest_write_is_read_for_the_commit_that_it_applies_to() {
        let folder = TempDir::new().unwrap();
        let mut spill_file = SpillFile::open(folder.path()).unwrap();
        assert!(spill_file.read(None).is_empty());
        let (first, last) = (
            batch(&[(Table::Alert, "a", "1")]),
            batch(&[(Table::Alert, "a", "2")]),
        );
        assert!(spill_file.write(Some("x:1"), &first).unwrap());
        assert!(spill_file.write(Some("x:1"), &last).unwrap());
        let spill_file = SpillFile::open(folder.path()).unwrap();
        assert_eq!(spill_file.read(Some("x:1")), last);
        assert!(spill_file.read(Some("x:2")).is_empty() && spill_file.read(None).is_empty());
    }

    #[test]
    fn a_torn_write_leaves_the_previous_one() {
        let folder = TempDir::new().unwrap();
        let mut spill_file = SpillFile::open(folder.path()).unwrap();
        let first = batch(&[(Table::Alert, "a", "1")]);
        spill_file.write(None, &first).unwrap();
        spill_file
            .write(None, &batch(&[(Table::Alert, "a", "2")]))
            .unwrap();
        let newest = offset(spill_file.number - 1);
        spill_file
            .file
            .write_all_at(b"torn", newest + HEAD as u64 + 3)
            .unwrap();
        let spill_file = SpillFile::open(folder.path()).unwrap();
        assert_eq!(spill_file.read(None), first);
    }

    #[test]
    fn alerts_are_written_before_checks() {
        let folder = TempDir::new().unwrap();
        let mut spill_file = SpillFile::open(folder.path()).unwrap();
        let text = "\"\u{1}".repeat(2_000);
        let keys: Vec<String> = (0..100).map(|key| key.to_string()).collect();
        let mut rows: Vec<_> = keys
            .iter()
            .map(|key| (Table::Check, key.as_str(), text.as_str()))
            .collect();
        rows.push((Table::Alert, "a", &text));
        rows.push((Table::Notification, "1", &text));
        assert!(!spill_file.write(None, &batch(&rows)).unwrap());
        let read = spill_file.read(None);
        assert!(read.contains_key(&(Table::Alert, "a".into())));
        assert!(read.contains_key(&(Table::Notification, "1".into())));
        assert!(read.len() > 10, "{}", read.len());
    }
}
