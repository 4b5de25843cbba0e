//! What goes out next: a request, or as much of one as its collector takes at once.

use std::collections::BTreeSet;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::{Around, Place, Queue, READ_AGAIN, Waiting};
use crate::telemetry::delivery::held::Held;
use crate::telemetry::delivery::report::DropReason;
use crate::telemetry::delivery::share::Owner;
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
    /// Whose data go after those of others.
    held: Held,
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
            held: Held::default(),
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
    pub(super) fn accepted(&mut self, piece: &Piece, now: Instant) {
        let is_known = !self.held.is_empty() && piece.items.is_empty();
        let items = if is_known {
            self.peek(piece)
        } else {
            piece.items.clone()
        };
        self.held.accepted(&items, now);
        if let Some(split) = &mut self.split {
            split.was_accepted = true;
        }
    }

    /// Whether the collector has taken a part of a request.
    pub(super) fn was_accepted(&self, stamp: Stamp) -> bool {
        self.of(stamp).is_some_and(|split| split.was_accepted)
    }

    /// A piece has no answer, and is sent another time: at once, or after all that is of others, where that may be what it
    /// takes. Returns what is held back from now on.
    pub(super) fn put_back(&mut self, piece: Piece, now: Instant) -> Vec<Item> {
        let items = match self.held.is_empty() {
            true => piece.items.clone(),
            false => self.peek(&piece),
        };
        let is_stuck = self.held.failed(piece.stamp, &items, now);
        let items = if is_stuck { self.items(&piece) } else { piece.items };
        let Some(split) = self.split.as_mut().filter(|split| split.stamp == piece.stamp) else {
            return Vec::new();
        };
        let owner = split::only_owner(&items);
        let halves = split::halves(&items);
        match (is_stuck, owner, halves) {
            (true, Some(owner), _) => {
                split.put_behind(items.clone());
                if self.held.hold(owner, now) {
                    return items;
                }
            }
            (true, None, Some((first, second))) => {
                split.put_behind(first);
                split.put_behind(second);
            }
            _ => split.put_back(items),
        }
        Vec::new()
    }

    /// What is in a piece, which is left as it is.
    fn peek(&self, piece: &Piece) -> Vec<Item> {
        match piece.items.is_empty() {
            true => Split::of(piece.stamp, self.signal, &piece.bytes, |_| false)
                .map(|split| split.left())
                .unwrap_or_default(),
            false => piece.items.clone(),
        }
    }

    /// Whether nothing of a request may be sent now: what it has is of these owners.
    fn is_held(&self, owners: &[Owner], now: Instant) -> bool {
        self.held.has_all(owners.iter().copied(), now)
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
        split
            .and_then(|split| split.next(usize::MAX, |_| false))
            .unwrap_or_default()
    }

    /// Another collector may be there next time.
    pub(super) fn grow(&mut self) {
        self.limit = MAX_REQUEST;
    }

    fn of(&self, stamp: Stamp) -> Option<&Split> {
        self.split.as_ref().filter(|split| split.stamp == stamp)
    }

    /// The request of which some has its answer, and the rest is still to be sent.
    fn begun(&self) -> Option<Stamp> {
        let split = self.split.as_ref()?;
        split.is_begun().then_some(split.stamp)
    }

    /// What is left of a request of which some has its answer.
    pub(super) fn rest(&self, stamp: Stamp) -> Option<Vec<u8>> {
        let split = self.of(stamp).filter(|split| split.is_begun())?;
        Some(split.request(&split.left()))
    }

    /// As much of a request as may go at once; none when all that is left of it is held back.
    fn piece(&mut self, stamp: Stamp, request: Bytes, now: Instant) -> Option<Piece> {
        let split = match self.split.take_if(|split| split.stamp == stamp) {
            Some(split) => Some(split),
            None => self.split(stamp, &request, now),
        };
        self.split = split;
        let Some(split) = &mut self.split else {
            let (bytes, items) = (request, Vec::new());
            return Some(Piece { stamp, bytes, items });
        };
        let is_held = |items: &[Item]| self.held.has_all(items.iter().map(|item| item.owner), now);
        let items = split.next(self.limit, is_held)?;
        let bytes = Bytes::from(split.request(&items));
        Some(Piece { stamp, bytes, items })
    }

    /// What is left of a request that is held back: whose it is, and the request of it where a part is gone.
    fn left(&self, stamp: Stamp) -> (Vec<Owner>, Option<Vec<u8>>) {
        let Some(split) = self.of(stamp) else {
            return (Vec::new(), None);
        };
        let owners: BTreeSet<Owner> = split.left().iter().map(|item| item.owner).collect();
        (owners.into_iter().collect(), self.rest(stamp))
    }

    /// Takes a request apart, if it does not go as it is.
    fn split(&mut self, stamp: Stamp, request: &Bytes, now: Instant) -> Option<Split> {
        self.suspects.forget_old(now);
        let fits = request.len() <= self.limit;
        self.held.forget_old(now);
        let is_any_held = !self.held.is_empty();
        if fits && self.suspects.is_empty() && !is_any_held {
            return None;
        }
        let goes_apart = |owner| self.suspects.has(owner) || self.held.knows(owner);
        let split = Split::of(stamp, self.signal, request, goes_apart)?;
        let is_apart = !fits || !split.is_whole() || is_any_held;
        (is_apart && !split.is_done()).then_some(split)
    }
}

