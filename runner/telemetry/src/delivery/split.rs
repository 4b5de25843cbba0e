//! Splitting of requests, because a collector accepts less at once or refuses some of the data.
//!
//! For a refused request, the owner of the refused data has to be found. So a piece is split between checks first, and
//! between the items of a check only when it is the only one left.

mod merge;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use hyper::body::Bytes;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message as _;
use prost::encoding::message;

use super::envelope::Envelope;
use super::parsed_request::{ParsedRequest, SECOND};
use super::points;
use super::request_id::RequestId;
use super::share::Owner;
use crate::signal::Signal;

/// The smallest unit that can be sent or refused on its own: a span, a log record, or the points of one check in a
/// metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its index among all items of the request.
    pub(super) ordinal: usize,
    /// The index of its span, record or metric in the request.
    number: usize,
    pub(super) owner: Owner,
    /// The number of spans, records or data points.
    pub(super) count: u64,
    /// Including key and length.
    encoded: Bytes,
}

/// A parsed request and the part of it that is still to be sent.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) id: RequestId,
    signal: Signal,
    envelope: Envelope,
    /// Each chunk is sent as one request, or as several if the collector accepts less at once.
    rest: VecDeque<Vec<Item>>,
    /// The number of items, sent or not.
    pub(super) count: usize,
    /// Whether the collector accepted any of it.
    pub(super) was_partly_accepted: bool,
}

impl Split {
    /// Parses a request; data of suspects is sent last and separately. `None` if it does not have our structure.
    pub(super) fn parse(
        id: RequestId,
        signal: Signal,
        request: &Bytes,
        is_suspect: impl Fn(Owner) -> bool,
    ) -> Option<Self> {
        let parts = ParsedRequest::parse(request)?;
        let items = items(&parts, signal, request);
        let count = items.len();
        let (suspect, good): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| is_suspect(item.owner));
        let chunks = [good, suspect].into_iter().filter(|items| !items.is_empty());
        Some(Self {
            id,
            signal,
            rest: chunks.collect(),
            count,
            envelope: parts.envelope,
            was_partly_accepted: false,
        })
    }

    /// Whether everything can be sent in one piece.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.len() == 1
    }

    /// Whether nothing is left to send.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether some of it was sent, and nothing is in flight.
    pub(super) fn is_partly_sent(&self) -> bool {
        let left: usize = self.rest.iter().map(Vec::len).sum();
        left < self.count
    }

    /// The next piece: as many items as fit into `limit` bytes, but at least one. `None` if everything left is
    /// deferred.
    pub(super) fn next(&mut self, limit: usize, is_deferred: impl Fn(&[Item]) -> bool) -> Option<Vec<Item>> {
        let next = self.rest.iter().position(|items| !is_deferred(items))?;
        let mut items = self.rest.remove(next)?;
        let mut size = self.envelope.resource.len() + self.envelope.scope.len();
        let fits = items.iter().take_while(|item| {
            size += item.encoded.len();
            size <= limit
        });
        let count = fits.count().max(1).min(items.len());
        let later = items.split_off(count);
        self.push_front(later);
        Some(items)
    }

    /// Puts items in front of the others.
    pub(super) fn push_front(&mut self, items: Vec<Item>) {
        if !items.is_empty() {
            self.rest.push_front(items);
        }
    }

    /// Puts items behind the others.
    pub(super) fn push_back(&mut self, items: Vec<Item>) {
        if !items.is_empty() {
            self.rest.push_back(items);
        }
    }

    /// All unsent items.
    pub(super) fn left(&self) -> Vec<Item> {
        self.rest.iter().flatten().cloned().collect()
    }

    /// Encodes a request with some of the items.
    pub(super) fn request(&self, items: &[Item]) -> Vec<u8> {
        let mut items: Vec<&Item> = items.iter().collect();
        items.sort_by_key(|item| item.ordinal);
        let frames = match self.signal {
            Signal::Metrics => merge::encode_merged(&items),
            Signal::Traces | Signal::Logs => items
                .iter()
                .map(|item| &item.encoded[..])
                .collect::<Vec<_>>()
                .concat(),
        };
        self.envelope.request(&frames)
    }
}

/// The owner of a piece, if there is only one.
pub(super) fn only_owner(items: &[Item]) -> Option<Owner> {
    let first = items.first()?.owner;
    items.iter().all(|item| item.owner == first).then_some(first)
}

/// Splits a piece in two: at the boundary between two checks nearest to the middle, or between two items of a single
/// check. `None` if it cannot be split.
pub(super) fn halves(items: &[Item]) -> Option<(Vec<Item>, Vec<Item>)> {
    let mut items = items.to_vec();
    items.sort_by_key(|item| (item.owner, item.ordinal));
    let middle = items.len() / 2;
    let boundary = items
        .windows(2)
        .zip(1..)
        .filter(|(pair, _)| only_owner(pair).is_none())
        .map(|(_, place)| place)
        .min_by_key(|place: &usize| place.abs_diff(middle));
    let second = items.split_off(boundary.unwrap_or(middle));
    (!items.is_empty()).then_some((items, second))
}

/// The name of the first check that a piece names.
pub(super) fn check_named(signal: Signal, items: &[Item]) -> Option<String> {
    items.iter().find_map(|item| {
        let payload = item.payload()?;
        match signal {
            Signal::Metrics => points::check_of(&Metric::decode(payload).ok()?),
            Signal::Traces | Signal::Logs => super::parsed_request::check_of(signal, payload),
        }
    })
}

impl Item {
    /// An item of this owner, for tests.
    #[cfg(test)]
    pub(super) fn of(owner: Owner) -> Self {
        Self {
            ordinal: 0,
            number: 0,
            owner,
            count: 1,
            encoded: Bytes::new(),
        }
    }

    fn payload(&self) -> Option<&[u8]> {
        let mut rest = &self.encoded[..];
        prost::encoding::decode_key(&mut rest).ok()?;
        prost::encoding::decode_varint(&mut rest).ok()?;
        Some(rest)
    }

    fn new(number: usize, owner: Owner, count: u64, encoded: Bytes) -> Self {
        Self {
            ordinal: 0,
            number,
            owner,
            count,
            encoded,
        }
    }

    fn of_metric(number: usize, owner: Owner, metric: &Metric) -> Self {
        let mut encoded = Vec::new();
        message::encode(SECOND, metric, &mut encoded);
        Self::new(number, owner, points::count(metric), Bytes::from(encoded))
    }
}

fn items(parts: &ParsedRequest<'_>, signal: Signal, request: &Bytes) -> Vec<Item> {
    let mut items = Vec::new();
    for (number, (owner, field)) in parts.items(signal).enumerate() {
        let metric = match signal {
            Signal::Metrics => Metric::decode(field.payload).ok(),
            Signal::Traces | Signal::Logs => None,
        };
        match metric {
            Some(metric) => items.extend(
                points::by_owner(metric)
                    .iter()
                    .map(|(owner, metric)| Item::of_metric(number, *owner, metric)),
            ),
            None => items.push(Item::new(number, owner, 1, request.slice_ref(field.encoded))),
        }
    }
    for (ordinal, item) in items.iter_mut().enumerate() {
        item.ordinal = ordinal;
    }
    items
}
