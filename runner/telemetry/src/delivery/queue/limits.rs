//! The limits of a queue, and what is dropped to enforce them.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::{Location, Queue, QueueContext, QueuedRequest, byte_len};
use crate::delivery::batch::JournalState;
use crate::delivery::notice::Notice;
use crate::delivery::parsed_request::ParsedRequest;
use crate::delivery::report::DropReason;
use crate::delivery::request_id::RequestId;
use crate::delivery::share::Share;
use crate::delivery::spool::FileKind;

/// Maximum size of the requests of a signal in memory when they cannot be spooled, in bytes.
pub const MAX_MEMORY: u64 = 16 << 20;
/// Maximum number of requests that are scanned at once for data to shed.
const MAX_SCANNED: usize = 16;

/// Limits for the requests in memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryLimits {
    /// While the collector is reachable; beyond it requests are spooled.
    pub(super) pending: u64,
    /// When requests cannot be spooled.
    pub(super) memory: u64,
}

impl MemoryLimits {
    pub(super) fn new(memory: u64) -> Self {
        Self {
            pending: memory / 4,
            memory,
        }
    }
}

/// The outcome of an attempt to shed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::delivery) enum Shed {
    /// Space was freed.
    Freed,
    /// No space was freed, but the owners of more requests are known now.
    Scanned,
    /// No space was freed, and a retry would not free any.
    Nothing,
}

/// Disk space for the requests of all signals, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::delivery) struct DiskRoom {
    /// The total capacity.
    pub(in crate::delivery) capacity: u64,
    /// The free part of it.
    pub(in crate::delivery) free: u64,
}

impl Queue {
    /// Whether the requests in memory should be spooled.
    pub(in crate::delivery) fn must_spill(&self) -> bool {
        self.is_unreachable || self.disk_bytes > 0 || self.memory_bytes > self.memory_limits.pending
    }

    /// Begins a series of requests, which may be larger than the queue.
    pub(in crate::delivery) fn begin_series(&mut self) {
        self.series_after = self.last;
    }

    /// Whether the next request of the series may be pushed. While the collector is reachable, it waits until most of
    /// the previous ones are delivered, so that nothing is dropped because the runner produces faster than it can send.
    /// While the collector is unreachable, it waits only if requests of the same series would be dropped, since older
    /// ones are worth less.
    pub(in crate::delivery) fn has_room(&self, context: &QueueContext<'_>) -> bool {
        let now = Instant::now();
        let (mut ahead, mut in_memory, mut on_disk) = (0, 0, 0);
        for (id, waiting) in &self.waiting {
            // Requests that are blocked for other reasons would block the series forever.
            if self.is_blocked(waiting, now) {
                continue;
            }
            let is_of_series = Some(*id) > self.series_after;
            match (is_of_series, waiting.is_on_disk()) {
                (true, true) => on_disk += waiting.bytes,
                (true, false) => in_memory += waiting.bytes,
                (false, true) => {}
                (false, false) => ahead += waiting.bytes,
            }
        }
        if self.is_unreachable {
            in_memory < self.memory_limits.memory / 2 && on_disk <= context.room.capacity / 2
        } else {
            ahead + in_memory + on_disk < self.memory_limits.pending / 2
        }
    }

    /// Drops requests from memory until the limit is met.
    pub(in crate::delivery) fn enforce_memory_limit(&mut self, context: &mut QueueContext<'_>) {
        while self.memory_bytes > self.memory_limits.memory {
            match self.shed(|waiting| !waiting.is_on_disk(), context) {
                Shed::Freed | Shed::Scanned => continue,
                Shed::Nothing => {}
            }
            let Some(id) = self.find_droppable(|waiting| !waiting.is_on_disk()) else {
                return;
            };
            self.drop_request(id, DropReason::MemoryFull, context);
        }
    }

    /// Moves the requests in memory to disk, oldest first, while there is room and the disk works. Returns the size of
    /// the first request for which space has to be freed.
    pub(in crate::delivery) fn spill(&mut self, context: &mut QueueContext<'_>) -> Option<u64> {
        if self.memory_bytes == 0 || !context.disk.is_open() {
            return None;
        }
        self.drop_larger_than(context.room.capacity, context);
        let signal = self.signal;
        for (id, waiting) in &mut self.waiting {
            let Location::Memory {
                request,
                journal_state,
            } = &waiting.location
            else {
                continue;
            };
            if waiting.bytes > context.room.free {
                return (waiting.bytes <= context.room.capacity).then_some(waiting.bytes);
            }
            let name = (signal, *id, FileKind::Request);
            context
                .disk
                .create(name, |spool| spool.write(signal, *id, request))?;
            if *journal_state != JournalState::Missing {
                context.disk.remove(signal, *id, FileKind::Segment);
            }
            waiting.location = Location::Disk;
            context.room.free -= waiting.bytes;
            self.memory_bytes -= waiting.bytes;
            self.disk_bytes += waiting.bytes;
        }
        None
    }

