//! Entry points for the fuzz targets: journal recovery and request splitting.

use std::io;
use std::path::Path;

use hyper::body::Bytes;

use super::envelope::Envelope;
use super::journal::{Recovery, Segment};
use super::request_id::RequestId;
use super::split::Split;
use crate::signal::Signal;
use canary_net::ledger::audit::InternalFds;

/// What was recovered from a journal.
#[derive(Debug, PartialEq, Eq)]
pub struct Recovered {
    /// In their order.
    pub requests: Vec<Vec<u8>>,
    /// Whether some of the journal could not be read.
    pub has_unreadable_rest: bool,
}

/// A request's envelope: its resource and scope as encoded fields.
#[derive(Debug)]
pub struct JournalEnvelope(Envelope);

impl JournalEnvelope {
    /// An envelope of arbitrary bytes.
    #[must_use]
    pub fn new(resource: &[u8], scope: &[u8]) -> Self {
        Self(Envelope {
            resource: resource.to_vec(),
            scope: scope.to_vec(),
        })
    }

    /// Assembles a request with these frames.
    #[must_use]
    pub fn request(&self, frames: &[u8]) -> Vec<u8> {
        self.0.request(frames)
    }
}

/// Writes the journal of a batch.
///
/// # Errors
/// The file cannot be created or written.
pub fn write_journal(path: &Path, envelope: &JournalEnvelope, frames: &[&[u8]]) -> io::Result<()> {
    let mut segment = Segment::create(path, &envelope.0, InternalFds::default().acquire())?;
    frames.iter().try_for_each(|frame| segment.append(frame))
}

/// Recovers the journal of an earlier process.
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
        has_unreadable_rest: recovery.has_unreadable_rest(),
    })
}

/// A part of a request as a request of its own, and its number of items.
pub type Piece = (Vec<u8>, usize);

/// Splits a request into pieces of at most `limit` bytes; returns them with the total number of items, or `None` if the
/// request does not have our structure.
#[must_use]
pub fn pieces(request: &[u8], limit: usize) -> Option<(Vec<Piece>, usize)> {
    let id = RequestId::from_wall_clock(std::time::UNIX_EPOCH);
    let request = Bytes::copy_from_slice(request);
    let mut split = Split::parse(id, Signal::Traces, &request, |_| false)?;
    let mut pieces = Vec::new();
    while let Some(items) = split.next(limit, |_| false) {
        pieces.push((split.request(&items), items.len()));
    }
    let all = pieces.iter().map(|(_, count)| count).sum();
    Some((pieces, all))
}
