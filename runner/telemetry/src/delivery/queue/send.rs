//! Selection of what is sent next: a request, or as much of one as its collector accepts at once.

use std::collections::BTreeSet;

use hyper::body::Bytes;
use tokio::time::Instant;

use super::{Location, Queue, QueueContext, QueuedRequest, READ_RETRY_INTERVAL};
use crate::delivery::deferred::DeferredOwners;
use crate::delivery::report::DropReason;
use crate::delivery::request_id::RequestId;
use crate::delivery::share::Owner;
use crate::delivery::split::{self, Item, Split};
use crate::delivery::suspects::{PieceKind, Suspects};
use crate::signal::Signal;

/// Maximum size of a request in bytes, unless a single item is larger; also the limit until a collector reports a
/// smaller one.
const MAX_REQUEST: usize = 1 << 20;

/// What a worker has to do next.
#[derive(Debug)]
pub(in crate::delivery) enum Next {
    /// Send this request and report the result.
    Send(RequestId, Bytes),
    /// Ask again at this time, or when woken.
    Wait(Option<Instant>),
}

/// The state of sending requests.
#[derive(Debug)]
pub(super) struct SendState {
    signal: Signal,
    /// The piece in flight; its request is never dropped.
    pub(super) piece: Option<Piece>,
    /// The unsent rest of a request that is sent in pieces. Lost by a kill, after which the whole request is sent
    /// again.
    split: Option<Split>,
    /// The largest request that the collector accepts, in bytes, as far as known.
    limit: usize,
    /// Owners whose data is sent separately.
    suspects: Suspects,
    /// Owners whose data is sent after that of others.
    deferred: DeferredOwners,
}

/// A request in flight, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) id: RequestId,
    pub(super) bytes: Bytes,
    /// Its items; empty for a whole request, which was not parsed.
    pub(super) items: Vec<Item>,
}

/// How a refused piece is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefusedPiece {
    /// It is sent again in halves; otherwise it is dropped.
    pub(super) is_split: bool,
    /// It has data of one check only, which the log should name.
    pub(super) is_new_suspect: bool,
}

impl SendState {
    pub(super) fn new(signal: Signal) -> Self {
        Self {
            signal,
            piece: None,
            split: None,
            limit: MAX_REQUEST,
            suspects: Suspects::default(),
            deferred: DeferredOwners::default(),
        }
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.piece.is_some()
    }

    pub(super) fn is_sending(&self, id: RequestId) -> bool {
        self.piece.as_ref().is_some_and(|piece| piece.id == id)
    }