impl Queue {
    /// The oldest request that can be read, or how long there will be none.
    pub(in crate::telemetry::delivery) fn next(&mut self, around: &mut Around<'_>) -> Next {
        let now = Instant::now();
        loop {
            if let Some(stamp) = self.readable(now) {
                self.interrupt(stamp, around);
                match self.load(stamp, around) {
                    Some(Some(request)) => match self.sending.piece(stamp, request, now) {
                        Some(piece) => {
                            self.sending.piece = Some(piece.clone());
                            return Next::Send(stamp, piece.bytes);
                        }
                        None => self.hold_back(stamp, around),
                    },
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
                    let held = self.sending.held.next(now);
                    return Next::Wait(again.chain(closes).chain(held).min());
                }
            }
        }
    }

    fn readable(&self, now: Instant) -> Option<Stamp> {
        // Its pieces are known already.
        let begun = self
            .sending
            .begun()
            .and_then(|stamp| self.waiting.get_key_value(&stamp));
        let mut waiting = begun.into_iter().chain(&self.waiting);
        let found = waiting.find(|(_, waiting)| !self.is_left_alone(waiting, now));
        found.map(|(stamp, _)| *stamp)
    }

    /// Whether a request is not to be sent now, while others are.
    pub(super) fn is_left_alone(&self, waiting: &Waiting, now: Instant) -> bool {
        let is_unreadable = waiting.unreadable_until.is_some_and(|until| now < until);
        is_unreadable || self.sending.is_held(&waiting.only_of, now)
    }

    /// Goes on with another request than the one that was begun, of which nobody else remembers what has its answer.
    fn interrupt(&mut self, stamp: Stamp, around: &mut Around<'_>) {
        if let Some(begun) = self.sending.begun().filter(|begun| *begun != stamp) {
            self.hold_back(begun, around);
        }
    }

    /// Goes on with the next request: what is left of this one has its turn again later.
    fn hold_back(&mut self, stamp: Stamp, around: &mut Around<'_>) {
        let (owners, left) = self.sending.left(stamp);
        if let Some(left) = left {
            // Where the disk refuses that, what had its answer is sent again, as after a kill.
            let _kept = self.replace(stamp, left, around);
        }
        self.sending.forget(stamp);
        if let Some(waiting) = self.waiting.get_mut(&stamp) {
            waiting.only_of = owners;
        }
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
