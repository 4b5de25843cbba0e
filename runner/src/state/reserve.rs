//! Room on the disk that is taken in advance: what the database does not take, because the disk is full or somebody
//! has locked it, is still where a kill does not lose it.
//!
//! The file has two halves that are written in turn, each with a digest, so that a kill in the middle of a write leaves
//! the half before. What it holds counts for one commit of the database and no other.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Batch, Shelf};

/// Bytes of a half.
const HALF: usize = 256 << 10;
/// Bytes before the text: a number, a length, a digest.
const HEAD: usize = 8 + 8 + 32;

/// The file; open and at its full size.
#[derive(Debug)]
pub(super) struct Reserve {
    file: fs::File,
    /// Of the next write; odd ones go into the second half.
    number: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    /// The commit of the database that the rows come after.
    after: Option<String>,
    rows: Vec<(String, String, Option<String>)>,
}

impl Reserve {
    /// Opens the file, and takes its room if it does not have it yet.
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
            // Real blocks: a file with holes has no room on a full disk.
            let taken = file
                .write_all_at(&vec![0; 2 * HALF], 0)
                .and_then(|()| file.sync_all());
            if let Err(error) = taken {
                // The database needs what little there is.
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

    /// Writes as much of `batch` as there is room for, what alerts need first. Returns whether that is all of it.
    pub(super) fn write(&mut self, after: Option<&str>, batch: &Batch) -> io::Result<bool> {
        let mut rows: Vec<_> = batch.iter().collect();
        // An alert that is forgotten is sent twice; a check that is forgotten loses its last runs.
        rows.sort_by_key(|((shelf, _), _)| *shelf == Shelf::Check);
        let mut left = HALF - HEAD - 1_024;
        let fitting = rows.iter().take_while(|((_, key), value)| {
            // JSON escapes take up to six bytes for one.
            let text = value.as_ref().map_or(0, String::len);
            let size = 32 + 6 * key.len() + escaped(value.as_deref().unwrap_or_default()).max(text);
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        });
        let row = |((shelf, key), value): &(&(Shelf, Arc<str>), &Option<String>)| {
            (shelf.word().to_owned(), key.to_string(), (*value).clone())
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

    /// The rows that were written last, if they come after this commit of the database.
    pub(super) fn read(&self, after: Option<&str>) -> Batch {
        let content = newest(&self.file).and_then(|(_, text)| serde_json::from_slice::<Content>(&text).ok());
        let content = content.filter(|content| content.after.as_deref() == after);
        let rows = content.map(|content| content.rows).unwrap_or_default();
        let row = |(shelf, key, value): (String, String, Option<String>)| {
            let shelf = Shelf::ALL.into_iter().find(|known| known.word() == shelf)?;
            Some(((shelf, Arc::from(key)), value))
        };
        rows.into_iter().filter_map(row).collect::<HashMap<_, _>>()
    }
}

/// Bytes of a text in JSON, at most.
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

    fn batch(rows: &[(Shelf, &str, &str)]) -> Batch {
        let row =
            |(shelf, key, text): &(Shelf, &str, &str)| ((*shelf, Arc::from(*key)), Some((*text).to_owned()));
        rows.iter().map(row).collect()
    }

    #[test]
    fn what_was_written_last_is_read_for_the_commit_that_it_comes_after() {
        let folder = TempDir::new().unwrap();
        let mut reserve = Reserve::open(folder.path()).unwrap();
        assert!(reserve.read(None).is_empty());
        let (first, last) = (
            batch(&[(Shelf::Alert, "a", "1")]),
            batch(&[(Shelf::Alert, "a", "2")]),
        );
        assert!(reserve.write(Some("x:1"), &first).unwrap());
        assert!(reserve.write(Some("x:1"), &last).unwrap());
        let reserve = Reserve::open(folder.path()).unwrap();
        assert_eq!(reserve.read(Some("x:1")), last);
        assert!(reserve.read(Some("x:2")).is_empty() && reserve.read(None).is_empty());
    }

    #[test]
    fn a_write_that_was_cut_off_leaves_the_one_before() {
        let folder = TempDir::new().unwrap();
        let mut reserve = Reserve::open(folder.path()).unwrap();
        let first = batch(&[(Shelf::Alert, "a", "1")]);
        reserve.write(None, &first).unwrap();
        reserve.write(None, &batch(&[(Shelf::Alert, "a", "2")])).unwrap();
        let newest = offset(reserve.number - 1);
        reserve
            .file
            .write_all_at(b"torn", newest + HEAD as u64 + 3)
            .unwrap();
        let reserve = Reserve::open(folder.path()).unwrap();
        assert_eq!(reserve.read(None), first);
    }

    #[test]
    fn alerts_have_their_room_before_checks() {
        let folder = TempDir::new().unwrap();
        let mut reserve = Reserve::open(folder.path()).unwrap();
        let text = "\"\u{1}".repeat(2_000);
        let keys: Vec<String> = (0..100).map(|key| key.to_string()).collect();
        let mut rows: Vec<_> = keys
            .iter()
            .map(|key| (Shelf::Check, key.as_str(), text.as_str()))
            .collect();
        rows.push((Shelf::Alert, "a", &text));
        rows.push((Shelf::Notification, "1", &text));
        assert!(!reserve.write(None, &batch(&rows)).unwrap());
        let read = reserve.read(None);
        assert!(read.contains_key(&(Shelf::Alert, "a".into())));
        assert!(read.contains_key(&(Shelf::Notification, "1".into())));
        assert!(read.len() > 10, "{}", read.len());
    }
}
