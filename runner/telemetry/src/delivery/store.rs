//! The queues of all signals and the disk they share.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::disk::Disk;
use super::envelope::Envelope;
use super::export_result::ExportResult;
use super::frame::Frame;
use super::notice::NoticeSender;
use super::queue::{DiskRoom, Next, Queue, QueueContext, Shed};
use super::report::{DeliveryReport, DropReason};
use super::request::Request;
use super::request_id::RequestId;
use super::share::Shares;
use crate::signal::Signal;
use canary_system::age::{Clock, Now};

/// Maximum number of scans of recovered requests at once, each of which reads them.
const MAX_SCANS: u32 = 4;

/// The queues of the exported signals.
#[derive(Debug)]
pub(super) struct Store {
    queues: BTreeMap<Signal, Queue>,
    disk: Disk,
    /// For queues that are not persistent.
    no_disk: Disk,
    envelope: Envelope,
    delay: Duration,
    shares: Shares,
    clock: Clock,
    now: Now,
}

impl Store {
    /// Creates a store of these queues and recovers the spool of an earlier process.
    pub(super) fn open(
        queues: impl Iterator<Item = Queue>,
        disk: Disk,
        envelope: Envelope,
        (delay, mut clock): (Duration, Clock),
        notices: &NoticeSender,
    ) -> Self {
        let mut store = Self {
            queues: queues.map(|queue| (queue.signal(), queue)).collect(),
            disk,
            no_disk: Disk::none(notices.clone()),
            envelope,
            delay,
            shares: Shares::default(),
            now: clock.read(),
            clock,
        };
        store.maintain();
        store
    }

    /// Whether a signal is exported.
    pub(super) fn exports(&self, signal: Signal) -> bool {
        self.queues.contains_key(&signal)
    }

    /// Sets the number of checks among which space is shared.
    pub(super) fn set_check_count(&mut self, checks: usize) {
        self.shares.set_check_count(checks);
    }

    /// Appends a frame; returns true if the signal's worker has to be woken. Ignored if the signal is not exported.
    pub(super) fn append(&mut self, signal: Signal, frame: &Frame) -> bool {
        let delay = self.delay;
        let Some((queue, mut context)) = self.queue(signal) else {
            return false;
        };
        let is_changed = queue.append(frame, delay, &mut context);
        if is_changed {
            self.maintain();
        }
        is_changed
    }

    /// Queues a complete request.
    pub(super) fn push(&mut self, signal: Signal, request: impl Into<Request>) {
        if let Some((queue, mut context)) = self.queue(signal) {
            queue.push(request, &mut context);
            self.maintain();
        }
    }

    /// Begins a series of requests, each of which waits for room.
    pub(super) fn begin_series(&mut self, signal: Signal) {
        if let Some((queue, _)) = self.queue(signal) {
            queue.begin_series();
        }
    }

    /// Whether the next request of the series may be pushed. Always true for a signal that is not exported.
    pub(super) fn has_room(&mut self, signal: Signal) -> bool {
        self.queue(signal)
            .is_none_or(|(queue, context)| queue.has_room(&context))
    }

    /// What a signal's worker has to do next.
    pub(super) fn next(&mut self, signal: Signal) -> Next {
        self.maintain();
        match self.queue(signal) {
            Some((queue, mut context)) => queue.next(&mut context),
            None => Next::Wait(None),
        }
    }

    /// Handles the result of sending what [`Store::next`] returned.
    pub(super) fn complete(&mut self, signal: Signal, id: RequestId, result: ExportResult) {
        if let Some((queue, mut context)) = self.queue(signal) {
            queue.complete(id, result, &mut context);
            self.maintain();
        }
    }

    /// Closes all open batches.
    pub(super) fn close_batches(&mut self) {
        self.for_each(Queue::close_batch);
    }

