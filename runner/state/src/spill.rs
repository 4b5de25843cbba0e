//! The spill file: disk space that is allocated in advance. Changes that the database cannot accept, because the disk
//! is full or the database is locked, are written here and survive a kill of the process.
//!
//! The file has two halves that are written in turn, each with a digest, so that a kill in the middle of a write leaves
//! the previous half intact. Its contents apply on top of one particular commit of the database and no other.
//!
//! A write has all pending changes, or is not made: what the file holds is the state after some transaction, never a
//! part of one. If the changes do not fit, the previous write stays. The changes of checks could be left out to make
//! room for those of alerts, but then checks that were already safe would lose their last runs.
//!
//! What may be pending is, at most, everything: each row of the database, and notifications. So the file grows with the
//! database, while nothing in it is needed, and takes a small share of the disk.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Table;
use super::write_buffer::PendingBatch;

/// Size of the file, in bytes, that is allocated on any disk.
const MIN_SIZE: u64 = 512 << 10;
/// Size of the file, in bytes, beside a small database.
const USUAL_SIZE: u64 = 4 << 20;
/// Maximum size of the file, in bytes. Half as much memory is used while it is written.
const MAX_SIZE: u64 = 32 << 20;
/// Size of the file in relation to the database: each half has room for all rows twice.
const SIZE_PER_DATABASE: u64 = 4;
/// A file larger than the minimum is at most this part of the space that would be free without it.
const FREE_SHARE: u64 = 8;
/// How much is allocated at once, in bytes, at most: commits wait for it.
const MAX_EXTENSION: u64 = 4 << 20;
/// The size is a multiple of this, in bytes.
const GRANULARITY: u64 = 64 << 10;
/// Size of the header of a half, in bytes: a number, a length, a digest.
const HEAD: usize = 8 + 8 + 32;

/// The open spill file, whose space is allocated.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: fs::File,
    /// Size of the file, in bytes.
    size: u64,
    /// The number of the next write; odd ones go to the second half.
    number: u64,
}

/// Changes that were read from the spill file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spilled {
    pub(super) pending: PendingBatch,
    /// Whether there were later changes that did not fit.
    pub(super) is_outdated: bool,
}

/// A table, a key, and a value, which is absent if the row is deleted.
type Row<'a> = (Cow<'a, str>, Cow<'a, str>, Option<Cow<'a, str>>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content<'a> {
    /// The commit of the database that the rows apply to.
    after: Option<Cow<'a, str>>,
    rows: Vec<Row<'a>>,
    /// Whether the rows replace the whole contents of the database.
    #[serde(default)]
    replaces_all: bool,
    /// Whether there were later changes that did not fit.
    #[serde(default)]
    is_outdated: bool,
}

