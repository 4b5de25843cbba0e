//! How the queue handles the result of an export attempt.

use tokio::time::Instant;

use super::send::Piece;
use super::{Queue, QueueContext};
use crate::delivery::export_result::{ExportFailure, ExportResult};
use crate::delivery::notice::Notice;
use crate::delivery::report::DropReason;
use crate::delivery::request_id::RequestId;
use crate::delivery::split::{self, Item};

impl Queue {
    /// Handles the result of sending what [`super::Next::Send`] returned.
    pub(in crate::delivery) fn complete(
        &mut self,
        id: RequestId,
        result: ExportResult,
        context: &mut QueueContext<'_>,
    ) {
        let Some(piece) = self.sending.piece.take_if(|piece| piece.id == id) else {
            return;
        };
        let result = self.reclassify_fully_rejected(&piece, result);
        self.counters.record_result(result.code());
        match result {
            ExportResult::Accepted { rejected, message } => {
                self.record_partly_rejected(rejected, message);
                self.accept(&piece, context);
            }
            ExportResult::Rejected { message } => {
                let items = self.sending.items(&piece);
                self.notify_refused(&items, message);
                self.drop_refused(&piece, &items, context);
            }
            ExportResult::TooLarge { message, .. } => {
                if self.sending.shrink(&piece) {
                    // The collector is reachable, but accepts less at once.
                    self.is_unreachable = false;
                } else {
                    let items = self.sending.items(&piece);
                    self.notify_refused(&items, message);
                    self.drop_refused(&piece, &items, context);
                }
            }
            ExportResult::Refused { message, .. } => self.handle_refusal(&piece, message, context),
            ExportResult::Retry { message, cause, .. } => {
                if matches!(cause, ExportFailure::HttpClient(_)) {
                    self.sending.reset_limit();
                }
                let deferred = self.sending.push_front(piece, Instant::now());
                if deferred.is_empty() {
                    self.record_unreachable(message);
                } else {
                    self.record_deferred(&deferred, message);
                }
            }
        }
    }

    /// A collector that accepts a request but discards all of its items has accepted nothing.
    fn reclassify_fully_rejected(&mut self, piece: &Piece, result: ExportResult) -> ExportResult {
        match result {
            ExportResult::Accepted { rejected, message } if rejected > 0 => {
                let items = self.sending.items(piece);
                if !items.is_empty() && rejected >= item_count(&items) {
                    ExportResult::Rejected { message }
                } else {
                    ExportResult::Accepted { rejected, message }
                }
            }
            result => result,
        }
    }

    fn accept(&mut self, piece: &Piece, context: &mut QueueContext<'_>) {
        self.sending.accepted(piece, Instant::now());
        self.remove_if_done(piece, context);
        self.counters.record_success();
        self.is_unreachable = false;
        let (signal, waiting) = (self.signal, self.waiting.len());
        self.notices.send_recovery(Notice::Recovered { signal, waiting });
    }

    /// Removes the request if nothing of it is left to send.
    fn remove_if_done(&mut self, piece: &Piece, context: &mut QueueContext<'_>) {
        if self.sending.is_done(piece.id) {
            self.remove(piece.id, context);
        }
    }

    fn record_partly_rejected(&mut self, items: u64, message: String) {
        if items == 0 {
            return;
        }
        self.counters.rejected_items += items;
        let notice = Notice::PartlyRejected {
            signal: self.signal,
            items,
            message,
        };
        self.notices.send_rate_limited("partly_rejected", notice);
    }

    /// A refused request may be caused by the data of one check, for which others must not lose theirs.
    fn handle_refusal(&mut self, piece: &Piece, message: String, context: &mut QueueContext<'_>) {
        self.is_unreachable = false;
        let items = self.sending.items(piece);
        let refusal = self.sending.split_refused(&items, Instant::now());
        if refusal.is_new_suspect {
            let notice = self.refusal_notice(&items, message);
            self.notices.send(notice);
        } else if split::only_owner(&items).is_none() && !refusal.is_split {
            self.notify_refused(&items, message);
        }
        if !refusal.is_split {
            self.drop_refused(piece, &items, context);
        }
    }

    fn notify_refused(&mut self, items: &[Item], message: String) {
        let notice = self.refusal_notice(items, message);
        self.notices.send_rate_limited("refused", notice);
    }

    fn refusal_notice(&self, items: &[Item], message: String) -> Notice {
        let signal = self.signal;
        let check = split::only_owner(items).and_then(|_| split::check_named(signal, items));
        Notice::Refused {
            signal,
            check,
            message,
        }
    }

    fn drop_refused(&mut self, piece: &Piece, items: &[Item], context: &mut QueueContext<'_>) {
        let signal = self.signal;
        self.is_unreachable = false;
        if !self.sending.was_partly_accepted(piece.id) {
            self.counters.record_failure();
        }
        let part = items.first().map_or(0, |item| item.ordinal);
        let written = context
            .disk
            .attempt(|spool| spool.write_dead_letter(signal, piece.id, part, &piece.bytes));
        if written.is_some() {
            self.counters.dead_letters += 1;
        }
        self.remove_if_done(piece, context);
        self.counters.record_drop(DropReason::Rejected);
        self.counters.rejected_items += item_count(items);
    }

    /// The collector may be down, or unable to process this data: data of others is tried first.
    fn record_deferred(&mut self, items: &[Item], message: String) {
        self.is_unreachable = true;
        self.counters.record_failure();
        let notice = Notice::Deferred {
            signal: self.signal,
            check: split::check_named(self.signal, items),
            message,
        };
        self.notices.send_rate_limited("held_back", notice);
    }

    /// The request stays in the queue and is spooled with everything after it.
    fn record_unreachable(&mut self, message: String) {
        let signal = self.signal;
        self.is_unreachable = true;
        self.counters.record_failure();
        self.notices.send_failure(Notice::Unreachable { signal, message });
    }
}

/// Counts spans, records or data points.
fn item_count(items: &[Item]) -> u64 {
    items.iter().map(|item| item.count).sum()
}