    /// Drops requests larger than the whole spool, for which everything else would be dropped in vain.
    fn drop_larger_than(&mut self, bound: u64, context: &mut QueueContext<'_>) {
        let is_larger = |waiting: &QueuedRequest| !waiting.is_on_disk() && waiting.bytes > bound;
        while let Some(id) = self.find_droppable(is_larger) {
            self.drop_request(id, DropReason::SpoolFull, context);
        }
    }

    /// Drops requests older than `max_age`.
    pub(in crate::delivery) fn expire(&mut self, max_age: Duration, context: &mut QueueContext<'_>) {
        while let Some(id) = self.find_droppable(|_| true)
            && id.since().is_older_than(max_age, &context.now)
        {
            self.drop_request(id, DropReason::Expired, context);
        }
    }

    /// The oldest droppable request on disk.
    pub(in crate::delivery) fn oldest_on_disk(&self) -> Option<RequestId> {
        self.find_droppable(QueuedRequest::is_on_disk)
    }

    fn find_droppable(&self, matches: impl Fn(&QueuedRequest) -> bool) -> Option<RequestId> {
        let mut waiting = self.waiting.iter();
        let found = waiting.find(|(id, waiting)| !self.sending.is_sending(**id) && matches(waiting));
        found.map(|(id, _)| *id)
    }

    /// Applies [`Queue::shed`] to the requests on disk.
    pub(in crate::delivery) fn shed_disk(&mut self, context: &mut QueueContext<'_>) -> Shed {
        self.shed(QueuedRequest::is_on_disk, context)
    }

    /// Removes the data of checks that exceed their share from the oldest request that has any.
    fn shed(&mut self, matches: impl Fn(&QueuedRequest) -> bool, context: &mut QueueContext<'_>) -> Shed {
        for scanned in 0..MAX_SCANNED {
            let shares = &*context.shares;
            let may_help = |waiting: &QueuedRequest| {
                let share = waiting.share.as_ref();
                matches(waiting)
                    && waiting.unreadable_until.is_none()
                    && share.is_none_or(|share| shares.has_over_share(share))
            };
            let Some(id) = self.find_droppable(may_help) else {
                return match scanned {
                    0 => Shed::Nothing,
                    _ => Shed::Scanned,
                };
            };
            // A missing or unreadable file is handled when the request is sent.
            let Some(Some(request)) = self.load(id, context) else {
                self.set_share(id, Share::default(), context);
                continue;
            };
            let rest = self.sending.rest(id).map(Bytes::from);
            if self.shed_request(id, &rest.unwrap_or(request), context) {
                return Shed::Freed;
            }
        }
        Shed::Scanned
    }

    /// Whether that freed space.
    fn shed_request(&mut self, id: RequestId, request: &Bytes, context: &mut QueueContext<'_>) -> bool {
        let Some(parts) = ParsedRequest::parse(request) else {
            self.set_share(id, Share::default(), context);
            return false;
        };
        // For requests of an earlier process the owners are unknown until now.
        self.set_share(id, Share::new(&parts.bytes_by_owner(self.signal)), context);
        let shares = &*context.shares;
        let (left, removed) = parts.without_owners(self.signal, |owner| shares.is_over_share(owner));
        if removed == 0 {
            return false;
        }
        match left {
            None => self.remove(id, context),
            Some(left) => {
                if !self.replace(id, left, context) {
                    return false;
                }
            }
        }
        self.counters.dropped_items += removed;
        self.count_shed();
        true
    }

    fn count_shed(&mut self) {
        let (signal, reason) = (self.signal, DropReason::OverShare);
        let notice = Notice::RequestsDropped { signal, reason };
        self.notices.send_rate_limited(reason.as_str(), notice);
    }

    /// Replaces a request by what is left of it; false if the disk fails.
    pub(super) fn replace(&mut self, id: RequestId, left: Vec<u8>, context: &mut QueueContext<'_>) -> bool {
        let signal = self.signal;
        let bytes = byte_len(&left);
        let share = ParsedRequest::parse(&left).map(|parts| Share::new(&parts.bytes_by_owner(signal)));
        let Some(waiting) = self.waiting.get_mut(&id) else {
            return false;
        };
        match &mut waiting.location {
            Location::Memory { request, .. } => {
                *request = Bytes::from(left);
                self.memory_bytes = self.memory_bytes - waiting.bytes + bytes;
            }
            Location::Disk => {
                if context
                    .disk
                    .attempt(|spool| spool.write(signal, id, &left))
                    .is_none()
                {
                    return false;
                }
                self.disk_bytes = self.disk_bytes - waiting.bytes + bytes;
            }
        }
        let before = waiting
            .share
            .replace(share.unwrap_or_default())
            .unwrap_or_default();
        context.shares.remove(waiting.bytes, &before);
        waiting.bytes = bytes;
        context
            .shares
            .add(bytes, waiting.share.as_ref().unwrap_or(&before));
        self.sending.forget(id);
        true
    }

    /// Sets the owners' share of a request.
    fn set_share(&mut self, id: RequestId, share: Share, context: &mut QueueContext<'_>) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            let before = waiting.share.take().unwrap_or_default();
            context.shares.remove(waiting.bytes, &before);
            context.shares.add(waiting.bytes, &share);
            waiting.share = Some(share);
        }
    }
}
