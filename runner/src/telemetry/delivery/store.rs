//! Everything that waits, of all signals, and the disk under it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::Answer;
use super::disk::Disk;
use super::envelope::Envelope;
use super::notice::Notices;
use super::queue::{Next, Queue};
use super::report::{DeliveryReport, DropReason};
use super::stamp::Stamp;
use crate::telemetry::settings::Signal;
use crate::telemetry::settings::SpoolSettings;

/// The queues of the signals that are exported.
#[derive(Debug)]
pub(super) struct Store {
    queues: BTreeMap<Signal, Queue>,
    disk: Disk,
    /// For queues that are not kept.
    nowhere: Disk,
    envelope: Envelope,
    delay: Duration,
}

impl Store {
    /// A store of these queues that takes over what an earlier process left in the spool.
    pub(super) fn open(
        queues: impl Iterator<Item = Queue>,
        spool: Option<SpoolSettings>,
        envelope: Envelope,
        delay: Duration,
        notices: &Notices,
    ) -> Self {
        let mut store = Self {
            queues: queues.map(|queue| (queue.signal(), queue)).collect(),
            disk: Disk::new(spool, notices.clone()),
            nowhere: Disk::none(notices.clone()),
            envelope,
            delay,
        };
        store.tend();
        store
    }

    /// Takes a frame; true when the signal's lane should look again. Of a signal that is not exported it is nothing.
    pub(super) fn append(&mut self, signal: Signal, frame: &[u8]) -> bool {
        let delay = self.delay;
        let Some((queue, disk, envelope)) = self.queue(signal) else {
            return false;
        };
        let is_news = queue.append(frame, delay, envelope, disk);
        if is_news {
            queue.settle(disk);
            self.tend();
        }
        is_news
    }

    /// Takes a whole request.
    pub(super) fn push(&mut self, signal: Signal, request: Vec<u8>) {
        if let Some((queue, disk, _)) = self.queue(signal) {
            queue.push(request);
            queue.settle(disk);
            self.tend();
        }
    }

    /// What a signal's lane is to do now.
    pub(super) fn next(&mut self, signal: Signal) -> Next {
        self.tend();
        match self.queue(signal) {
            Some((queue, disk, envelope)) => queue.next(envelope, disk),
            None => Next::Wait(None),
        }
    }

    /// Takes the answer to what [`Store::next`] gave out.
    pub(super) fn conclude(&mut self, signal: Signal, stamp: Stamp, answer: Answer) {
        if let Some((queue, disk, _)) = self.queue(signal) {
            queue.conclude(stamp, answer, disk);
            self.tend();
        }
    }

    /// Makes requests of what is in batches.
    pub(super) fn close_batches(&mut self) {
        for queue in self.queues.values_mut() {
            queue.close_batch(&self.envelope);
        }
    }

    /// Whether there is nothing more to send, or nobody to send it to.
    pub(super) fn is_settled(&self) -> bool {
        self.queues.values().all(Queue::is_settled)
    }

    /// Moves everything to disk, and lets go of it.
    pub(super) fn end(&mut self) {
        self.close_batches();
        for signal in self.queues.keys().copied().collect::<Vec<_>>() {
            if let Some((queue, disk, _)) = self.queue(signal) {
                queue.end(disk);
            }
        }
    }

    /// Lets go of the spool's folder, whatever still waits.
    pub(super) fn close(&mut self) {
        self.disk.close();
    }

    pub(super) fn report(&self) -> DeliveryReport {
        let report = |(signal, queue): (&Signal, &Queue)| (*signal, queue.report());
        DeliveryReport {
            signals: self.queues.iter().map(report).collect(),
            spool_is_well: self.disk.is_well(),
            disk_failures: self.disk.failures(),
        }
    }

    fn queue(&mut self, signal: Signal) -> Option<(&mut Queue, &mut Disk, &Envelope)> {
        let queue = self.queues.get_mut(&signal)?;
        let disk = match queue.is_kept() {
            true => &mut self.disk,
            false => &mut self.nowhere,
        };
        Some((queue, disk, &self.envelope))
    }

    /// Opens the spool if it is not open yet, and keeps its bounds.
    fn tend(&mut self) {
        if self.disk.open() {
            for queue in self.queues.values_mut().filter(|queue| queue.is_kept()) {
                queue.take_over(&mut self.disk);
            }
        }
        let Some(bounds) = self.disk.settings() else {
            return;
        };
        let (max_age, max_bytes) = (bounds.max_age, bounds.max_bytes);
        for queue in self.queues.values_mut().filter(|queue| queue.is_kept()) {
            queue.expire(max_age, &mut self.disk);
        }
        while self.queues.values().map(Queue::disk_bytes).sum::<u64>() > max_bytes {
            if !self.drop_oldest() {
                return;
            }
        }
    }

    /// Drops the oldest request on disk, of whatever signal; false when there is none that may go.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self
            .queues
            .values_mut()
            .filter_map(|queue| Some((queue.oldest_on_disk()?, queue)))
            .min_by_key(|(stamp, _)| *stamp);
        let Some((stamp, queue)) = oldest else {
            return false;
        };
        queue.lose(stamp, DropReason::SpoolFull, &mut self.disk);
        true
    }
}
