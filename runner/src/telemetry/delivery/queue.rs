//! The requests of one signal that wait, in their order, and the batch that is the next of them.
//!
//! One map holds them all, by stamp, wherever each of them is: in memory while all goes well, on disk as soon as
//! something has to wait. A request that is on its way stays in the map until its answer is there, so that nothing
//! has to be put back, and a kill in between loses nothing.

mod answered;
mod leftovers;
mod room;
mod send;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::batch::{Batch, Journaled};
use super::disk::Disk;
use super::envelope::Envelope;
use super::frame::Frame;
use super::notice::{Notice, Notices};
use super::report::{DropReason, SignalReport, Tally};
use super::request::Request;
use super::share::{Owner, Share, Shares};
use super::spool::Kind;
use super::stamp::Stamp;
use crate::age::Now;
use crate::telemetry::settings::Signal;
use leftovers::Leftovers;
use room::Bounds;
use send::Sending;

pub use room::MAX_MEMORY;
pub(super) use room::{Room, Thinned};
pub(super) use send::Next;

/// How long to leave a file alone that cannot be read just now.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// One signal's queue.
#[derive(Debug)]
pub(super) struct Queue {
    signal: Signal,
    /// Whether it may wait on disk: what a console missed is worth nothing later.
    is_kept: bool,
    bounds: Bounds,
    batch: Option<Batch>,
    waiting: BTreeMap<Stamp, Waiting>,
    sending: Sending,
    leftovers: Leftovers,
    last: Option<Stamp>,
    /// The requests behind it are of the series that goes on.
    series_after: Option<Stamp>,
    memory_bytes: u64,
    disk_bytes: u64,
    /// The last attempt found no collector that takes requests: what comes now waits on disk.
    is_away: bool,
    is_away_told: bool,
    tally: Tally,
    notices: Notices,
}

/// What a queue works with that is not its own.
pub(super) struct Around<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) shares: &'a mut Shares,
    pub(super) envelope: &'a Envelope,
    /// For what goes to disk.
    pub(super) room: Room,
    pub(super) now: Now,
}

#[derive(Debug)]
struct Waiting {
    bytes: u64,
    place: Place,
    /// Unknown of what an earlier process left, until it is read.
    share: Option<Share>,
    /// Its file could not be read, and is left alone until then.
    unreadable_until: Option<Instant>,
    /// Whose data alone it has, if these were held back; empty where it has others, or that is not known.
    only_of: Vec<Owner>,
}

#[derive(Debug)]
enum Place {
    Memory { request: Bytes, journaled: Journaled },
    Disk,
}

impl Waiting {
    fn is_on_disk(&self) -> bool {
        matches!(self.place, Place::Disk)
    }
}

impl Queue {
    pub(super) fn new(signal: Signal, is_kept: bool, notices: Notices) -> Self {
        Self {
            signal,
            is_kept,
            bounds: Bounds::of(MAX_MEMORY),
            batch: None,
            waiting: BTreeMap::new(),
            sending: Sending::new(signal),
            leftovers: Leftovers::default(),
            last: None,
            series_after: None,
            memory_bytes: 0,
            disk_bytes: 0,
            is_away: false,
            is_away_told: false,
            tally: Tally::default(),
            notices,
        }
    }