impl SpillFile {
    /// Opens the file, and allocates its minimum size if necessary.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(folder.join("reserve"))?;
        let size = file.metadata()?.len();
        if size < MIN_SIZE {
            allocate(&file, 0, MIN_SIZE)?;
        }
        let mut spill_file = Self {
            file,
            size: size.clamp(MIN_SIZE, MAX_SIZE),
            number: 1,
        };
        if let Some((newest, _)) = spill_file.newest() {
            spill_file.number = newest + 1;
        }
        Ok(spill_file)
    }

    /// Extends the file towards the size that suits a database of this many bytes, if the disk has space for it. What
    /// the file holds may be lost.
    pub(super) fn extend(&mut self, database: u64) {
        let Ok(free) = free_space(&self.file) else { return };
        let size = extended_size(self.size, database, free);
        if size == self.size {
            return;
        }
        // Whatever came of it: at the next start, the length of the file tells where its halves are.
        let _extended = allocate(&self.file, self.size, size);
        self.size = self.file.metadata().map_or(self.size, |found| found.len());
    }

    /// Writes all pending changes, if they fit. Otherwise the previous write stays. Returns whether they fit.
    pub(super) fn write(&mut self, after: Option<&str>, pending: &PendingBatch) -> io::Result<bool> {
        if self.may_fit(pending)
            && let Some(bytes) = self.encode(&content_of(after, pending))
        {
            self.write_half(&bytes)?;
            return Ok(true);
        }
        self.mark_outdated(after)?;
        Ok(false)
    }

    /// False if the changes cannot fit. There may be a million of them, which are not copied for nothing.
    fn may_fit(&self, pending: &PendingBatch) -> bool {
        let length = |((_, key), value): (&(Table, Arc<str>), &Option<String>)| {
            key.len() + value.as_ref().map_or(0, String::len)
        };
        pending.batch.iter().map(length).sum::<usize>() < self.half()
    }

    /// Keeps the previous write, and notes in it that there were later changes.
    fn mark_outdated(&mut self, after: Option<&str>) -> io::Result<()> {
        let mut content = self.content(after).unwrap_or_else(|| Content {
            after: after.map(Cow::Borrowed),
            ..Content::default()
        });
        if content.is_outdated {
            return Ok(());
        }
        content.is_outdated = true;
        // In JSON, `true` is shorter than `false`: it fits.
        match self.encode(&content) {
            Some(bytes) => self.write_half(&bytes),
            None => Ok(()),
        }
    }

    fn write_half(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.offset(self.number))?;
        self.number += 1;
        Ok(())
    }

    /// The bytes of the next half; `None` if they do not fit.
    fn encode(&self, content: &Content<'_>) -> Option<Vec<u8>> {
        let mut limited = Limited {
            bytes: vec![0; HEAD],
            limit: self.half(),
        };
        serde_json::to_writer(&mut limited, content).ok()?;
        let mut bytes = limited.bytes;
        let text = bytes.get(HEAD..)?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend(self.number.to_le_bytes());
        head.extend((text.len() as u64).to_le_bytes());
        head.extend(digest(self.number, text));
        bytes.splice(..HEAD, head);
        Some(bytes)
    }

    /// The changes of the latest write, if they apply to this commit of the database.
    pub(super) fn read(&self, after: Option<&str>) -> Spilled {
        let content = self.content(after).unwrap_or_default();
        let row = |(table, key, value): Row<'_>| {
            let table = Table::ALL.into_iter().find(|known| known.as_str() == table)?;
            Some(((table, Arc::from(key)), value.map(Cow::into_owned)))
        };
        Spilled {
            pending: PendingBatch {
                batch: content.rows.into_iter().filter_map(row).collect(),
                replaces_all: content.replaces_all,
                number: 0,
            },
            is_outdated: content.is_outdated,
        }
    }

    fn content(&self, after: Option<&str>) -> Option<Content<'static>> {
        let (_, text) = self.newest()?;
        let content = serde_json::from_slice::<Content<'static>>(&text).ok()?;
        (content.after.as_deref() == after).then_some(content)
    }

    fn newest(&self) -> Option<(u64, Vec<u8>)> {
        let halves = [0, 1].into_iter().filter_map(|number| self.read_half(number));
        halves.max_by_key(|(number, _)| *number)
    }

    fn read_half(&self, number: u64) -> Option<(u64, Vec<u8>)> {
        let at = self.offset(number);
        let mut head = [0; HEAD];
        self.file.read_exact_at(&mut head, at).ok()?;
        let (number, rest) = head.split_first_chunk::<8>()?;
        let (length, expected) = rest.split_first_chunk::<8>()?;
        let number = u64::from_le_bytes(*number);
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        if length > self.half().saturating_sub(HEAD) {
            return None;
        }
        let mut text = vec![0; length];
        self.file.read_exact_at(&mut text, at + HEAD as u64).ok()?;
        (digest(number, &text) == *expected).then_some((number, text))
    }

    /// Size of a half, in bytes.
    fn half(&self) -> usize {
        usize::try_from(self.size / 2).unwrap_or(usize::MAX)
    }

    fn offset(&self, number: u64) -> u64 {
        (number % 2) * (self.size / 2)
    }
}

fn content_of<'a>(after: Option<&'a str>, pending: &'a PendingBatch) -> Content<'a> {
    let row = |((table, key), value): (&'a (Table, Arc<str>), &'a Option<String>)| {
        (
            Cow::Borrowed(table.as_str()),
            Cow::Borrowed(&**key),
            value.as_deref().map(Cow::Borrowed),
        )
    };
    Content {
        after: after.map(Cow::Borrowed),
        rows: pending.batch.iter().map(row).collect(),
        replaces_all: pending.replaces_all,
        is_outdated: false,
    }
}

/// Bytes that are refused beyond a limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The size, in bytes, of a file that has `size` bytes, beside a database of `database` bytes, on a disk that has
/// `free` bytes.
fn extended_size(size: u64, database: u64, free: u64) -> u64 {
    let wanted = database
        .saturating_mul(SIZE_PER_DATABASE)
        .clamp(USUAL_SIZE, MAX_SIZE);
    // Counted with the file itself, so that it does not grow a little each time.
    let allowed = free.saturating_add(size) / FREE_SHARE;
    let new_size = wanted.min(allowed).min(size + MAX_EXTENSION);
    size.max(new_size / GRANULARITY * GRANULARITY)
}

/// The space of the disk, in bytes, that this process may use.
fn free_space(file: &fs::File) -> io::Result<u64> {
    let found = rustix::fs::fstatvfs(file)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Allocates the space from `start` to `end`, in bytes.
fn allocate(file: &fs::File, start: u64, end: u64) -> io::Result<()> {
    // Written in full: a sparse file has no blocks on a full disk.
    let blocks = vec![0; usize::try_from(end - start).unwrap_or_default()];
    let allocated = file.write_all_at(&blocks, start).and_then(|()| file.sync_all());
    if let Err(error) = allocated {
        // The database needs the remaining space.
        file.set_len(start)?;
        return Err(error);
    }
    Ok(())
}

fn digest(number: u64, text: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update(text);
    hash.finalize().into()
}
