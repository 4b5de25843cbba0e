//! What an earlier process left in the spool.

use tokio::time::Instant;

use super::{Around, Place, Queue};
use crate::telemetry::delivery::batch::{Journaled, MAX_BYTES};
use crate::telemetry::delivery::disk::PATIENCE;
use crate::telemetry::delivery::journal::Recovery;
use crate::telemetry::delivery::parts::Parts;
use crate::telemetry::delivery::share::Share;
use crate::telemetry::delivery::spool::{Kind, Leftover, Spool};
use crate::telemetry::delivery::stamp::Stamp;

/// What is still to be taken over.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Whether the folder was looked through.
    is_listed: bool,
    /// Journals that were not read yet, and their bytes.
    segments: Vec<(Stamp, u64)>,
    /// When to try again what the disk refused.
    not_before: Option<Instant>,
}

impl Queue {
    /// Takes over what is left of an earlier process, which goes before everything new. What the disk refuses stays where
    /// it is, and is tried again after a while. Returns the bytes for which there has to be room before it goes on.
    pub(in crate::telemetry::delivery) fn take_over(&mut self, around: &mut Around<'_>) -> Option<u64> {
        let now = Instant::now();
        let is_done = self.leftovers.is_listed && self.leftovers.segments.is_empty();
        if is_done || self.leftovers.not_before.is_some_and(|until| now < until) {
            return None;
        }
        if !self.leftovers.is_listed && self.list(around) {
            self.leftovers.is_listed = true;
        }
        if !self.leftovers.is_listed {
            self.leftovers.not_before = Some(now + PATIENCE);
            return None;
        }
        let mut segments = std::mem::take(&mut self.leftovers.segments).into_iter();
        let mut wanted = None;
        for (stamp, bytes) in segments.by_ref() {
            let wants = bytes.min(around.room.bound);
            if wants > around.room.free {
                wanted = Some(wants);
                self.leftovers.segments.push((stamp, bytes));
                break;
            }
            if !self.recover(stamp, around) {
                self.leftovers.segments.push((stamp, bytes));
                self.leftovers.not_before = Some(now + PATIENCE);
            }
        }
        self.leftovers.segments.extend(segments);
        wanted
    }

    /// Whether the folder could be looked through.
    fn list(&mut self, around: &mut Around<'_>) -> bool {
        let signal = self.signal;
        let Some(leftovers) = around.disk.attempt(|spool| spool.leftovers(signal)) else {
            return false;
        };
        for (stamp, leftover) in leftovers {
            if around.disk.is_unremoved(signal, stamp) {
                continue;
            }
            let is_known = self.waiting.contains_key(&stamp) || self.is_open(stamp);
            match leftover {
                Leftover::Request(_) if is_known => {}
                Leftover::Request(bytes) => self.insert_on_disk(stamp, bytes, around),
                Leftover::Segment(_) if self.is_ours(stamp) => {}
                // The kill came between writing the request and removing its journal.
                Leftover::Segment(_) if is_known => self.remove_segment(stamp, around.disk),
                Leftover::Segment(bytes) => self.leftovers.segments.push((stamp, bytes)),
            }
            self.last = self.last.max(Some(stamp));
        }
        true
    }

    fn is_open(&self, stamp: Stamp) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.stamp == stamp)
    }

    /// Whether a segment is of this process: the folder could be read only after it was made.
    fn is_ours(&self, stamp: Stamp) -> bool {
        let in_memory = self.waiting.get(&stamp);
        self.is_open(stamp) || in_memory.is_some_and(|waiting| !waiting.is_on_disk())
    }

    /// Makes requests of a journal; true when it is done with.
    fn recover(&mut self, stamp: Stamp, around: &mut Around<'_>) -> bool {
        let signal = self.signal;
        let open = |spool: &mut Spool| Recovery::open(&spool.segment(signal, stamp));
        let Some(mut recovery) = around.disk.attempt(open) else {
            return false;
        };
        let mut recovered = Vec::new();
        loop {
            match around.disk.attempt(|_| recovery.request(MAX_BYTES)) {
                Some(Some(request)) => recovered.push(self.recovered(stamp, request, &recovered, around)),
                Some(None) => break,
                None => {
                    // It is read again from its begin.
                    for stamp in recovered {
                        self.remove(stamp, around);
                    }
                    return false;
                }
            }
        }
        let is_aside = recovery.has_rest()
            && around
                .disk
                .attempt(|spool| spool.set_segment_aside(signal, stamp))
                .is_some();
        if !is_aside {
            // What it had is sent: once is enough, whatever the disk says.
            around.disk.remove(signal, stamp, Kind::Segment);
        }
        true
    }

    /// Takes in one request of a journal. The first has its stamp; they are written one at a time, since all of them in
    /// memory could be more than memory is for.
    fn recovered(
        &mut self,
        stamp: Stamp,
        request: Vec<u8>,
        before: &[Stamp],
        around: &mut Around<'_>,
    ) -> Stamp {
        let stamp = match before {
            [] => stamp,
            _ => stamp.again(self.last),
        };
        self.last = self.last.max(Some(stamp));
        let share = Parts::of(&request).map(|parts| Share::of(&parts.bytes(self.signal)));
        let place = Place::memory(request, Journaled::Not);
        self.insert(stamp, place, share, around.shares);
        // There is room, but for a few bytes of an envelope perhaps: then it goes to disk a moment later.
        let _no_room = self.spill(around);
        self.bound_memory(around);
        stamp
    }
}