    /// Whether there is nothing more to send, or no reachable collector to send it to.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.values().all(Queue::is_idle)
    }

    /// Spools everything and counts the rest as lost.
    pub(super) fn shutdown(&mut self) {
        self.close_batches();
        self.enforce_limits(|_| true);
        self.for_each(|queue, _| queue.shutdown());
    }

    /// Closes the spool folder, whatever is still queued.
    pub(super) fn close(&mut self) {
        self.disk.close();
    }

    pub(super) fn report(&self) -> DeliveryReport {
        let report = |(signal, queue): (&Signal, &Queue)| (*signal, queue.report(&self.now));
        DeliveryReport {
            signals: self.queues.iter().map(report).collect(),
            spool_is_healthy: self.disk.is_healthy(),
            spool_failure: self.disk.failure_class(),
            disk_failures: self.disk.failures().clone(),
        }
    }

    fn queue(&mut self, signal: Signal) -> Option<(&mut Queue, QueueContext<'_>)> {
        self.now = self.clock.read();
        let room = self.room();
        let queue = self.queues.get_mut(&signal)?;
        let context = QueueContext {
            disk: if queue.is_persistent() {
                &mut self.disk
            } else {
                &mut self.no_disk
            },
            shares: &mut self.shares,
            envelope: &self.envelope,
            room,
            now: self.now,
        };
        Some((queue, context))
    }

    fn room(&self) -> DiskRoom {
        let capacity = self.disk.settings().map_or(0, |settings| settings.max_bytes);
        let free = capacity.saturating_sub(self.disk_usage());
        DiskRoom { capacity, free }
    }

    /// Disk usage in bytes: queued requests, and files that could not be removed.
    fn disk_usage(&self) -> u64 {
        let waiting: u64 = self.queues.values().map(Queue::disk_bytes).sum();
        waiting.saturating_add(self.disk.pending_removal_bytes())
    }

    /// Runs a function for each queue.
    fn for_each(&mut self, mut work: impl FnMut(&mut Queue, &mut QueueContext<'_>)) {
        for signal in self.queues.keys().copied().collect::<Vec<_>>() {
            if let Some((queue, mut context)) = self.queue(signal) {
                work(queue, &mut context);
            }
        }
    }

    /// Opens the spool if necessary, recovers its requests and enforces all limits.
    fn maintain(&mut self) {
        if let Some(bounds) = self.disk.settings() {
            let max_age = bounds.max_age;
            self.disk.open();
            self.disk.retry_removals();
            self.recover_spool();
            self.for_each(|queue, context| {
                if queue.is_persistent() {
                    queue.expire(max_age, context);
                }
            });
            // An earlier process may have had a larger limit.
            self.make_room(0);
        }
        self.enforce_limits(Queue::must_spill);
    }

    fn recover_spool(&mut self) {
        if self.disk.is_open() {
            self.with_disk_room(|queue, context| {
                if queue.is_persistent() {
                    queue.recover_spool(context)
                } else {
                    None
                }
            });
        }
    }

    /// Spools the selected queues and enforces the memory limit.
    fn enforce_limits(&mut self, is_selected: impl Fn(&Queue) -> bool) {
        self.with_disk_room(|queue, context| {
            if is_selected(queue) {
                queue.spill(context)
            } else {
                None
            }
        });
        self.for_each(Queue::enforce_memory_limit);
    }

    /// Runs a function for each queue. It returns the bytes of disk space it needs to continue, which are freed before
    /// it is called again.
    fn with_disk_room(&mut self, mut work: impl FnMut(&mut Queue, &mut QueueContext<'_>) -> Option<u64>) {
        for signal in self.queues.keys().copied().collect::<Vec<_>>() {
            while let Some((queue, mut context)) = self.queue(signal)
                && let Some(bytes) = work(queue, &mut context)
                && self.make_room(bytes)
            {}
        }
    }

    /// Frees disk space before something is written; false if that is impossible for now.
    fn make_room(&mut self, bytes: u64) -> bool {
        let mut scans = 0;
        while self.disk_usage().saturating_add(bytes) > self.room().capacity {
            match self.shed() {
                Shed::Freed => {}
                Shed::Scanned if scans < MAX_SCANS => scans += 1,
                // New requests stay in memory meanwhile, and the next call continues from here.
                Shed::Scanned => return false,
                // A dropped file would stay on disk.
                Shed::Nothing if self.disk.is_stuck() => return false,
                Shed::Nothing if self.drop_oldest() => {}
                Shed::Nothing => return false,
            }
        }
        true
    }

    /// Sheds data of checks that exceed their share from a request on disk, of the signal with the most bytes there
    /// first.
    fn shed(&mut self) -> Shed {
        let mut signals: Vec<Signal> = self.queues.keys().copied().collect();
        signals.sort_by_key(|signal| Reverse(self.queues.get(signal).map(Queue::disk_bytes)));
        let made = signals.into_iter().map(|signal| match self.queue(signal) {
            Some((queue, mut context)) if queue.is_persistent() => queue.shed_disk(&mut context),
            _ => Shed::Nothing,
        });
        let mut made = made.skip_while(|shed| *shed == Shed::Nothing);
        made.next().unwrap_or(Shed::Nothing)
    }

    /// Drops the oldest request on disk of any signal; false if there is none.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self
            .queues
            .values()
            .filter_map(|queue| Some((queue.oldest_on_disk()?, queue.signal())))
            .min_by_key(|(id, _)| *id);
        let Some((id, signal)) = oldest else {
            return false;
        };
        if let Some((queue, mut context)) = self.queue(signal) {
            queue.drop_request(id, DropReason::SpoolFull, &mut context);
        }
        true
    }
}
