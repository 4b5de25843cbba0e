//! For the fuzz targets: journals, and requests taken apart.

use std::io;
use std::path::Path;

use hyper::body::Bytes;

use super::envelope::Envelope;
use super::journal::{Recovery, Segment};
use super::split::Split;
use super::stamp::Stamp;
use crate::ledger::audit::Reserve;
use crate::telemetry::settings::Signal;

/// What a journal becomes.
#[derive(Debug, PartialEq, Eq)]
pub struct Recovered {
    /// In order.
    pub requests: Vec<Vec<u8>>,
    /// Whether some of it cannot be read.
    pub has_rest: bool,
}

/// A request's envelope: its resource and its scope as encoded fields.
#[derive(Debug)]
pub struct Around(Envelope);

impl Around {
    /// Of any two byte strings.
    #[must_use]
    pub fn new(resource: &[u8], scope: &[u8]) -> Self {
        Self(Envelope {
            resource: resource.to_vec(),
            scope: scope.to_vec(),
        })
    }

    /// The request of these frames.
    #[must_use]
    pub fn request(&self, frames: &[u8]) -> Vec<u8> {
        self.0.request(frames)
    }
}

/// Writes the journal of a batch.
///
/// # Errors
/// The file cannot be made or written.
pub fn write_journal(path: &Path, around: &Around, frames: &[&[u8]]) -> io::Result<()> {
    let mut segment = Segment::create(path, &around.0, Reserve::default().hold())?;
    frames.iter().try_for_each(|frame| segment.append(frame))
}

/// Reads the journal of an earlier process.
///
/// # Errors
/// The file cannot be read.
pub fn recover(path: &Path, max_bytes: usize) -> io::Result<Recovered> {
    let mut recovery = Recovery::open(path)?;
    let mut requests = Vec::new();
    while let Some(request) = recovery.request(max_bytes)? {
        requests.push(request);
    }
    Ok(Recovered {
        requests,
        has_rest: recovery.has_rest(),
    })
}

/// A part of a request, as one of its own, and how many items it has.
pub type Piece = (Vec<u8>, usize);

/// A request in pieces of at most `limit` bytes, and how many items there are in all; nothing
/// where it has another shape than ours have.
#[must_use]
pub fn pieces(request: &[u8], limit: usize) -> Option<(Vec<Piece>, usize)> {
    let stamp = Stamp::at(std::time::UNIX_EPOCH);
    let request = Bytes::copy_from_slice(request);
    let mut split = Split::of(stamp, Signal::Traces, &request, |_| false)?;
    let mut pieces = Vec::new();
    while let Some(items) = split.next(limit, |_| false) {
        pieces.push((split.request(&items), items.len()));
    }
    let all = pieces.iter().map(|(_, count)| count).sum();
    Some((pieces, all))
}
