//! Frames on disk before their request is made, so that a kill at any moment loses none of them.
//!
//! A segment is the file of one open batch: records of length, CRC-32 and bytes, of which the first two are the
//! envelope and the others the frames. Each record is one write, so what the kernel has of it survives the process
//! (not the machine: that would cost an fsync a run). What a kill cut off in the middle shows by its length or its
//! sum, and ends the reading.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::envelope::Envelope;
use crate::ledger::audit::Held;

/// Bytes before the payload of a record: its length and its CRC-32, both little-endian.
const HEADER: u64 = 8;
/// Bytes of a payload. A frame has many fewer; what says that it has more is damaged.
const MAX_RECORD: u32 = 16 << 20;

/// The open file of a batch.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    _held: Held,
    /// Kept for its capacity.
    record: Vec<u8>,
}

impl Segment {
    /// Makes the file of a new batch.
    ///
    /// # Errors
    /// The file cannot be made or written. A full disk makes empty files all the same: the caller removes it, unless it
    /// was there before.
    pub(super) fn create(path: &Path, envelope: &Envelope, held: Held) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path)?;
        let mut segment = Self {
            file,
            _held: held,
            record: Vec::new(),
        };
        push_record(&mut segment.record, &envelope.resource)?;
        push_record(&mut segment.record, &envelope.scope)?;
        segment.file.write_all(&segment.record)?;
        Ok(segment)
    }

    /// Writes one frame, in one write.
    ///
    /// # Errors
    /// The file cannot be written; its end may be torn then, and nothing must be appended after it.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.record.clear();
        push_record(&mut self.record, frame)?;
        self.file.write_all(&self.record)
    }
}

fn push_record(record: &mut Vec<u8>, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|length| *length <= MAX_RECORD);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a record of more than 16 MiB"))?;
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&sum(payload).to_le_bytes());
    record.extend_from_slice(payload);
    Ok(())
}

/// Reads a segment of any size back, a request at a time.
#[derive(Debug)]
pub(super) struct Recovery {
    records: Records,
    /// Absent when the file ends before it, or before anything can be read.
    envelope: Option<Envelope>,
    /// The first frame of the next request.
    next: Option<Vec<u8>>,
}

impl Recovery {
    /// # Errors
    /// The file cannot be read now.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut records = Records::open(path)?;
        let (resource, scope) = (records.next()?, records.next()?);
        let envelope = resource.zip(scope);
        let next = records.next()?;
        Ok(Self {
            records,
            envelope: envelope.map(|(resource, scope)| Envelope { resource, scope }),
            next,
        })
    }

    /// The request that the next frames were to become, of at most so many bytes of them unless one frame has more;
    /// none after the last that was written whole.
    ///
    /// # Errors
    /// The file cannot be read now.
    pub(super) fn request(&mut self, max_bytes: usize) -> io::Result<Option<Vec<u8>>> {
        let (Some(envelope), Some(mut frames)) = (&self.envelope, self.next.take()) else {
            return Ok(None);
        };
        while let Some(frame) = self.records.next()? {
            if frames.len() + frame.len() > max_bytes {
                self.next = Some(frame);
                break;
            }
            frames.extend(frame);
        }
        Ok(Some(envelope.request(&frames)))
    }

    /// Whether there is something in the file that cannot be read: the end that a kill tore off, or damage.
    pub(super) fn has_rest(&self) -> bool {
        self.records.has_rest
    }
}

/// The records of a segment up to its end, or up to the first that is not whole.
#[derive(Debug)]
struct Records {
    file: BufReader<File>,
    /// Bytes that were not read yet: no length is believed that goes beyond.
    left: u64,
    has_rest: bool,
}

impl Records {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Self {
            file: BufReader::new(file),
            left,
            has_rest: false,
        })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.left == 0 || self.has_rest {
            return Ok(None);
        }
        // What is not whole is the end, unless the disk says otherwise.
        match self.whole() {
            Ok(Some(payload)) => Ok(Some(payload)),
            Ok(None) => {
                self.has_rest = true;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.has_rest = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn whole(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(left) = self.left.checked_sub(HEADER) else {
            return Ok(None);
        };
        let (length, expected) = (self.number()?, self.number()?);
        let Some(left) = left.checked_sub(length.into()).filter(|_| length <= MAX_RECORD) else {
            return Ok(None);
        };
        let Ok(size) = usize::try_from(length) else {
            return Ok(None);
        };
        let mut payload = vec![0; size];
        self.file.read_exact(&mut payload)?;
        self.left = left;
        Ok((sum(&payload) == expected).then_some(payload))
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

fn sum(payload: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(payload);
    crc.sum()
}

#[cfg(test)]
pub(super) mod tests;
