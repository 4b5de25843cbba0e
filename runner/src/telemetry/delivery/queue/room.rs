//! The bounds of what waits, and who makes room.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::{Around, Place, Queue, Waiting, length};
use crate::telemetry::delivery::batch::Journaled;
use crate::telemetry::delivery::notice::Notice;
use crate::telemetry::delivery::parts::Parts;
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::share::Share;
use crate::telemetry::delivery::spool::Kind;
use crate::telemetry::delivery::stamp::Stamp;

/// Bytes of requests of a signal that wait in memory when they cannot go to the spool.
pub const MAX_MEMORY: u64 = 16 << 20;
/// Requests that are looked through for what could make room, at once.
const LOOKS: usize = 16;

/// Bytes of requests that wait in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// For a collector that answers; above it they go to the spool.
    pub(super) pending: u64,
    /// When they cannot go to the spool.
    pub(super) memory: u64,
}

impl Bounds {
    pub(super) fn of(memory: u64) -> Self {
        Self {
            pending: memory / 4,
            memory,
        }
    }
}

/// What came of making room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry::delivery) enum Thinned {
    /// There is more room.
    Made,
    /// There is not, but more is known of who fills the requests.
    Looked,
    /// There is not, and will not be.
    Nothing,
}

/// Bytes of requests on disk, of all signals together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry::delivery) struct Room {
    /// That there may be.
    pub(in crate::telemetry::delivery) bound: u64,
    /// For which there is room.
    pub(in crate::telemetry::delivery) free: u64,
}

impl Queue {
    /// Whether what is in memory has to wait, and belongs on disk.
    pub(in crate::telemetry::delivery) fn has_to_spill(&self) -> bool {
        self.is_away || self.disk_bytes > 0 || self.memory_bytes > self.bounds.pending
    }

    /// Begins a series of requests that may be more than there is room for at once.
    pub(in crate::telemetry::delivery) fn begin_series(&mut self) {
        self.series_after = self.last;
    }

    /// Whether the next request of the series may come. Of a collector that answers, it waits until most of those before
    /// it are delivered: nothing has to make room for what the runner makes faster than it goes out. Of one that is away
    /// it waits only where requests of the same series would make room, since older ones are worth less.
    pub(in crate::telemetry::delivery) fn has_room(&self, around: &Around<'_>) -> bool {
        let now = Instant::now();
        let (mut ahead, mut in_memory, mut on_disk) = (0, 0, 0);
        for (stamp, waiting) in &self.waiting {
            // What waits for other reasons would hold everything up.
            if self.is_left_alone(waiting, now) {
                continue;
            }
            let is_of_series = Some(*stamp) > self.series_after;
            match (is_of_series, waiting.is_on_disk()) {
                (true, true) => on_disk += waiting.bytes,
                (true, false) => in_memory += waiting.bytes,
                (false, true) => {}
                (false, false) => ahead += waiting.bytes,
            }
        }
        match self.is_away {
            true => in_memory < self.bounds.memory / 2 && on_disk <= around.room.bound / 2,
            false => ahead + in_memory + on_disk < self.bounds.pending / 2,
        }
    }

    /// Drops from memory what is more than may be there.
    pub(in crate::telemetry::delivery) fn bound_memory(&mut self, around: &mut Around<'_>) {
        while self.memory_bytes > self.bounds.memory {
            match self.thin(|waiting| !waiting.is_on_disk(), around) {
                Thinned::Made | Thinned::Looked => continue,
                Thinned::Nothing => {}
            }
            let Some(stamp) = self.droppable(|waiting| !waiting.is_on_disk()) else {
                return;
            };
            self.lose(stamp, DropReason::MemoryFull, around);
        }
    }

    /// Moves to disk whatever is in memory, oldest first, as far as there is room and the disk takes it. Returns the bytes
    /// of the first request for which there has to be room before it goes there.
    pub(in crate::telemetry::delivery) fn spill(&mut self, around: &mut Around<'_>) -> Option<u64> {
        if self.memory_bytes == 0 || !around.disk.is_open() {
            return None;
        }
        self.lose_larger_than(around.room.bound, around);
        let signal = self.signal;
        for (stamp, waiting) in &mut self.waiting {
            let Place::Memory { request, journaled } = &waiting.place else {
                continue;
            };
            if waiting.bytes > around.room.free {
                return (waiting.bytes <= around.room.bound).then_some(waiting.bytes);
            }
            let name = (signal, *stamp, Kind::Request);
            around
                .disk
                .make(name, |spool| spool.keep(signal, *stamp, request))?;
            if *journaled != Journaled::Not {
                around.disk.remove(signal, *stamp, Kind::Segment);
            }
            waiting.place = Place::Disk;
            around.room.free -= waiting.bytes;
            self.memory_bytes -= waiting.bytes;
            self.disk_bytes += waiting.bytes;
        }
        None
    }

