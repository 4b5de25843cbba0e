//! Frames on disk before their request is made, so that a kill at any moment loses none of them.
//!
//! A segment is the file of one open batch: records of length, CRC-32 and bytes, of which the first two are the
//! envelope and the others the frames. Each record is one write, so what the kernel has of it survives the process
//! (not the machine: that would cost an fsync a run). What a kill cut off in the middle shows by its length or its
//! sum, and ends the reading.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::envelope::Envelope;

/// Bytes before the payload of a record: its length and its CRC-32, both little-endian.
const HEADER: usize = 8;
/// Bytes of a segment that are read back; a batch is closed long before.
const MAX_SEGMENT: u64 = 64 << 20;

/// The open file of a batch.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    /// Kept for its capacity.
    record: Vec<u8>,
}

impl Segment {
    /// Makes the file of a new batch.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub(super) fn create(path: &Path, envelope: &Envelope) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path)?;
        let mut segment = Self {
            file,
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
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a record of 4 GiB or more"))?;
    record.reserve(HEADER + payload.len());
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&sum(payload).to_le_bytes());
    record.extend_from_slice(payload);
    Ok(())
}

/// The request that a segment was to become: every frame that was written whole; none when there is no frame.
///
/// # Errors
/// The file cannot be read.
pub(super) fn recover(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SEGMENT).read_to_end(&mut bytes)?;
    let mut records = Records(&bytes);
    let (Some(resource), Some(scope)) = (records.next(), records.next()) else {
        return Ok(None);
    };
    let envelope = Envelope {
        resource: resource.to_vec(),
        scope: scope.to_vec(),
    };
    let frames = records.collect::<Vec<_>>().concat();
    Ok((!frames.is_empty()).then(|| envelope.request(&frames)))
}

/// The records of a segment up to its end, or up to the first that is not whole.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (expected, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (payload, rest) = rest.split_at_checked(length)?;
        let is_whole = sum(payload) == u32::from_le_bytes(*expected);
        self.0 = if is_whole { rest } else { &[] };
        is_whole.then_some(payload)
    }
}

fn sum(payload: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(payload);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            resource: b"resource".to_vec(),
            scope: b"scope".to_vec(),
        }
    }

    fn segment_of(folder: &Path, frames: &[&[u8]]) -> std::path::PathBuf {
        let path = folder.join("segment");
        let mut segment = Segment::create(&path, &envelope()).unwrap();
        for frame in frames {
            segment.append(frame).unwrap();
        }
        path
    }

    #[test]
    fn what_was_appended_is_recovered_as_one_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment_of(folder.path(), &[b"one", b"two"]);
        let request = recover(&path).unwrap().unwrap();
        assert_eq!(request, envelope().request(b"onetwo"));
    }

    #[test]
    fn a_torn_tail_costs_the_torn_frame_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment_of(folder.path(), &[b"one", b"two"]);
        let whole = fs::read(&path).unwrap();
        for cut in 1..(HEADER + 3) {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let request = recover(&path).unwrap().unwrap();
            assert_eq!(request, envelope().request(b"one"), "{cut} bytes cut off");
        }
    }

    #[test]
    fn a_frame_with_a_wrong_sum_and_all_after_it_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment_of(folder.path(), &[b"one", b"two", b"three"]);
        let mut bytes = fs::read(&path).unwrap();
        let place = bytes.windows(3).position(|window| window == b"two").unwrap();
        bytes[place] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(recover(&path).unwrap().unwrap(), envelope().request(b"one"));
    }

    #[test]
    fn a_segment_without_a_whole_frame_is_no_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment_of(folder.path(), &[]);
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(recover(&path).unwrap(), None);
        }
    }
}