    /// The same with so many bytes of requests in memory where they cannot go to the spool.
    pub(super) fn within(mut self, memory: u64) -> Self {
        self.bounds = Bounds::of(memory);
        self
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Takes a frame into the open batch; true when that changed what the lane waits for.
    pub(super) fn append(&mut self, frame: &Frame, delay: Duration, around: &mut Around<'_>) -> bool {
        if self.batch.as_ref().is_some_and(|batch| batch.is_full_for(frame)) {
            self.close_batch(around);
        }
        let open = self.batch.take();
        let is_new = open.is_none();
        let mut batch = match open {
            Some(batch) => batch,
            None => {
                let stamp = self.stamp(&around.now);
                Batch::open(self.signal, stamp, delay, around.envelope, around.disk)
            }
        };
        let is_full = batch.append(frame, around.disk);
        self.batch = Some(batch);
        if is_full {
            self.close_batch(around);
        }
        is_new || is_full
    }

    /// Takes a whole request.
    pub(super) fn push(&mut self, request: impl Into<Request>, around: &mut Around<'_>) {
        let request = request.into();
        let stamp = self.stamp(&around.now);
        let place = Place::memory(request.bytes, Journaled::Not);
        self.insert(stamp, place, Some(request.share), around.shares);
    }

    /// Makes a request of the open batch.
    pub(super) fn close_batch(&mut self, around: &mut Around<'_>) {
        if let Some(closed) = self.batch.take().map(|batch| batch.close(around.envelope)) {
            let place = Place::memory(closed.request, closed.journaled);
            self.insert(closed.stamp, place, Some(closed.share), around.shares);
        }
    }

    /// Bytes that wait on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Drops a request for good, and counts it.
    pub(super) fn lose(&mut self, stamp: Stamp, reason: DropReason, around: &mut Around<'_>) {
        self.remove(stamp, around);
        self.count_loss(reason);
    }

    fn count_loss(&mut self, reason: DropReason) {
        self.tally.lose(reason);
        let signal = self.signal;
        self.notices
            .tell_seldom(reason.word(), Notice::Losing { signal, reason });
    }

    /// Whether no attempt goes on and none would be of use now.
    pub(super) fn is_settled(&self) -> bool {
        let now = Instant::now();
        let mut waiting = self.waiting.values();
        let has_none = waiting.all(|waiting| self.is_left_alone(waiting, now));
        !self.sending.is_under_way() && (has_none || self.is_away)
    }

    /// Counts as lost what is not on disk, since the process ends.
    pub(super) fn end(&mut self) {
        let is_kept = |waiting: &&Waiting| match waiting.place {
            Place::Memory { journaled, .. } => journaled == Journaled::Whole,
            Place::Disk => true,
        };
        let kept = self.waiting.values().filter(is_kept).count();
        for _ in kept..self.waiting.len() {
            self.count_loss(DropReason::Shutdown);
        }
    }

    pub(super) fn report(&self, now: &Now) -> SignalReport {
        let begun = self.batch.as_ref().map(|batch| batch.stamp);
        let oldest = self.waiting.keys().next().copied().or(begun);
        SignalReport {
            exports: self.tally.exports.clone(),
            dropped: self.tally.dropped.clone(),
            dropped_items: self.tally.dropped_items,
            dead_letters: self.tally.dead_letters,
            rejected_items: self.tally.rejected_items,
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            spool_bytes: self.disk_bytes,
            memory_bytes: self.memory_bytes,
            oldest_age: oldest.map(|stamp| stamp.since().age(now)),
            last_success: self.tally.last_success,
            failing_for: self.tally.failing_for(!self.waiting.is_empty()),
        }
    }

    fn stamp(&mut self, now: &Now) -> Stamp {
        let stamp = Stamp::after(self.last, now);
        self.last = Some(stamp);
        stamp
    }

    fn insert(&mut self, stamp: Stamp, place: Place, share: Option<Share>, shares: &mut Shares) {
        let bytes = match &place {
            Place::Memory { request, .. } => length(request),
            Place::Disk => 0,
        };
        self.memory_bytes += bytes;
        self.insert_as(stamp, bytes, place, share, shares);
    }

    fn insert_on_disk(&mut self, stamp: Stamp, bytes: u64, around: &mut Around<'_>) {
        self.disk_bytes += bytes;
        around.room.free = around.room.free.saturating_sub(bytes);
        self.insert_as(stamp, bytes, Place::Disk, None, around.shares);
    }

    fn insert_as(
        &mut self,
        stamp: Stamp,
        bytes: u64,
        place: Place,
        share: Option<Share>,
        shares: &mut Shares,
    ) {
        if self.tally.failing_for(!self.waiting.is_empty()).is_none() {
            self.tally.failing = None;
        }
        shares.add(bytes, share.as_ref().unwrap_or(&Share::default()));
        let waiting = Waiting {
            bytes,
            place,
            share,
            unreadable_until: None,
            only_of: Vec::new(),
        };
        self.waiting.insert(stamp, waiting);
    }

    /// Takes a request out of the queue, and its file or its journal from the disk.
    fn remove(&mut self, stamp: Stamp, around: &mut Around<'_>) {
        let signal = self.signal;
        let Some(waiting) = self.waiting.remove(&stamp) else {
            return;
        };
        self.sending.forget(stamp);
        around
            .shares
            .remove(waiting.bytes, waiting.share.as_ref().unwrap_or(&Share::default()));
        match waiting.place {
            Place::Memory { journaled, .. } => {
                self.memory_bytes -= waiting.bytes;
                if journaled != Journaled::Not {
                    self.remove_segment(stamp, around.disk);
                }
            }
            Place::Disk => {
                self.disk_bytes -= waiting.bytes;
                around.disk.remove(signal, stamp, Kind::Request);
            }
        }
    }

    fn remove_segment(&self, stamp: Stamp, disk: &mut Disk) {
        disk.remove(self.signal, stamp, Kind::Segment);
    }
}

impl Place {
    fn memory(request: Vec<u8>, journaled: Journaled) -> Self {
        Self::Memory {
            request: Bytes::from(request),
            journaled,
        }
    }
}

fn length(request: &[u8]) -> u64 {
    u64::try_from(request.len()).unwrap_or(u64::MAX)
}
