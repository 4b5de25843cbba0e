//! The requests of one signal that wait, in their order, and the batch that is the next of them.
//!
//! One map holds them all, by stamp, wherever each of them is: in memory while all goes well, on disk as soon as
//! something has to wait. A request that is on its way stays in the map until its answer is there, so that nothing
//! has to be put back, and a kill in between loses nothing.

mod answered;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use tokio::time::Instant;

use super::batch::{Batch, Journaled};
use super::disk::Disk;
use super::envelope::Envelope;
use super::journal;
use super::notice::{Notice, Notices};
use super::report::{DropReason, SignalReport, Tally};
use super::spool::Leftover;
use super::stamp::Stamp;
use crate::telemetry::settings::Signal;

/// Bytes of requests that wait in memory for a collector that answers; above it they go to the spool.
const MAX_PENDING: u64 = 4 << 20;
/// Bytes of requests that wait in memory when they cannot go to the spool; the oldest go first.
pub(super) const MAX_MEMORY: u64 = 16 << 20;
/// How long to wait for a file that cannot be read just now.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// One signal's queue.
#[derive(Debug)]
pub(super) struct Queue {
    signal: Signal,
    /// Whether it may wait on disk: what a console missed is worth nothing later.
    is_kept: bool,
    batch: Option<Batch>,
    waiting: BTreeMap<Stamp, Waiting>,
    /// The request that is on its way; no bound drops it.
    sending: Option<Stamp>,
    last: Option<Stamp>,
    memory_bytes: u64,
    disk_bytes: u64,
    /// The last attempt found no collector that takes requests: what comes now waits on disk.
    is_away: bool,
    is_away_told: bool,
    tally: Tally,
    notices: Notices,
}

#[derive(Debug)]
struct Waiting {
    bytes: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory { request: Bytes, journaled: Journaled },
    Disk,
}

/// What a lane is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this, and tell its answer.
    Send(Stamp, Bytes),
    /// Ask again then, or when woken.
    Wait(Option<Instant>),
}

