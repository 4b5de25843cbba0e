//! What goes out next: a request, or as much of one as its collector takes at once.

use hyper::body::Bytes;
use tokio::time::Instant;

use super::{Around, Place, Queue, READ_AGAIN};
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::split::{self, Item, Split};
use crate::telemetry::delivery::stamp::Stamp;
use crate::telemetry::delivery::suspects::{Mix, Suspects};
use crate::telemetry::settings::Signal;

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
    signal: Signal,
    /// What is on its way; no bound drops its request.
    pub(super) piece: Option<Piece>,
    /// The request that goes in pieces, as far as it has no answer. A kill forgets this, and sends it all again.
    split: Option<Split>,
    /// Bytes that the collector takes at once, as far as is known.
    limit: usize,
    /// Whose data go apart from those of others.
    suspects: Suspects,
}

/// A request on its way, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) stamp: Stamp,
    pub(super) bytes: Bytes,
    /// What it has; nothing of a whole request, which was not taken apart.
    pub(super) items: Vec<Item>,
}

/// What becomes of a piece that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// It goes again in two; else it is dropped.
    pub(super) is_divided: bool,
    /// It has the data of one check only, which the log should name.
    pub(super) is_news: bool,
}

impl Sending {
    pub(super) fn new(signal: Signal) -> Self {
        Self {
            signal,
            piece: None,
            split: None,
            limit: MAX_REQUEST,
            suspects: Suspects::default(),
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.piece.is_some()
    }

    pub(super) fn is_of(&self, stamp: Stamp) -> bool {
        self.piece.as_ref().is_some_and(|piece| piece.stamp == stamp)
    }

    /// A request is gone, or has other items now.
    pub(super) fn forget(&mut self, stamp: Stamp) {
        self.split.take_if(|split| split.stamp == stamp);
    }

    /// Whether nothing of a request is left to send.
    pub(super) fn is_done(&self, stamp: Stamp) -> bool {
        self.of(stamp).is_none_or(Split::is_done)
    }

    /// A piece was accepted.
    pub(super) fn accepted(&mut self) {
        if let Some(split) = &mut self.split {
            split.was_accepted = true;
        }
    }

    /// Whether the collector has taken a part of a request.
    pub(super) fn was_accepted(&self, stamp: Stamp) -> bool {
        self.of(stamp).is_some_and(|split| split.was_accepted)
    }

    /// A piece has no answer, and is sent another time.
    pub(super) fn put_back(&mut self, piece: Piece) {
        if let Some(split) = self.split.as_mut().filter(|split| split.stamp == piece.stamp) {
            split.put_back(piece.items);
        }
    }

    /// The collector does not take so much; true when there is less to try.
    pub(super) fn shrink(&mut self, piece: &Piece) -> bool {
        let items = self.items(piece);
        let can_shrink = items.len() > 1;
        if let Some(split) = self.split.as_mut().filter(|_| can_shrink) {
            self.limit = piece.bytes.len() / 2;
            split.put_back(items);
        }
        can_shrink
    }

    /// The collector does not want a piece: it goes again in halves, as long as there are several parts of it and not too
    /// many requests of this kind.
    pub(super) fn divide(&mut self, items: &[Item], now: Instant) -> Refusal {
        let owner = split::only_owner(items);
        let is_news = owner.is_some_and(|owner| self.suspects.note(owner, now));
        let mix = match items.iter().all(|item| self.suspects.has(item.owner)) {
            true => Mix::Suspects,
            false => Mix::Others,
        };
        let halves = self.split.as_mut().zip(split::halves(items));
        let halves = halves.filter(|_| self.suspects.may_divide(mix, now));
        let is_divided = halves.is_some();
        if let Some((split, (first, second))) = halves {
            split.put_back(second);
            split.put_back(first);
        }
        Refusal { is_divided, is_news }
    }

    /// What is in a piece; of a whole request, after it was taken apart. Nothing if it cannot be.
    pub(super) fn items(&mut self, piece: &Piece) -> Vec<Item> {
        if !piece.items.is_empty() {
            return piece.items.clone();
        }
        self.split = Split::of(piece.stamp, self.signal, &piece.bytes, |_| false);
        let split = self.split.as_mut();
        split.and_then(|split| split.next(usize::MAX)).unwrap_or_default()
    }

    /// Another collector may be there next time.
    pub(super) fn grow(&mut self) {
        self.limit = MAX_REQUEST;
    }

    fn of(&self, stamp: Stamp) -> Option<&Split> {
        self.split.as_ref().filter(|split| split.stamp == stamp)
    }

    /// As much of a request as may go at once.
    fn piece(&mut self, stamp: Stamp, request: Bytes, now: Instant) -> Piece {
        let split = match self.split.take_if(|split| split.stamp == stamp) {
            Some(split) => Some(split),
            None => self.split(stamp, &request, now),
        };
        self.split = split;
        let limit = self.limit;
        let part = self.split.as_mut().and_then(|split| {
            let items = split.next(limit)?;
            Some((Bytes::from(split.request(&items)), items))
        });
        let (bytes, items) = part.unwrap_or((request, Vec::new()));
        Piece { stamp, bytes, items }
    }

    /// Takes a request apart, if it does not go as it is.
    fn split(&mut self, stamp: Stamp, request: &Bytes, now: Instant) -> Option<Split> {
        self.suspects.forget_old(now);
        let fits = request.len() <= self.limit;
        if fits && self.suspects.is_empty() {
            return None;
        }
        let split = Split::of(stamp, self.signal, request, |owner| self.suspects.has(owner))?;
        (!fits || !split.is_whole()).then_some(split)
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
                        let piece = self.sending.piece(stamp, request, now);
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
