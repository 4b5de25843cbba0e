//! What an answer means for what was sent.

use tokio::time::Instant;

use super::send::Piece;
use super::{Around, Queue};
use crate::telemetry::delivery::answer::{Answer, Cause};
use crate::telemetry::delivery::notice::Notice;
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::split::{self, Item};
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
        let answer = self.without_empty_success(&piece, answer);
        self.tally.export(answer.word());
        match answer {
            Answer::Accepted { rejected, message } => {
                self.note_rejected(rejected, message);
                self.accept(&piece, around);
            }
            Answer::Rejected { message } => {
                let items = self.sending.items(&piece);
                self.note_refused(&items, message);
                self.drop_refused(&piece, &items, around);
            }
            Answer::TooLarge { message, .. } => match self.sending.shrink(&piece) {
                // It answers, and takes less at once.
                true => self.is_away = false,
                false => {
                    let items = self.sending.items(&piece);
                    self.note_refused(&items, message);
                    self.drop_refused(&piece, &items, around);
                }
            },
            Answer::Refused { message, .. } => self.refuse(&piece, message, around),
            Answer::Later { message, cause, .. } => {
                if matches!(cause, Cause::Wire(_)) {
                    self.sending.grow();
                }
                let held = self.sending.put_back(piece, Instant::now());
                match held.is_empty() {
                    true => self.put_off(message),
                    false => self.note_held(&held, message),
                }
            }
        }
    }

    /// A collector that takes a request, and rejects all that is in it, has taken nothing.
    fn without_empty_success(&mut self, piece: &Piece, answer: Answer) -> Answer {
        match answer {
            Answer::Accepted { rejected, message } if rejected > 0 => {
                let items = self.sending.items(piece);
                match !items.is_empty() && rejected >= count(&items) {
                    true => Answer::Rejected { message },
                    false => Answer::Accepted { rejected, message },
                }
            }
            answer => answer,
        }
    }

    fn accept(&mut self, piece: &Piece, around: &mut Around<'_>) {
        self.sending.accepted(piece, Instant::now());
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
        if self.sending.is_done(piece.stamp) {
            self.remove(piece.stamp, around);
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

    /// What a collector refuses may be the data of one check, for which the others must not lose theirs.
    fn refuse(&mut self, piece: &Piece, message: String, around: &mut Around<'_>) {
        self.is_away = false;
        let items = self.sending.items(piece);
        let refusal = self.sending.divide(&items, Instant::now());
        if refusal.is_news {
            let notice = self.refusal(&items, message);
            self.notices.tell(notice);
        } else if split::only_owner(&items).is_none() && !refusal.is_divided {
            self.note_refused(&items, message);
        }
        if !refusal.is_divided {
            self.drop_refused(piece, &items, around);
        }
    }

    fn note_refused(&mut self, items: &[Item], message: String) {
        let notice = self.refusal(items, message);
        self.notices.tell_seldom("refused", notice);
    }

    fn refusal(&self, items: &[Item], message: String) -> Notice {
        let signal = self.signal;
        let check = split::only_owner(items).and_then(|_| split::check_named(signal, items));
        Notice::Refused {
            signal,
            check,
            message,
        }
    }

    fn drop_refused(&mut self, piece: &Piece, items: &[Item], around: &mut Around<'_>) {
        let signal = self.signal;
        self.is_away = false;
        if !self.sending.was_accepted(piece.stamp) {
            self.tally.fail();
        }
        let part = items.first().map_or(0, |item| item.ordinal);
        let buried = around
            .disk
            .attempt(|spool| spool.bury(signal, piece.stamp, part, &piece.bytes));
        if buried.is_some() {
            self.tally.dead_letters += 1;
        }
        self.pass(piece, around);
        self.tally.lose(DropReason::Rejected);
        self.tally.rejected_items += count(items);
    }

    /// The collector may be down, or have no use for these: others are tried before them.
    fn note_held(&mut self, items: &[Item], message: String) {
        self.is_away = true;
        self.tally.fail();
        let notice = Notice::HeldBack {
            signal: self.signal,
            check: split::check_named(self.signal, items),
            message,
        };
        self.notices.tell_seldom("held_back", notice);
    }

    /// The request stays where it is, until it goes to disk with everything behind it.
    fn put_off(&mut self, message: String) {
        let signal = self.signal;
        self.is_away = true;
        self.tally.fail();
        if !self.is_away_told {
            let notice = Notice::Unreachable { signal, message };
            self.is_away_told = self.notices.tell_seldom("unreachable", notice);
        }
    }
}

/// Spans, records or data points.
fn count(items: &[Item]) -> u64 {
    items.iter().map(|item| item.count).sum()
}