impl Queue {
    pub(super) fn new(signal: Signal, is_kept: bool, notices: Notices) -> Self {
        Self {
            signal,
            is_kept,
            batch: None,
            waiting: BTreeMap::new(),
            sending: None,
            last: None,
            memory_bytes: 0,
            disk_bytes: 0,
            is_away: false,
            is_away_told: false,
            tally: Tally::default(),
            notices,
        }
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Takes a frame into the open batch; true when that changed what the lane waits for.
    pub(super) fn append(
        &mut self,
        frame: &[u8],
        delay: Duration,
        envelope: &Envelope,
        disk: &mut Disk,
    ) -> bool {
        let open = self.batch.take();
        let is_new = open.is_none();
        let mut batch = match open {
            Some(batch) => batch,
            None => Batch::open(self.signal, self.stamp(), delay, envelope, disk),
        };
        let is_full = batch.append(frame, disk);
        self.batch = Some(batch);
        if is_full {
            self.close_batch(envelope);
        }
        is_new || is_full
    }

    /// Takes a whole request.
    pub(super) fn push(&mut self, request: Vec<u8>) {
        let stamp = self.stamp();
        self.insert_in_memory(stamp, request, Journaled::Not);
    }

    /// Makes a request of the open batch.
    pub(super) fn close_batch(&mut self, envelope: &Envelope) {
        if let Some(closed) = self.batch.take().map(|batch| batch.close(envelope)) {
            self.insert_in_memory(closed.stamp, closed.request, closed.journaled);
        }
    }

    /// What an earlier process left goes before everything new.
    pub(super) fn take_over(&mut self, disk: &mut Disk) {
        let signal = self.signal;
        let leftovers = disk.attempt(|spool| spool.leftovers(signal)).unwrap_or_default();
        for (stamp, leftover) in leftovers {
            let is_known = self.waiting.contains_key(&stamp);
            match leftover {
                Leftover::Request(_) if is_known => {}
                Leftover::Request(bytes) => self.insert(stamp, bytes, Place::Disk),
                // The kill came between writing the request and removing its journal.
                Leftover::Segment if is_known => self.remove_segment(stamp, disk),
                Leftover::Segment => self.recover(stamp, disk),
            }
            self.last = self.last.max(Some(stamp));
        }
        self.spill(disk);
    }

    fn recover(&mut self, stamp: Stamp, disk: &mut Disk) {
        let signal = self.signal;
        match disk.attempt(|spool| journal::recover(&spool.segment(signal, stamp))) {
            Some(Some(request)) => self.insert_in_memory(stamp, request, Journaled::Whole),
            Some(None) => self.remove_segment(stamp, disk),
            // It stays for the next start.
            None => {}
        }
        // One at a time: all of them in memory could be more than memory is for.
        self.spill(disk);
    }

    /// The oldest request, or how long there will be none.
    pub(super) fn next(&mut self, envelope: &Envelope, disk: &mut Disk) -> Next {
        let now = Instant::now();
        loop {
            if let Some(stamp) = self.oldest() {
                match self.load(stamp, disk) {
                    Some(Some(request)) => {
                        self.sending = Some(stamp);
                        return Next::Send(stamp, request);
                    }
                    Some(None) => self.lose(stamp, DropReason::DiskError, disk),
                    None => return Next::Wait(Some(now + READ_AGAIN)),
                }
                continue;
            }
            match &self.batch {
                Some(batch) if batch.close_at <= now => self.close_batch(envelope),
                batch => return Next::Wait(batch.as_ref().map(|batch| batch.close_at)),
            }
        }
    }

    fn oldest(&self) -> Option<Stamp> {
        self.waiting.first_key_value().map(|(stamp, _)| *stamp)
    }

    /// The request itself; the inner none when it is lost, the outer when it cannot be read now.
    fn load(&self, stamp: Stamp, disk: &mut Disk) -> Option<Option<Bytes>> {
        match &self.waiting.get(&stamp)?.place {
            Place::Memory { request, .. } => Some(Some(request.clone())),
            Place::Disk => {
                let read = disk.attempt(|spool| spool.read(self.signal, stamp))?;
                Some(read.map(Bytes::from))
            }
        }
    }

    /// Moves to disk what has to wait, and drops the oldest of what does not find room in memory.
    pub(super) fn settle(&mut self, disk: &mut Disk) {
        if self.is_away || self.disk_bytes > 0 || self.memory_bytes > MAX_PENDING {
            self.spill(disk);
        }
        while self.memory_bytes > MAX_MEMORY
            && let Some(stamp) = self.droppable(|waiting| matches!(waiting.place, Place::Memory { .. }))
        {
            self.lose(stamp, DropReason::MemoryFull, disk);
        }
    }

    /// Moves to disk whatever is in memory, oldest first, as far as the disk takes it.
    pub(super) fn spill(&mut self, disk: &mut Disk) {
        let signal = self.signal;
        for (stamp, waiting) in &mut self.waiting {
            let Place::Memory { request, journaled } = &waiting.place else {
                continue;
            };
            if disk
                .attempt(|spool| spool.keep(signal, *stamp, request))
                .is_none()
            {
                return;
            }
            if *journaled != Journaled::Not {
                disk.attempt(|spool| spool.remove_segment(signal, *stamp));
            }
            waiting.place = Place::Disk;
            self.memory_bytes -= waiting.bytes;
            self.disk_bytes += waiting.bytes;
        }
    }

    /// Drops what has waited for longer than `max_age`.
    pub(super) fn expire(&mut self, max_age: Duration, disk: &mut Disk) {
        let now = SystemTime::now();
        while let Some(stamp) = self.droppable(|_| true)
            && stamp.age(now) > max_age
        {
            self.lose(stamp, DropReason::Expired, disk);
        }
    }

    /// The oldest request on disk that may be dropped.
    pub(super) fn oldest_on_disk(&self) -> Option<Stamp> {
        self.droppable(|waiting| matches!(waiting.place, Place::Disk))
    }

    fn droppable(&self, is_meant: impl Fn(&Waiting) -> bool) -> Option<Stamp> {
        let may_go =
            |(stamp, waiting): &(&Stamp, &Waiting)| self.sending != Some(**stamp) && is_meant(waiting);
        self.waiting.iter().find(may_go).map(|(stamp, _)| *stamp)
    }

    /// Bytes that wait on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Drops a request for good, and counts it.
    pub(super) fn lose(&mut self, stamp: Stamp, reason: DropReason, disk: &mut Disk) {
        self.remove(stamp, disk);
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
        self.sending.is_none() && (self.waiting.is_empty() || self.is_away)
    }

    /// Moves everything to disk, since the process ends; what cannot go there is lost.
    pub(super) fn end(&mut self, disk: &mut Disk) {
        self.spill(disk);
        let is_kept = |waiting: &&Waiting| match waiting.place {
            Place::Memory { journaled, .. } => journaled == Journaled::Whole,
            Place::Disk => true,
        };
        let kept = self.waiting.values().filter(is_kept).count();
        for _ in kept..self.waiting.len() {
            self.count_loss(DropReason::Shutdown);
        }
    }

    pub(super) fn report(&self) -> SignalReport {
        let begun = self.batch.as_ref().map(|batch| batch.stamp);
        let oldest = self.oldest().or(begun);
        SignalReport {
            exports: self.tally.exports.clone(),
            dropped: self.tally.dropped.clone(),
            dead_letters: self.tally.dead_letters,
            rejected_items: self.tally.rejected_items,
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            spool_bytes: self.disk_bytes,
            memory_bytes: self.memory_bytes,
            oldest_age: oldest.map(|stamp| stamp.age(SystemTime::now())),
            last_success: self.tally.last_success,
            failing_for: self.tally.failing_since.map(|since| since.elapsed()),
        }
    }

    fn stamp(&mut self) -> Stamp {
        let stamp = Stamp::after(self.last, SystemTime::now());
        self.last = Some(stamp);
        stamp
    }

    fn insert_in_memory(&mut self, stamp: Stamp, request: Vec<u8>, journaled: Journaled) {
        let bytes = u64::try_from(request.len()).unwrap_or(u64::MAX);
        let request = Bytes::from(request);
        self.insert(stamp, bytes, Place::Memory { request, journaled });
    }

    fn insert(&mut self, stamp: Stamp, bytes: u64, place: Place) {
        match place {
            Place::Memory { .. } => self.memory_bytes += bytes,
            Place::Disk => self.disk_bytes += bytes,
        }
        self.waiting.insert(stamp, Waiting { bytes, place });
    }

    /// Takes a request out of the queue, and its file or its journal from the disk.
    fn remove(&mut self, stamp: Stamp, disk: &mut Disk) {
        let signal = self.signal;
        let Some(Waiting { bytes, place }) = self.waiting.remove(&stamp) else {
            return;
        };
        match place {
            Place::Memory { journaled, .. } => {
                self.memory_bytes -= bytes;
                if journaled != Journaled::Not {
                    self.remove_segment(stamp, disk);
                }
            }
            Place::Disk => {
                self.disk_bytes -= bytes;
                disk.attempt(|spool| spool.remove_request(signal, stamp));
            }
        }
    }

    fn remove_segment(&self, stamp: Stamp, disk: &mut Disk) {
        disk.attempt(|spool| spool.remove_segment(self.signal, stamp));
    }
}
