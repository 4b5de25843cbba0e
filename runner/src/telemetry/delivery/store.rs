//! Everything that waits, of all signals, and the disk under it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::Answer;
use super::disk::Disk;
use super::envelope::Envelope;
use super::frame::Frame;
use super::notice::Notices;
use super::queue::{Around, Next, Queue, Room, Thinned};
use super::report::{DeliveryReport, DropReason};
use super::request::Request;
use super::share::Shares;
use super::stamp::Stamp;
use crate::age::{Clock, Now};
use crate::telemetry::settings::Signal;

/// How many times requests of an earlier process are looked through at once, which reads them.
const MAX_LOOKS: u32 = 4;

/// The queues of the signals that are exported.
#[derive(Debug)]
pub(super) struct Store {
    queues: BTreeMap<Signal, Queue>,
    disk: Disk,
    /// For queues that are not kept.
    nowhere: Disk,
    envelope: Envelope,
    delay: Duration,
    shares: Shares,
    clock: Clock,
    now: Now,
}

impl Store {
    /// A store of these queues that takes over what an earlier process left in the spool.
    pub(super) fn open(
        queues: impl Iterator<Item = Queue>,
        disk: Disk,
        envelope: Envelope,
        (delay, mut clock): (Duration, Clock),
        notices: &Notices,
    ) -> Self {
        let mut store = Self {
            queues: queues.map(|queue| (queue.signal(), queue)).collect(),
            disk,
            nowhere: Disk::none(notices.clone()),
            envelope,
            delay,
            shares: Shares::default(),
            now: clock.read(),
            clock,
        };
        store.tend();
        store
    }

    /// Whether a signal is exported.
    pub(super) fn exports(&self, signal: Signal) -> bool {
        self.queues.contains_key(&signal)
    }

    /// So many checks share the room that there is.
    pub(super) fn divide(&mut self, checks: usize) {
        self.shares.divide(checks);
    }

    /// Takes a frame; true when the signal's lane should look again. Of a signal that is not exported it is nothing.
    pub(super) fn append(&mut self, signal: Signal, frame: &Frame) -> bool {
        let delay = self.delay;
        let Some((queue, mut around)) = self.queue(signal) else {
            return false;
        };
        let is_news = queue.append(frame, delay, &mut around);
        if is_news {
            self.tend();
        }
        is_news
    }

    /// Takes a whole request.
    pub(super) fn push(&mut self, signal: Signal, request: impl Into<Request>) {
        if let Some((queue, mut around)) = self.queue(signal) {
            queue.push(request, &mut around);
            self.tend();
        }
    }

    /// Begins a series of requests, for each of which there is to be room.
    pub(super) fn begin_series(&mut self, signal: Signal) {
        if let Some((queue, _)) = self.queue(signal) {
            queue.begin_series();
        }
    }

    /// Whether the next request of the series may come. Of a signal that is not exported, there is room for all.
    pub(super) fn has_room(&mut self, signal: Signal) -> bool {
        self.queue(signal)
            .is_none_or(|(queue, around)| queue.has_room(&around))
    }

    /// What a signal's lane is to do now.
    pub(super) fn next(&mut self, signal: Signal) -> Next {
        self.tend();
        match self.queue(signal) {
            Some((queue, mut around)) => queue.next(&mut around),
            None => Next::Wait(None),
        }
    }

    /// Takes the answer to what [`Store::next`] gave out.
    pub(super) fn conclude(&mut self, signal: Signal, stamp: Stamp, answer: Answer) {
        if let Some((queue, mut around)) = self.queue(signal) {
            queue.conclude(stamp, answer, &mut around);
            self.tend();
        }
    }

    /// Makes requests of what is in batches.
    pub(super) fn close_batches(&mut self) {
        self.each(Queue::close_batch);
    }

    /// Whether there is nothing more to send, or nobody to send it to.
    pub(super) fn is_settled(&self) -> bool {
        self.queues.values().all(Queue::is_settled)
    }

    /// Moves everything to disk, and lets go of it.
    pub(super) fn end(&mut self) {
        self.close_batches();
        self.settle(|_| true);
        self.each(|queue, _| queue.end());
    }

    /// Lets go of the spool's folder, whatever still waits.
    pub(super) fn close(&mut self) {
        self.disk.close();
    }

    pub(super) fn report(&self) -> DeliveryReport {
        let report = |(signal, queue): (&Signal, &Queue)| (*signal, queue.report(&self.now));
        DeliveryReport {
            signals: self.queues.iter().map(report).collect(),
            spool_is_well: self.disk.is_well(),
            spool_trouble: self.disk.trouble(),
            disk_failures: self.disk.failures().clone(),
        }
    }

