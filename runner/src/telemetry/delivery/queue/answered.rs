//! What an answer means for the request that was sent.

use super::{Place, Queue};
use crate::telemetry::delivery::answer::Answer;
use crate::telemetry::delivery::disk::Disk;
use crate::telemetry::delivery::notice::Notice;
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::stamp::Stamp;

impl Queue {
    /// Takes the answer to the request that [`super::Next::Send`] gave out.
    pub(in crate::telemetry::delivery) fn conclude(&mut self, stamp: Stamp, answer: Answer, disk: &mut Disk) {
        self.sending = None;
        self.tally.export(answer.word());
        match answer {
            Answer::Accepted { rejected, message } => {
                self.note_rejected(rejected, message);
                self.accept(stamp, disk);
            }
            Answer::Refused { message, .. } => self.refuse(stamp, message, disk),
            Answer::Later { message, .. } => self.put_off(message, disk),
        }
    }

    fn accept(&mut self, stamp: Stamp, disk: &mut Disk) {
        self.remove(stamp, disk);
        self.tally.succeed();
        self.is_away = false;
        if std::mem::take(&mut self.is_away_told) {
            let (signal, waiting) = (self.signal, self.waiting.len());
            self.notices.tell(Notice::Delivering { signal, waiting });
        }
    }

    fn note_rejected(&mut self, items: u64, message: String) {
        if items == 0 {
            return;
        }
        self.tally.rejected_items += items;
        let notice = Notice::PartlyRejected {
            signal: self.signal,
            items,
            message,
        };
        self.notices.tell_seldom("partly_rejected", notice);
    }

    fn refuse(&mut self, stamp: Stamp, message: String, disk: &mut Disk) {
        let signal = self.signal;
        self.is_away = false;
        self.tally.fail();
        let in_memory = match self.waiting.get(&stamp).map(|waiting| &waiting.place) {
            Some(Place::Memory { request, .. }) => Some(request.clone()),
            _ => None,
        };
        let buried = disk.attempt(|spool| spool.bury(signal, stamp, in_memory.as_deref()));
        if buried.is_some() {
            self.tally.dead_letters += 1;
        }
        self.remove(stamp, disk);
        self.tally.lose(DropReason::Rejected);
        let notice = Notice::Refused { signal, message };
        self.notices.tell_seldom("refused", notice);
    }

    /// The request stays where it is, and goes to disk with everything behind it.
    fn put_off(&mut self, message: String, disk: &mut Disk) {
        let signal = self.signal;
        self.is_away = true;
        self.tally.fail();
        if !self.is_away_told {
            let notice = Notice::Unreachable { signal, message };
            self.is_away_told = self.notices.tell_seldom("unreachable", notice);
        }
        self.settle(disk);
    }
}