    /// Forgets the pieces of a request that was removed or changed.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.split.take_if(|split| split.id == id);
    }

    /// Whether nothing of a request is left to send.
    pub(super) fn is_done(&self, id: RequestId) -> bool {
        self.of(id).is_none_or(Split::is_done)
    }

    /// Records that a piece was accepted.
    pub(super) fn accepted(&mut self, piece: &Piece, now: Instant) {
        let is_known = !self.deferred.is_empty() && piece.items.is_empty();
        let items = if is_known {
            self.decode_items(piece)
        } else {
            piece.items.clone()
        };
        self.deferred.accepted(&items, now);
        if let Some(split) = &mut self.split {
            split.was_partly_accepted = true;
        }
    }

    /// Whether the collector accepted a part of a request.
    pub(super) fn was_partly_accepted(&self, id: RequestId) -> bool {
        self.of(id).is_some_and(|split| split.was_partly_accepted)
    }

    /// Returns a piece that failed with a retryable error to the queue: in front, or, if its data may be the cause,
    /// behind the data of others. Returns the newly deferred items.
    pub(super) fn push_front(&mut self, piece: Piece, now: Instant) -> Vec<Item> {
        let items = if self.deferred.is_empty() {
            piece.items.clone()
        } else {
            self.decode_items(&piece)
        };
        let is_stuck = self.deferred.failed(piece.id, &items, now);
        let items = if is_stuck { self.items(&piece) } else { piece.items };
        let Some(split) = self.split.as_mut().filter(|split| split.id == piece.id) else {
            return Vec::new();
        };
        let owner = split::only_owner(&items);
        let halves = split::halves(&items);
        match (is_stuck, owner, halves) {
            (true, Some(owner), _) => {
                split.push_back(items.clone());
                if self.deferred.defer(owner, now) {
                    return items;
                }
            }
            (true, None, Some((first, second))) => {
                split.push_back(first);
                split.push_back(second);
            }
            _ => split.push_front(items),
        }
        Vec::new()
    }

    /// The items of a piece, without changing the state.
    fn decode_items(&self, piece: &Piece) -> Vec<Item> {
        if !piece.items.is_empty() {
            return piece.items.clone();
        }
        Split::parse(piece.id, self.signal, &piece.bytes, |_| false)
            .map(|split| split.left())
            .unwrap_or_default()
    }

    /// Whether nothing of a request may be sent now, because all of its owners are deferred.
    fn is_deferred(&self, owners: &[Owner], now: Instant) -> bool {
        self.deferred.contains_all(owners.iter().copied(), now)
    }

    /// Handles a request that was too large; true if a smaller part can be tried.
    pub(super) fn shrink(&mut self, piece: &Piece) -> bool {
        let items = self.items(piece);
        let can_shrink = items.len() > 1;
        if let Some(split) = self.split.as_mut().filter(|_| can_shrink) {
            self.limit = piece.bytes.len() / 2;
            split.push_front(items);
        }
        can_shrink
    }

    /// Splits a refused piece in halves, if it has several items and the rate limit for split requests allows it.
    pub(super) fn split_refused(&mut self, items: &[Item], now: Instant) -> RefusedPiece {
        let owner = split::only_owner(items);
        let is_new_suspect = owner.is_some_and(|owner| self.suspects.record_refusal(owner, now));
        let kind = if items.iter().all(|item| self.suspects.has(item.owner)) {
            PieceKind::Suspects
        } else {
            PieceKind::Others
        };
        let halves = self.split.as_mut().zip(split::halves(items));
        let halves = halves.filter(|_| self.suspects.may_split(kind, now));
        let is_split = halves.is_some();
        if let Some((split, (first, second))) = halves {
            split.push_front(second);
            split.push_front(first);
        }
        RefusedPiece {
            is_split,
            is_new_suspect,
        }
    }

    /// The items of a piece; a whole request is parsed first. Empty if it cannot be parsed.
    pub(super) fn items(&mut self, piece: &Piece) -> Vec<Item> {
        if !piece.items.is_empty() {
            return piece.items.clone();
        }
        self.split = Split::parse(piece.id, self.signal, &piece.bytes, |_| false);
        let split = self.split.as_mut();
        split
            .and_then(|split| split.next(usize::MAX, |_| false))
            .unwrap_or_default()
    }

    /// Resets the size limit: the next connection may reach another collector.
    pub(super) fn reset_limit(&mut self) {
        self.limit = MAX_REQUEST;
    }

    fn of(&self, id: RequestId) -> Option<&Split> {
        self.split.as_ref().filter(|split| split.id == id)
    }

    /// The request that is partly sent.
    fn partly_sent(&self) -> Option<RequestId> {
        let split = self.split.as_ref()?;
        split.is_partly_sent().then_some(split.id)
    }

    /// The unsent rest of a partly sent request.
    pub(super) fn rest(&self, id: RequestId) -> Option<Vec<u8>> {
        let split = self.of(id).filter(|split| split.is_partly_sent())?;
        Some(split.request(&split.left()))
    }

    /// As much of a request as may be sent at once; `None` if all that is left is deferred.
    fn piece(&mut self, id: RequestId, request: Bytes, now: Instant) -> Option<Piece> {
        let split = match self.split.take_if(|split| split.id == id) {
            Some(split) => Some(split),
            None => self.split(id, &request, now),
        };
        self.split = split;
        let Some(split) = &mut self.split else {
            let (bytes, items) = (request, Vec::new());
            return Some(Piece { id, bytes, items });
        };
        let is_deferred = |items: &[Item]| {
            self.deferred
                .contains_all(items.iter().map(|item| item.owner), now)
        };
        let items = split.next(self.limit, is_deferred)?;
        let bytes = Bytes::from(split.request(&items));
        Some(Piece { id, bytes, items })
    }

    /// The owners of the unsent rest of a deferred request, and the rest itself if a part was sent.
    fn left(&self, id: RequestId) -> (Vec<Owner>, Option<Vec<u8>>) {
        let Some(split) = self.of(id) else {
            return (Vec::new(), None);
        };
        let owners: BTreeSet<Owner> = split.left().iter().map(|item| item.owner).collect();
        (owners.into_iter().collect(), self.rest(id))
    }

    /// Parses a request that cannot be sent as it is.
    fn split(&mut self, id: RequestId, request: &Bytes, now: Instant) -> Option<Split> {
        self.suspects.remove_expired(now);
        let fits = request.len() <= self.limit;
        self.deferred.remove_expired(now);
        let is_any_deferred = !self.deferred.is_empty();
        if fits && self.suspects.is_empty() && !is_any_deferred {
            return None;
        }
        let goes_apart = |owner| self.suspects.has(owner) || self.deferred.contains(owner);
        let split = Split::parse(id, self.signal, request, goes_apart)?;
        let is_apart = !fits || !split.is_whole() || is_any_deferred;
        (is_apart && !split.is_done()).then_some(split)
    }
}

