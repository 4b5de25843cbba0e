//! Recovery of the spool of an earlier process.

use tokio::time::Instant;

use super::{Location, Queue, QueueContext};
use crate::delivery::batch::{JournalState, MAX_BYTES};
use crate::delivery::disk::RETRY_INTERVAL;
use crate::delivery::journal::Recovery;
use crate::delivery::parsed_request::ParsedRequest;
use crate::delivery::request_id::RequestId;
use crate::delivery::share::Share;
use crate::delivery::spool::{FileKind, Spool, SpoolEntry};

/// What is still to be recovered.
#[derive(Debug, Default)]
pub(super) struct SpoolRecovery {
    /// Whether the folder was listed.
    is_listed: bool,
    /// Journal segments not recovered yet, and their sizes in bytes.
    segments: Vec<(RequestId, u64)>,
    /// When to retry after a disk failure.
    not_before: Option<Instant>,
}

impl Queue {
    /// Recovers the requests of an earlier process, which precede all new ones. After a disk failure they stay where
    /// they are and are retried later. Returns the number of bytes for which space has to be freed before it can
    /// continue.
    pub(in crate::delivery) fn recover_spool(&mut self, context: &mut QueueContext<'_>) -> Option<u64> {
        let now = Instant::now();
        let is_done = self.recovery.is_listed && self.recovery.segments.is_empty();
        if is_done || self.recovery.not_before.is_some_and(|until| now < until) {
            return None;
        }
        if !self.recovery.is_listed && self.list_spool(context) {
            self.recovery.is_listed = true;
        }
        if !self.recovery.is_listed {
            self.recovery.not_before = Some(now + RETRY_INTERVAL);
            return None;
        }
        let mut segments = std::mem::take(&mut self.recovery.segments).into_iter();
        let mut wanted = None;
        for (id, bytes) in segments.by_ref() {
            let wants = bytes.min(context.room.capacity);
            if wants > context.room.free {
                wanted = Some(wants);
                self.recovery.segments.push((id, bytes));
                break;
            }
            if !self.recover_segment(id, context) {
                self.recovery.segments.push((id, bytes));
                self.recovery.not_before = Some(now + RETRY_INTERVAL);
            }
        }
        self.recovery.segments.extend(segments);
        wanted
    }

    /// Lists the folder; false if that failed.
    fn list_spool(&mut self, context: &mut QueueContext<'_>) -> bool {
        let signal = self.signal;
        let Some(entries) = context.disk.attempt(|spool| spool.list(signal)) else {
            return false;
        };
        for (id, entry) in entries {
            if context.disk.is_pending_removal(signal, id) {
                continue;
            }
            let is_known = self.waiting.contains_key(&id) || self.is_open(id);
            match entry {
                SpoolEntry::Request(_) if is_known => {}
                SpoolEntry::Request(bytes) => self.insert_on_disk(id, bytes, context),
                SpoolEntry::Segment(_) if self.is_own_segment(id) => {}
                // The process was killed between writing the request and removing its journal.
                SpoolEntry::Segment(_) if is_known => self.remove_segment(id, context.disk),
                SpoolEntry::Segment(bytes) => self.recovery.segments.push((id, bytes)),
            }
            self.last = self.last.max(Some(id));
        }
        true
    }

    fn is_open(&self, id: RequestId) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.id == id)
    }

    /// Whether a segment belongs to this process: the folder may become readable only after the segment was created.
    fn is_own_segment(&self, id: RequestId) -> bool {
        let in_memory = self.waiting.get(&id);
        self.is_open(id) || in_memory.is_some_and(|waiting| !waiting.is_on_disk())
    }

    /// Recovers the requests of a segment; true when it is done.
    fn recover_segment(&mut self, id: RequestId, context: &mut QueueContext<'_>) -> bool {
        let signal = self.signal;
        let open = |spool: &mut Spool| Recovery::open(&spool.segment(signal, id));
        let Some(mut recovery) = context.disk.attempt(open) else {
            return false;
        };
        let mut recovered = Vec::new();
        loop {
            match context.disk.attempt(|_| recovery.request(MAX_BYTES)) {
                Some(Some(request)) => {
                    recovered.push(self.insert_recovered(id, request, &recovered, context))
                }
                Some(None) => break,
                None => {
                    // The segment is read again from its beginning.
                    for id in recovered {
                        self.remove(id, context);
                    }
                    return false;
                }
            }
        }
        let is_moved = recovery.has_unreadable_rest()
            && context
                .disk
                .attempt(|spool| spool.write_dead_segment(signal, id))
                .is_some();
        if !is_moved {
            // Its requests are queued: sending them once is enough, even if the disk fails here.
            context.disk.remove(signal, id, FileKind::Segment);
        }
        true
    }

    /// Queues one request of a segment. The first keeps the segment's id; they are spooled one at a time, since all of
    /// them could exceed the memory limit.
    fn insert_recovered(
        &mut self,
        id: RequestId,
        request: Vec<u8>,
        before: &[RequestId],
        context: &mut QueueContext<'_>,
    ) -> RequestId {
        let id = match before {
            [] => id,
            _ => id.next_part(self.last),
        };
        self.last = self.last.max(Some(id));
        let share =
            ParsedRequest::parse(&request).map(|parts| Share::new(&parts.bytes_by_owner(self.signal)));
        let location = Location::memory(request, JournalState::Missing);
        self.insert(id, location, share, context.shares);
        // There is room, except perhaps for the few bytes of an envelope: then it is spooled a little later.
        let _no_room = self.spill(context);
        self.enforce_memory_limit(context);
        id
    }
}
