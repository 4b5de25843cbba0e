//! What goes out next: a request, or as much of one as its collector takes at once.

use hyper::body::Bytes;
use tokio::time::Instant;

use super::{Around, Place, Queue, READ_AGAIN};
use crate::telemetry::delivery::parts::Parts;
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::stamp::Stamp;

/// Bytes of a request that goes out, unless one item has more; also until a collector says that it takes less.
const MAX_REQUEST: usize = 1 << 20;

/// What a lane is to do.
#[derive(Debug)]
pub(in crate::telemetry::delivery) enum Next {
    /// Send this, and tell its answer.
    Send(Stamp, Bytes),
    /// Ask again then, or when woken.
    Wait(Option<Instant>),
}

/// How far the sending of a request is.
#[derive(Debug)]
pub(super) struct Sending {
    /// What is on its way; no bound drops its request.
    pub(super) piece: Option<Piece>,
    /// The request of which a part has its answer, and how many items that is. A kill forgets this, and sends them
    /// again.
    done: Option<(Stamp, usize)>,
    /// Bytes that the collector takes at once, as far as is known.
    limit: usize,
}

/// A request on its way, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) stamp: Stamp,
    pub(super) bytes: Bytes,
    /// The item that it begins with.
    pub(super) first: usize,
    /// Items of it; unknown of a whole request, which may be none of ours.
    pub(super) count: Option<usize>,
    /// Whether the request is done with it.
    pub(super) is_last: bool,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            piece: None,
            done: None,
            limit: MAX_REQUEST,
        }
    }
}

impl Sending {
    pub(super) fn is_under_way(&self) -> bool {
        self.piece.is_some()
    }

    pub(super) fn is_of(&self, stamp: Stamp) -> bool {
        self.piece.as_ref().is_some_and(|piece| piece.stamp == stamp)
    }

    /// A request is gone, or has other items now.
    pub(super) fn forget(&mut self, stamp: Stamp) {
        self.done = self.done.filter(|(of, _)| *of != stamp);
    }

    /// A part of a request has its answer.
    pub(super) fn advance(&mut self, piece: &Piece) {
        self.done = Some((piece.stamp, piece.first + piece.count.unwrap_or_default()));
    }

    /// The collector does not take so much; true when there is less to try.
    pub(super) fn shrink(&mut self, piece: &Piece) -> bool {
        let count = piece.count.or_else(|| Some(Parts::of(&piece.bytes)?.len()));
        let can_shrink = count.is_some_and(|count| count > 1);
        if can_shrink {
            self.limit = piece.bytes.len() / 2;
        }
        can_shrink
    }

    /// Another collector may be there next time.
    pub(super) fn grow(&mut self) {
        self.limit = MAX_REQUEST;
    }

    /// As much of a request as may go at once.
    fn piece(&self, stamp: Stamp, request: Bytes) -> Piece {
        let first = self
            .done
            .filter(|(of, _)| *of == stamp)
            .map_or(0, |(_, done)| done);
        let whole = |bytes| Piece {
            stamp,
            bytes,
            first: 0,
            count: None,
            is_last: true,
        };
        if first == 0 && request.len() <= self.limit {
            return whole(request);
        }
        let Some(parts) = Parts::of(&request) else {
            return whole(request);
        };
        let (bytes, count) = parts.piece(first, self.limit);
        Piece {
            stamp,
            bytes: Bytes::from(bytes),
            first,
            count: Some(count),
            is_last: first + count >= parts.len(),
        }
    }
}

impl Queue {
    /// The oldest request that can be read, or how long there will be none.
    pub(in crate::telemetry::delivery) fn next(&mut self, around: &mut Around<'_>) -> Next {
        let now = Instant::now();
        loop {
            if let Some(stamp) = self.readable(now) {
                match self.load(stamp, around) {
                    Some(Some(request)) => {
                        let piece = self.sending.piece(stamp, request);
                        self.sending.piece = Some(piece.clone());
                        return Next::Send(stamp, piece.bytes);
                    }
                    Some(None) => self.lose(stamp, DropReason::Removed, around),
                    None => self.leave_alone(stamp, now),
                }
                continue;
            }
            match &self.batch {
                Some(batch) if batch.close_at <= now => self.close_batch(around),
                batch => {
                    let closes = batch.as_ref().map(|batch| batch.close_at);
                    let again = self
                        .waiting
                        .values()
                        .filter_map(|waiting| waiting.unreadable_until);
                    return Next::Wait(again.chain(closes).min());
                }
            }
        }
    }

    fn readable(&self, now: Instant) -> Option<Stamp> {
        let is_left_alone = |until: Option<Instant>| until.is_some_and(|until| now < until);
        let mut waiting = self.waiting.iter();
        let found = waiting.find(|(_, waiting)| !is_left_alone(waiting.unreadable_until));
        found.map(|(stamp, _)| *stamp)
    }

    /// What cannot be read now must not hold up what can.
    fn leave_alone(&mut self, stamp: Stamp, now: Instant) {
        if let Some(waiting) = self.waiting.get_mut(&stamp) {
            waiting.unreadable_until = Some(now + READ_AGAIN);
        }
    }

    /// The request itself; the inner none when somebody removed it, the outer when it cannot be read now.
    pub(super) fn load(&self, stamp: Stamp, around: &mut Around<'_>) -> Option<Option<Bytes>> {
        match &self.waiting.get(&stamp)?.place {
            Place::Memory { request, .. } => Some(Some(request.clone())),
            Place::Disk => {
                let read = around.disk.attempt(|spool| spool.read(self.signal, stamp))?;
                Some(read.map(Bytes::from))
            }
        }
    }
}
