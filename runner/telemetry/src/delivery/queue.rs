//! The queue of one signal: its pending requests in order, and the open batch that becomes the next of them.
//!
//! One map holds all requests by id, wherever they are stored: in memory normally, on disk as soon as they have to
//! wait. A request stays in the map while it is being sent, until its result is known, so nothing has to be put back
//! and a kill loses nothing.

mod limits;
mod recovery;
mod result;
mod send;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::batch::{Batch, JournalState};
use super::disk::Disk;
use super::envelope::Envelope;
use super::frame::Frame;
use super::notice::{Notice, NoticeSender};
use super::report::{Counters, DropReason, SignalReport};
use super::request::Request;
use super::request_id::RequestId;
use super::share::{Owner, Share, Shares};
use super::spool::FileKind;
use crate::signal::Signal;
use canary_system::age::Now;
use limits::MemoryLimits;
use recovery::SpoolRecovery;
use send::SendState;

pub use limits::MAX_MEMORY;
pub(super) use limits::{DiskRoom, Shed};
pub(super) use send::Next;

/// How long an unreadable file is skipped.
const READ_RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The queue of one signal.
#[derive(Debug)]
pub(super) struct Queue {
    signal: Signal,
    /// Whether requests may be spooled: output that the console missed is worth nothing later.
    is_persistent: bool,
    memory_limits: MemoryLimits,
    batch: Option<Batch>,
    waiting: BTreeMap<RequestId, QueuedRequest>,
    sending: SendState,
    recovery: SpoolRecovery,
    last: Option<RequestId>,
    /// Requests after this one belong to the current series.
    series_after: Option<RequestId>,
    memory_bytes: u64,
    disk_bytes: u64,
    /// Whether the last attempt failed with a retryable error: new requests are then spooled.
    is_unreachable: bool,
    counters: Counters,
    notices: NoticeSender,
}

/// Shared state that a queue operates on.
pub(super) struct QueueContext<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) shares: &'a mut Shares,
    pub(super) envelope: &'a Envelope,
    /// Free space for spooled requests.
    pub(super) room: DiskRoom,
    pub(super) now: Now,
}

#[derive(Debug)]
struct QueuedRequest {
    bytes: u64,
    location: Location,
    /// `None` for a request of an earlier process until it is read.
    share: Option<Share>,
    /// Its file could not be read and is skipped until then.
    unreadable_until: Option<Instant>,
    /// The owners of all its data, if they were deferred; empty if it has data of others or that is unknown.
    only_owners: Vec<Owner>,
}

#[derive(Debug)]
enum Location {
    Memory {
        request: Bytes,
        journal_state: JournalState,
    },
    Disk,
}

impl QueuedRequest {
    fn is_on_disk(&self) -> bool {
        matches!(self.location, Location::Disk)
    }
}

impl Queue {
    pub(super) fn new(signal: Signal, is_persistent: bool, notices: NoticeSender) -> Self {
        Self {
            signal,
            is_persistent,
            memory_limits: MemoryLimits::new(MAX_MEMORY),
            batch: None,
            waiting: BTreeMap::new(),
            sending: SendState::new(signal),
            recovery: SpoolRecovery::default(),
            last: None,
            series_after: None,
            memory_bytes: 0,
            disk_bytes: 0,
            is_unreachable: false,
            counters: Counters::default(),
            notices,
        }
    }

