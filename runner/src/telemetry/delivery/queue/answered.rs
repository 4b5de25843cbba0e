//! What an answer means for what was sent.

use super::send::Piece;
use super::{Around, Queue};
use crate::telemetry::delivery::answer::{Answer, Cause};
use crate::telemetry::delivery::notice::Notice;
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::stamp::Stamp;

impl Queue {
    /// Takes the answer to what [`super::Next::Send`] gave out.
    pub(in crate::telemetry::delivery) fn conclude(
        &mut self,
        stamp: Stamp,
        answer: Answer,
        around: &mut Around<'_>,
    ) {
        let Some(piece) = self.sending.piece.take_if(|piece| piece.stamp == stamp) else {
            return;
        };
        self.tally.export(answer.word());
        match answer {
            Answer::Accepted { rejected, message } => {
                self.note_rejected(rejected, message);
                self.accept(&piece, around);
            }
            Answer::TooLarge { message, .. } => match self.sending.shrink(&piece) {
                // It answers, and takes less at once.
                true => self.is_away = false,
                false => self.refuse(&piece, message, around),
            },
            Answer::Refused { message, .. } => self.refuse(&piece, message, around),
            Answer::Later { message, cause, .. } => {
                if matches!(cause, Cause::Wire(_)) {
                    self.sending.grow();
                }
                self.put_off(message, around);
            }
        }
    }

    fn accept(&mut self, piece: &Piece, around: &mut Around<'_>) {
        self.pass(piece, around);
        self.tally.succeed();
        self.is_away = false;
        if std::mem::take(&mut self.is_away_told) {
            let (signal, waiting) = (self.signal, self.waiting.len());
            self.notices.tell(Notice::Delivering { signal, waiting });
        }
    }

    /// Goes on behind what has its answer.
    fn pass(&mut self, piece: &Piece, around: &mut Around<'_>) {
        match piece.is_last {
            true => self.remove(piece.stamp, around),
            false => self.sending.advance(piece),
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

    fn refuse(&mut self, piece: &Piece, message: String, around: &mut Around<'_>) {
        let signal = self.signal;
        self.is_away = false;
        self.tally.fail();
        let buried = around
            .disk
            .attempt(|spool| spool.bury(signal, piece.stamp, piece.first, &piece.bytes));
        if buried.is_some() {
            self.tally.dead_letters += 1;
        }
        self.pass(piece, around);
        self.tally.lose(DropReason::Rejected);
        let notice = Notice::Refused { signal, message };
        self.notices.tell_seldom("refused", notice);
    }

    /// The request stays where it is, and goes to disk with everything behind it.
    fn put_off(&mut self, message: String, around: &mut Around<'_>) {
        let signal = self.signal;
        self.is_away = true;
        self.tally.fail();
        if !self.is_away_told {
            let notice = Notice::Unreachable { signal, message };
            self.is_away_told = self.notices.tell_seldom("unreachable", notice);
        }
        self.settle(around);
    }
}