impl Queue {
    /// The next piece of the oldest sendable request, or how long to wait for one.
    pub(in crate::delivery) fn next(&mut self, context: &mut QueueContext<'_>) -> Next {
        let now = Instant::now();
        loop {
            if let Some(id) = self.next_sendable(now) {
                self.interrupt(id, context);
                match self.load(id, context) {
                    Some(Some(request)) => match self.sending.piece(id, request, now) {
                        Some(piece) => {
                            self.sending.piece = Some(piece.clone());
                            return Next::Send(id, piece.bytes);
                        }
                        None => self.defer(id, context),
                    },
                    Some(None) => self.drop_request(id, DropReason::Removed, context),
                    None => self.mark_unreadable(id, now),
                }
                continue;
            }
            match &self.batch {
                Some(batch) if batch.close_at <= now => self.close_batch(context),
                batch => {
                    let closes = batch.as_ref().map(|batch| batch.close_at);
                    let again = self
                        .waiting
                        .values()
                        .filter_map(|waiting| waiting.unreadable_until);
                    let deferred = self.sending.deferred.next(now);
                    return Next::Wait(again.chain(closes).chain(deferred).min());
                }
            }
        }
    }

    fn next_sendable(&self, now: Instant) -> Option<RequestId> {
        // A partly sent request goes first: its pieces are known already.
        let partly_sent = self
            .sending
            .partly_sent()
            .and_then(|id| self.waiting.get_key_value(&id));
        let mut waiting = partly_sent.into_iter().chain(&self.waiting);
        let found = waiting.find(|(_, waiting)| !self.is_blocked(waiting, now));
        found.map(|(id, _)| *id)
    }

    /// Whether a request must not be sent now, while others may.
    pub(super) fn is_blocked(&self, waiting: &QueuedRequest, now: Instant) -> bool {
        let is_unreadable = waiting.unreadable_until.is_some_and(|until| now < until);
        is_unreadable || self.sending.is_deferred(&waiting.only_owners, now)
    }

    /// Saves the unsent rest of the partly sent request before another one is sent, since only one is tracked.
    fn interrupt(&mut self, id: RequestId, context: &mut QueueContext<'_>) {
        if let Some(partly_sent) = self
            .sending
            .partly_sent()
            .filter(|partly_sent| *partly_sent != id)
        {
            self.defer(partly_sent, context);
        }
    }

    /// Skips a deferred request: its rest is sent later.
    fn defer(&mut self, id: RequestId, context: &mut QueueContext<'_>) {
        let (owners, left) = self.sending.left(id);
        if let Some(left) = left {
            // If the disk fails here, the sent part is sent again, as after a kill.
            let _kept = self.replace(id, left, context);
        }
        self.sending.forget(id);
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.only_owners = owners;
        }
    }

    /// Skips an unreadable request, so that it does not block others.
    fn mark_unreadable(&mut self, id: RequestId, now: Instant) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.unreadable_until = Some(now + READ_RETRY_INTERVAL);
        }
    }

    /// The content of a request; the inner `None` if its file was removed by someone else, the outer if it cannot be
    /// read now.
    pub(super) fn load(&self, id: RequestId, context: &mut QueueContext<'_>) -> Option<Option<Bytes>> {
        match &self.waiting.get(&id)?.location {
            Location::Memory { request, .. } => Some(Some(request.clone())),
            Location::Disk => {
                let read = context.disk.attempt(|spool| spool.read(self.signal, id))?;
                Some(read.map(Bytes::from))
            }
        }
    }
}
