//! A write-ahead journal of the frames of a batch, so that a kill of the process loses none of them.
//!
//! A segment is the file of one open batch: records of length, CRC-32 and payload, the first two of which are the
//! envelope and the others frames. Each record is one write, so the kernel has it when the process is killed (but not
//! when the machine crashes: that would cost an fsync per run). A record torn by a kill is detected by its length or
//! checksum and ends the recovery.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::envelope::Envelope;
use canary_net::ledger::audit::FdGuard;

/// Length of a record header: payload length and CRC-32, both little-endian.
const HEADER: u64 = 8;
/// Maximum payload length in bytes. Frames are much shorter; a larger length means damage.
const MAX_RECORD: u32 = 16 << 20;

/// The open journal file of a batch.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    _fd: FdGuard,
    /// Reused for its capacity.
    record: Vec<u8>,
}

impl Segment {
    /// Creates the file of a new batch.
    ///
    /// # Errors
    /// The file cannot be created or written. A full disk may still create an empty file: the caller removes it, unless
    /// it existed before.
    pub(super) fn create(path: &Path, envelope: &Envelope, fd: FdGuard) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path)?;
        let mut segment = Self {
            file,
            _fd: fd,
            record: Vec::new(),
        };
        push_record(&mut segment.record, &envelope.resource)?;
        push_record(&mut segment.record, &envelope.scope)?;
        segment.file.write_all(&segment.record)?;
        Ok(segment)
    }

    /// Appends a frame with a single write.
    ///
    /// # Errors
    /// The file cannot be written; it may then end with a torn record, and nothing must be appended after that.
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
    record.extend_from_slice(&crc32(payload).to_le_bytes());
    record.extend_from_slice(payload);
    Ok(())
}

/// Reads back a segment of any size, one request at a time.
#[derive(Debug)]
pub(super) struct Recovery {
    records: Records,
    /// `None` if the file ends before it or is unreadable from the start.
    envelope: Option<Envelope>,
    /// The first frame of the next request.
    next: Option<Vec<u8>>,
}

impl Recovery {
    /// Opens a segment for recovery.
    ///
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

    /// The next request, of frames of at most `max_bytes` in total unless a single frame is larger; `None` after the
    /// last complete frame.
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

    /// Whether part of the file is unreadable: a torn last record, or damage.
    pub(super) fn has_unreadable_rest(&self) -> bool {
        self.records.has_unreadable_rest
    }
}

/// The records of a segment up to its end or the first incomplete one.
#[derive(Debug)]
struct Records {
    file: BufReader<File>,
    /// Bytes not read yet: a record length beyond this is not trusted.
    left: u64,
    has_unreadable_rest: bool,
}

impl Records {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Self {
            file: BufReader::new(file),
            left,
            has_unreadable_rest: false,
        })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.left == 0 || self.has_unreadable_rest {
            return Ok(None);
        }
        // An incomplete record ends the segment; other errors are the disk's.
        match self.read_record() {
            Ok(Some(payload)) => Ok(Some(payload)),
            Ok(None) => {
                self.has_unreadable_rest = true;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.has_unreadable_rest = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn read_record(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(left) = self.left.checked_sub(HEADER) else {
            return Ok(None);
        };
        let (length, expected) = (self.read_u32()?, self.read_u32()?);
        let Some(left) = left.checked_sub(length.into()).filter(|_| length <= MAX_RECORD) else {
            return Ok(None);
        };
        let Ok(size) = usize::try_from(length) else {
            return Ok(None);
        };
        let mut payload = vec![0; size];
        self.file.read_exact(&mut payload)?;
        self.left = left;
        Ok((crc32(&payload) == expected).then_some(payload))
    }

    fn read_u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

fn crc32(payload: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(payload);
    crc.sum()
}

#[cfg(test)]
pub(super) mod tests;