    /// Sets the maximum size of the requests in memory when they cannot be spooled, in bytes.
    pub(super) fn with_memory_limit(mut self, memory: u64) -> Self {
        self.memory_limits = MemoryLimits::new(memory);
        self
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    pub(super) fn is_persistent(&self) -> bool {
        self.is_persistent
    }

    /// Appends a frame to the open batch; returns true if the worker has to be woken.
    pub(super) fn append(&mut self, frame: &Frame, delay: Duration, context: &mut QueueContext<'_>) -> bool {
        if self.batch.as_ref().is_some_and(|batch| batch.is_full_for(frame)) {
            self.close_batch(context);
        }
        let open = self.batch.take();
        let is_new = open.is_none();
        let mut batch = match open {
            Some(batch) => batch,
            None => {
                let id = self.next_id(&context.now);
                Batch::open(self.signal, id, delay, context.envelope, context.disk)
            }
        };
        let is_full = batch.append(frame, context.disk);
        self.batch = Some(batch);
        if is_full {
            self.close_batch(context);
        }
        is_new || is_full
    }

    /// Queues a complete request.
    pub(super) fn push(&mut self, request: impl Into<Request>, context: &mut QueueContext<'_>) {
        let request = request.into();
        let id = self.next_id(&context.now);
        let location = Location::memory(request.bytes, JournalState::Missing);
        self.insert(id, location, Some(request.share), context.shares);
    }

    /// Closes the open batch and queues it as a request.
    pub(super) fn close_batch(&mut self, context: &mut QueueContext<'_>) {
        if let Some(closed) = self.batch.take().map(|batch| batch.close(context.envelope)) {
            let location = Location::memory(closed.request, closed.journal_state);
            self.insert(closed.id, location, Some(closed.share), context.shares);
        }
    }

    /// Bytes of the spooled requests.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Drops a request for good and counts it.
    pub(super) fn drop_request(&mut self, id: RequestId, reason: DropReason, context: &mut QueueContext<'_>) {
        self.remove(id, context);
        self.count_drop(reason);
    }

    fn count_drop(&mut self, reason: DropReason) {
        self.counters.record_drop(reason);
        let signal = self.signal;
        self.notices
            .send_rate_limited(reason.as_str(), Notice::RequestsDropped { signal, reason });
    }

    /// Whether no attempt is in flight and none would be useful now.
    pub(super) fn is_idle(&self) -> bool {
        let now = Instant::now();
        let mut waiting = self.waiting.values();
        let has_none = waiting.all(|waiting| self.is_blocked(waiting, now));
        !self.sending.is_in_flight() && (has_none || self.is_unreachable)
    }

    /// Counts requests that are not on disk as lost, since the process is ending.
    pub(super) fn shutdown(&mut self) {
        let is_persistent = |waiting: &&QueuedRequest| match waiting.location {
            Location::Memory { journal_state, .. } => journal_state == JournalState::Complete,
            Location::Disk => true,
        };
        let kept = self.waiting.values().filter(is_persistent).count();
        for _ in kept..self.waiting.len() {
            self.count_drop(DropReason::Shutdown);
        }
    }

    pub(super) fn report(&self, now: &Now) -> SignalReport {
        let begun = self.batch.as_ref().map(|batch| batch.id);
        let oldest = self.waiting.keys().next().copied().or(begun);
        SignalReport {
            exports: self.counters.exports.clone(),
            dropped: self.counters.dropped.clone(),
            dropped_items: self.counters.dropped_items,
            dead_letters: self.counters.dead_letters,
            rejected_items: self.counters.rejected_items,
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            spool_bytes: self.disk_bytes,
            memory_bytes: self.memory_bytes,
            oldest_age: oldest.map(|id| id.since().age(now)),
            last_success: self.counters.last_success,
            failing_for: self.counters.failing_for(!self.waiting.is_empty()),
        }
    }

    fn next_id(&mut self, now: &Now) -> RequestId {
        let id = RequestId::next(self.last, now);
        self.last = Some(id);
        id
    }

    fn insert(&mut self, id: RequestId, location: Location, share: Option<Share>, shares: &mut Shares) {
        let bytes = match &location {
            Location::Memory { request, .. } => byte_len(request),
            Location::Disk => 0,
        };
        self.memory_bytes += bytes;
        self.insert_at(id, bytes, location, share, shares);
    }

    fn insert_on_disk(&mut self, id: RequestId, bytes: u64, context: &mut QueueContext<'_>) {
        self.disk_bytes += bytes;
        context.room.free = context.room.free.saturating_sub(bytes);
        self.insert_at(id, bytes, Location::Disk, None, context.shares);
    }

    fn insert_at(
        &mut self,
        id: RequestId,
        bytes: u64,
        location: Location,
        share: Option<Share>,
        shares: &mut Shares,
    ) {
        if self.counters.failing_for(!self.waiting.is_empty()).is_none() {
            self.counters.failing = None;
        }
        shares.add(bytes, share.as_ref().unwrap_or(&Share::default()));
        let waiting = QueuedRequest {
            bytes,
            location,
            share,
            unreadable_until: None,
            only_owners: Vec::new(),
        };
        self.waiting.insert(id, waiting);
    }

    /// Removes a request from the queue, and its file or journal from the disk.
    fn remove(&mut self, id: RequestId, context: &mut QueueContext<'_>) {
        let signal = self.signal;
        let Some(waiting) = self.waiting.remove(&id) else {
            return;
        };
        self.sending.forget(id);
        context
            .shares
            .remove(waiting.bytes, waiting.share.as_ref().unwrap_or(&Share::default()));
        match waiting.location {
            Location::Memory { journal_state, .. } => {
                self.memory_bytes -= waiting.bytes;
                if journal_state != JournalState::Missing {
                    self.remove_segment(id, context.disk);
                }
            }
            Location::Disk => {
                self.disk_bytes -= waiting.bytes;
                context.disk.remove(signal, id, FileKind::Request);
            }
        }
    }

    fn remove_segment(&self, id: RequestId, disk: &mut Disk) {
        disk.remove(self.signal, id, FileKind::Segment);
    }
}

impl Location {
    fn memory(request: Vec<u8>, journal_state: JournalState) -> Self {
        Self::Memory {
            request: Bytes::from(request),
            journal_state,
        }
    }
}

fn byte_len(request: &[u8]) -> u64 {
    u64::try_from(request.len()).unwrap_or(u64::MAX)
}
