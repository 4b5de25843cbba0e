//! A request in pieces: because its collector takes less at once, or because it refuses some of what is in it.
//!
//! What has to be found of a refused request is whose data the collector does not want. So a piece is halved between
//! checks first, and between the items of one check only when it is the only check that is left in it.

mod merged;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use hyper::body::Bytes;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message as _;
use prost::encoding::message;

use super::envelope::Envelope;
use super::parts::{Parts, SECOND};
use super::points;
use super::share::Owner;
use super::stamp::Stamp;
use crate::telemetry::settings::Signal;

/// The smallest thing that can be sent or refused alone: a span, a log record, or what one check has in a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Which one it is of all items of the request.
    pub(super) ordinal: usize,
    /// Which span, record or metric of the request it is, or is of.
    number: usize,
    pub(super) owner: Owner,
    /// How many spans, records or data points that is.
    pub(super) count: u64,
    /// With key and length.
    encoded: Bytes,
}

/// A request, taken apart, and what of it is still to be sent.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) stamp: Stamp,
    signal: Signal,
    envelope: Envelope,
    /// Each goes as a request of its own, or as several where the collector takes less at once.
    rest: VecDeque<Vec<Item>>,
    /// How many items it has, sent or not.
    pub(super) count: usize,
    /// Whether the collector has taken any of it.
    pub(super) was_accepted: bool,
}

impl Split {
    /// Takes a request apart; what belongs to `suspects` goes last, on its own. None if it has another shape than ours
    /// have.
    pub(super) fn of(
        stamp: Stamp,
        signal: Signal,
        request: &Bytes,
        is_suspect: impl Fn(Owner) -> bool,
    ) -> Option<Self> {
        let parts = Parts::of(request)?;
        let items = items(&parts, signal, request);
        let count = items.len();
        let (suspect, good): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| is_suspect(item.owner));
        let chunks = [good, suspect].into_iter().filter(|items| !items.is_empty());
        Some(Self {
            stamp,
            signal,
            rest: chunks.collect(),
            count,
            envelope: parts.envelope,
            was_accepted: false,
        })
    }

    /// Whether everything goes in one piece.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.len() == 1
    }

    /// Whether nothing is left to send.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether some has its answer, and nothing is on its way.
    pub(super) fn is_begun(&self) -> bool {
        let left: usize = self.rest.iter().map(Vec::len).sum();
        left < self.count
    }

    /// The next piece: as many items as fit into `limit` bytes, but one at least. None when all that is left is held back.
    pub(super) fn next(&mut self, limit: usize, is_held: impl Fn(&[Item]) -> bool) -> Option<Vec<Item>> {
        let next = self.rest.iter().position(|items| !is_held(items))?;
        let mut items = self.rest.remove(next)?;
        let mut size = self.envelope.resource.len() + self.envelope.scope.len();
        let fits = items.iter().take_while(|item| {
            size += item.encoded.len();
            size <= limit
        });
        let count = fits.count().max(1).min(items.len());
        let later = items.split_off(count);
        self.put_back(later);
        Some(items)
    }

    /// Has items sent, or sent again, before the others.
    pub(super) fn put_back(&mut self, items: Vec<Item>) {
        if !items.is_empty() {
            self.rest.push_front(items);
        }
    }

    /// Has items sent after the others.
    pub(super) fn put_behind(&mut self, items: Vec<Item>) {
        if !items.is_empty() {
            self.rest.push_back(items);
        }
    }

    /// All that is still to be sent.
    pub(super) fn left(&self) -> Vec<Item> {
        self.rest.iter().flatten().cloned().collect()
    }

    /// A request of some items.
    pub(super) fn request(&self, items: &[Item]) -> Vec<u8> {
        let mut items: Vec<&Item> = items.iter().collect();
        items.sort_by_key(|item| item.ordinal);
        let frames = match self.signal {
            Signal::Metrics => merged::merged(&items),
            Signal::Traces | Signal::Logs => items
                .iter()
                .map(|item| &item.encoded[..])
                .collect::<Vec<_>>()
                .concat(),
        };
        self.envelope.request(&frames)
    }
}

/// The only owner of a piece; none if it has several.
pub(super) fn only_owner(items: &[Item]) -> Option<Owner> {
    let first = items.first()?.owner;
    items.iter().all(|item| item.owner == first).then_some(first)
}

/// Two pieces of one: at the boundary between two checks that is next to the middle, or between two items where there
/// is one check only. None of what cannot be divided.
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

/// The name of the check that a piece names first.
pub(super) fn check_named(signal: Signal, items: &[Item]) -> Option<String> {
    items.iter().find_map(|item| {
        let payload = item.payload()?;
        match signal {
            Signal::Metrics => points::check_of(&Metric::decode(payload).ok()?),
            Signal::Traces | Signal::Logs => super::parts::check_of(signal, payload),
        }
    })
}

impl Item {
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

fn items(parts: &Parts<'_>, signal: Signal, request: &Bytes) -> Vec<Item> {
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
            None => items.push(Item::new(number, owner, 1, request.slice_ref(field.whole))),
        }
    }
    for (ordinal, item) in items.iter_mut().enumerate() {
        item.ordinal = ordinal;
    }
    items
}
