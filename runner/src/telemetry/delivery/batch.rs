//! Frames that become one request together.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::disk::Disk;
use super::envelope::Envelope;
use super::frame::Frame;
use super::journal::Segment;
use super::share::{Owner, Share};
use super::spool::{Kind, Spool};
use super::stamp::Stamp;
use crate::telemetry::settings::Signal;

/// Bytes of frames that a batch has at most; a collector's usual limit for a message is 4 MiB.
pub(super) const MAX_BYTES: usize = 512 << 10;
/// Frames that close a batch; the default of OTEL_BSP_MAX_EXPORT_BATCH_SIZE.
pub(super) const MAX_FRAMES: usize = 512;

/// An open batch and its segment of the journal.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) stamp: Stamp,
    pub(super) close_at: Instant,
    frames: Vec<u8>,
    owners: HashMap<Owner, u32>,
    count: usize,
    segment: Option<Segment>,
    journaled: Journaled,
}

/// How much of a batch its segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journaled {
    /// There is no segment.
    Not,
    /// Frames up to the one at which the disk failed.
    Partly,
    /// All frames.
    Whole,
}

/// A batch as a request.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) stamp: Stamp,
    pub(super) request: Vec<u8>,
    pub(super) share: Share,
    pub(super) journaled: Journaled,
}

impl Batch {
    /// Begins a batch, on disk too where there is one, that is to be closed after `delay`.
    pub(super) fn open(
        signal: Signal,
        stamp: Stamp,
        delay: Duration,
        envelope: &Envelope,
        disk: &mut Disk,
    ) -> Self {
        let begin =
            |spool: &mut Spool| Segment::create(&spool.segment(signal, stamp), envelope, spool.hold());
        let name = (signal, stamp, Kind::Segment);
        let segment = disk.takes_segments().then(|| disk.make(name, begin)).flatten();
        Self {
            stamp,
            close_at: Instant::now() + delay,
            frames: Vec::new(),
            owners: HashMap::new(),
            count: 0,
            journaled: match segment {
                Some(_) => Journaled::Whole,
                None => Journaled::Not,
            },
            segment,
        }
    }

    /// Whether a frame would make it larger than it may be.
    pub(super) fn is_full_for(&self, frame: &Frame) -> bool {
        !self.frames.is_empty() && self.frames.len() + frame.bytes.len() > MAX_BYTES
    }

    /// Takes a frame; true when the batch is full with it.
    pub(super) fn append(&mut self, frame: &Frame, disk: &mut Disk) -> bool {
        if let Some(segment) = &mut self.segment
            && disk.attempt(|_| segment.append(&frame.bytes)).is_none()
        {
            // Its end may be torn: what came after that would not be read.
            self.segment = None;
            self.journaled = Journaled::Partly;
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
            stamp: self.stamp,
            request: envelope.request(&self.frames),
            share: Share::of(&self.owners),
            journaled: self.journaled,
        }
    }
}
