//! Batching: frames that are sent as one request.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::disk::Disk;
use super::envelope::Envelope;
use super::frame::Frame;
use super::journal::Segment;
use super::request_id::RequestId;
use super::share::{Owner, Share};
use super::spool::{FileKind, Spool};
use crate::signal::Signal;

/// Maximum size of the frames of a batch, in bytes; collectors usually limit a message to 4 MiB.
pub(super) const MAX_BYTES: usize = 512 << 10;
/// Maximum number of frames of a batch; the default of OTEL_BSP_MAX_EXPORT_BATCH_SIZE.
pub(super) const MAX_FRAMES: usize = 512;

/// An open batch and its journal segment.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: RequestId,
    pub(super) close_at: Instant,
    frames: Vec<u8>,
    owners: HashMap<Owner, u32>,
    count: usize,
    segment: Option<Segment>,
    journal_state: JournalState,
}

/// How much of a batch is in its journal segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JournalState {
    /// There is no segment.
    Missing,
    /// The frames before the one whose write failed.
    Partial,
    /// All frames.
    Complete,
}

/// A closed batch as an encoded request.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) id: RequestId,
    pub(super) request: Vec<u8>,
    pub(super) share: Share,
    pub(super) journal_state: JournalState,
}

impl Batch {
    /// Opens a batch that is to be closed after `delay`, and its journal segment if there is a disk.
    pub(super) fn open(
        signal: Signal,
        id: RequestId,
        delay: Duration,
        envelope: &Envelope,
        disk: &mut Disk,
    ) -> Self {
        let begin =
            |spool: &mut Spool| Segment::create(&spool.segment(signal, id), envelope, spool.fd_guard());
        let name = (signal, id, FileKind::Segment);
        let segment = disk
            .accepts_segments()
            .then(|| disk.create(name, begin))
            .flatten();
        Self {
            id,
            close_at: Instant::now() + delay,
            frames: Vec::new(),
            owners: HashMap::new(),
            count: 0,
            journal_state: match segment {
                Some(_) => JournalState::Complete,
                None => JournalState::Missing,
            },
            segment,
        }
    }

    /// Whether appending `frame` would exceed the maximum size.
    pub(super) fn is_full_for(&self, frame: &Frame) -> bool {
        !self.frames.is_empty() && self.frames.len() + frame.bytes.len() > MAX_BYTES
    }

    /// Appends a frame; returns true if the batch is full now.
    pub(super) fn append(&mut self, frame: &Frame, disk: &mut Disk) -> bool {
        if let Some(segment) = &mut self.segment
            && disk.attempt(|_| segment.append(&frame.bytes)).is_none()
        {
            // The segment may end with a torn record, and records after that would not be read.
            self.segment = None;
            self.journal_state = JournalState::Partial;
        }
        self.frames.extend_from_slice(&frame.bytes);
        for (owner, bytes) in &frame.owners {
            let sum = self.owners.entry(*owner).or_default();
            *sum = sum.saturating_add(*bytes);
        }
        self.count += 1;
        self.frames.len() >= MAX_BYTES || self.count >= MAX_FRAMES
    }

    pub(super) fn close(self, envelope: &Envelope) -> Closed {
        Closed {
            id: self.id,
            request: envelope.request(&self.frames),
            share: Share::new(&self.owners),
            journal_state: self.journal_state,
        }
    }
}