    /// Drops what is larger than the whole spool may be, for which all others would make room in vain.
    fn lose_larger_than(&mut self, bound: u64, around: &mut Around<'_>) {
        let is_larger = |waiting: &Waiting| !waiting.is_on_disk() && waiting.bytes > bound;
        while let Some(stamp) = self.droppable(is_larger) {
            self.lose(stamp, DropReason::SpoolFull, around);
        }
    }

    /// Drops what has waited for longer than `max_age`.
    pub(in crate::telemetry::delivery) fn expire(&mut self, max_age: Duration, around: &mut Around<'_>) {
        while let Some(stamp) = self.droppable(|_| true)
            && stamp.since().is_older_than(max_age, &around.now)
        {
            self.lose(stamp, DropReason::Expired, around);
        }
    }

    /// The oldest request on disk that may be dropped.
    pub(in crate::telemetry::delivery) fn oldest_on_disk(&self) -> Option<Stamp> {
        self.droppable(Waiting::is_on_disk)
    }

    fn droppable(&self, is_meant: impl Fn(&Waiting) -> bool) -> Option<Stamp> {
        let mut waiting = self.waiting.iter();
        let found = waiting.find(|(stamp, waiting)| !self.sending.is_of(**stamp) && is_meant(waiting));
        found.map(|(stamp, _)| *stamp)
    }

    /// [`Queue::thin`] of what is on disk.
    pub(in crate::telemetry::delivery) fn thin_disk(&mut self, around: &mut Around<'_>) -> Thinned {
        self.thin(Waiting::is_on_disk, around)
    }

    /// Takes what checks have that wait with more than their share out of the oldest request that has any of it.
    fn thin(&mut self, is_meant: impl Fn(&Waiting) -> bool, around: &mut Around<'_>) -> Thinned {
        for look in 0..LOOKS {
            let shares = &*around.shares;
            let may_help = |waiting: &Waiting| {
                let share = waiting.share.as_ref();
                is_meant(waiting)
                    && waiting.unreadable_until.is_none()
                    && share.is_none_or(|share| shares.has_over(share))
            };
            let Some(stamp) = self.droppable(may_help) else {
                return match look {
                    0 => Thinned::Nothing,
                    _ => Thinned::Looked,
                };
            };
            // One that is not there or cannot be read is found out when its turn comes to be sent.
            let Some(Some(request)) = self.load(stamp, around) else {
                self.share_is(stamp, Share::default(), around);
                continue;
            };
            let rest = self.sending.rest(stamp).map(Bytes::from);
            if self.thin_request(stamp, &rest.unwrap_or(request), around) {
                return Thinned::Made;
            }
        }
        Thinned::Looked
    }

    /// Whether that made room.
    fn thin_request(&mut self, stamp: Stamp, request: &Bytes, around: &mut Around<'_>) -> bool {
        let Some(parts) = Parts::of(request) else {
            self.share_is(stamp, Share::default(), around);
            return false;
        };
        // Of what an earlier process left, it shows only now.
        self.share_is(stamp, Share::of(&parts.bytes(self.signal)), around);
        let shares = &*around.shares;
        let (left, gone) = parts.without(self.signal, |owner| shares.is_over(owner));
        if gone == 0 {
            return false;
        }
        match left {
            None => self.remove(stamp, around),
            Some(left) => {
                if !self.replace(stamp, left, around) {
                    return false;
                }
            }
        }
        self.tally.dropped_items += gone;
        self.count_thinned();
        true
    }

    fn count_thinned(&mut self) {
        let (signal, reason) = (self.signal, DropReason::OverShare);
        let notice = Notice::Losing { signal, reason };
        self.notices.tell_seldom(reason.word(), notice);
    }

    /// Puts what is left of a request in its place; false if the disk refuses.
    pub(super) fn replace(&mut self, stamp: Stamp, left: Vec<u8>, around: &mut Around<'_>) -> bool {
        let signal = self.signal;
        let bytes = length(&left);
        let share = Parts::of(&left).map(|parts| Share::of(&parts.bytes(signal)));
        let Some(waiting) = self.waiting.get_mut(&stamp) else {
            return false;
        };
        match &mut waiting.place {
            Place::Memory { request, .. } => {
                *request = Bytes::from(left);
                self.memory_bytes = self.memory_bytes - waiting.bytes + bytes;
            }
            Place::Disk => {
                if around
                    .disk
                    .attempt(|spool| spool.keep(signal, stamp, &left))
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
        around.shares.remove(waiting.bytes, &before);
        waiting.bytes = bytes;
        around
            .shares
            .add(bytes, waiting.share.as_ref().unwrap_or(&before));
        self.sending.forget(stamp);
        true
    }

    /// Notes who fills a request.
    fn share_is(&mut self, stamp: Stamp, share: Share, around: &mut Around<'_>) {
        if let Some(waiting) = self.waiting.get_mut(&stamp) {
            let before = waiting.share.take().unwrap_or_default();
            around.shares.remove(waiting.bytes, &before);
            around.shares.add(waiting.bytes, &share);
            waiting.share = Some(share);
        }
    }
}