    fn queue(&mut self, signal: Signal) -> Option<(&mut Queue, Around<'_>)> {
        self.now = self.clock.read();
        let room = self.room();
        let queue = self.queues.get_mut(&signal)?;
        let around = Around {
            disk: match queue.is_kept() {
                true => &mut self.disk,
                false => &mut self.nowhere,
            },
            shares: &mut self.shares,
            envelope: &self.envelope,
            room,
            now: self.now,
        };
        Some((queue, around))
    }

    fn room(&self) -> Room {
        let bound = self.disk.settings().map_or(0, |settings| settings.max_bytes);
        let free = bound.saturating_sub(self.taken());
        Room { bound, free }
    }

    /// Bytes on disk: of what waits, and of what should not be there any more.
    fn taken(&self) -> u64 {
        let waiting: u64 = self.queues.values().map(Queue::disk_bytes).sum();
        waiting.saturating_add(self.disk.unremoved_bytes())
    }

    /// Does something with each queue.
    fn each(&mut self, mut work: impl FnMut(&mut Queue, &mut Around<'_>)) {
        for signal in self.queues.keys().copied().collect::<Vec<_>>() {
            if let Some((queue, mut around)) = self.queue(signal) {
                work(queue, &mut around);
            }
        }
    }

    /// Opens the spool if it is not open yet, takes over what is there, and keeps all bounds.
    fn tend(&mut self) {
        if let Some(bounds) = self.disk.settings() {
            let max_age = bounds.max_age;
            self.disk.open();
            self.disk.remove_leftovers();
            self.take_over();
            self.each(|queue, around| {
                if queue.is_kept() {
                    queue.expire(max_age, around);
                }
            });
            // An earlier process may have been allowed more.
            self.make_room(0);
        }
        self.settle(Queue::has_to_spill);
    }

    fn take_over(&mut self) {
        if self.disk.is_open() {
            self.with_room(|queue, around| match queue.is_kept() {
                true => queue.take_over(around),
                false => None,
            });
        }
    }

    /// Moves to disk what of these queues is in memory, and keeps the rest within its bound.
    fn settle(&mut self, goes: impl Fn(&Queue) -> bool) {
        self.with_room(|queue, around| match goes(queue) {
            true => queue.spill(around),
            false => None,
        });
        self.each(Queue::bound_memory);
    }

    /// Does something with each queue that says for how many bytes there has to be room on disk before it goes on, and
    /// makes that.
    fn with_room(&mut self, mut work: impl FnMut(&mut Queue, &mut Around<'_>) -> Option<u64>) {
        for signal in self.queues.keys().copied().collect::<Vec<_>>() {
            while let Some((queue, mut around)) = self.queue(signal)
                && let Some(bytes) = work(queue, &mut around)
                && self.make_room(bytes)
            {}
        }
    }

    /// Makes room on disk before anything is written there; false if there is none for now.
    fn make_room(&mut self, bytes: u64) -> bool {
        let mut looks = 0;
        while self.taken().saturating_add(bytes) > self.room().bound {
            match self.thin() {
                Thinned::Made => {}
                Thinned::Looked if looks < MAX_LOOKS => looks += 1,
                // What is new waits in memory meanwhile, and the next time goes on from here.
                Thinned::Looked => return false,
                // What would be dropped would stay there.
                Thinned::Nothing if self.disk.is_clogged() => return false,
                Thinned::Nothing if self.drop_oldest() => {}
                Thinned::Nothing => return false,
            }
        }
        true
    }

    /// Takes what checks have on disk beyond their share out of a request, of the signal that has most there first.
    fn thin(&mut self) -> Thinned {
        let mut signals: Vec<Signal> = self.queues.keys().copied().collect();
        signals.sort_by_key(|signal| Reverse(self.queues.get(signal).map(Queue::disk_bytes)));
        let made = signals.into_iter().map(|signal| match self.queue(signal) {
            Some((queue, mut around)) if queue.is_kept() => queue.thin_disk(&mut around),
            _ => Thinned::Nothing,
        });
        let mut made = made.skip_while(|thinned| *thinned == Thinned::Nothing);
        made.next().unwrap_or(Thinned::Nothing)
    }

    /// Drops the oldest request on disk, of whatever signal; false when there is none that may go.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self
            .queues
            .values()
            .filter_map(|queue| Some((queue.oldest_on_disk()?, queue.signal())))
            .min_by_key(|(stamp, _)| *stamp);
        let Some((stamp, signal)) = oldest else {
            return false;
        };
        if let Some((queue, mut around)) = self.queue(signal) {
            queue.lose(stamp, DropReason::SpoolFull, &mut around);
        }
        true
    }
}
