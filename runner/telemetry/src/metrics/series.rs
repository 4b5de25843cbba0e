//! The series of one check, or of the runner itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use super::instrument::{Instrument, Kind};
use crate::delivery::Owner;
use canary_record::trace::TraceContext;

/// The attributes that identify a point within its instrument, besides the common ones of its [`SeriesSet`].
pub(super) type PointAttributes = Vec<(Cow<'static, str>, Value)>;

/// An attribute value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Shared(Arc<str>),
    Number(i64),
    Flag(bool),
}

impl Value {
    pub(super) fn to_label_value(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Shared(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }
}

/// An attribute with a value from a fixed set.
pub(super) fn static_attribute(key: &'static str, value: &'static str) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(key), Value::Text(Cow::Borrowed(value)))
}

/// An attribute with a dynamic value.
pub(super) fn string_attribute(key: &'static str, value: impl Into<String>) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(key), Value::Text(Cow::Owned(value.into())))
}

/// The value of a series: a number or a distribution.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Point {
    Count(u64),
    Number(f64),
    Histogram(Box<Distribution>),
}

/// A histogram: counts by bucket.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    pub(super) bounds: &'static [f64],
    /// One more than there are bounds.
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
    /// The last exemplar of each bucket; empty until there is one.
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

/// A run that exemplifies a value of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    pub(super) value: f64,
    pub(super) at: SystemTime,
    pub(super) trace: TraceContext,
}

impl Distribution {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
            exemplars: Vec::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn observe(&mut self, value: f64, exemplar: Option<Exemplar>) {
        // A bucket includes its upper bound (OTLP, `explicit_bounds`).
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
        if exemplar.is_some() {
            self.exemplars.resize(self.counts.len(), None);
            if let Some(slot) = self.exemplars.get_mut(bucket) {
                *slot = exemplar;
            }
        }
    }
}

/// The points of one owner, by instrument and attributes.
#[derive(Debug)]
pub(super) struct SeriesSet {
    /// The owner of the points.
    pub(super) owner: Owner,
    /// Attributes shared by all points.
    pub(super) common: PointAttributes,
    /// When the counters started.
    pub(super) start_time: SystemTime,
    points: BTreeMap<Key, Point>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    instrument: usize,
    attributes: PointAttributes,
}

impl Key {
    fn new(instrument: &'static Instrument, attributes: PointAttributes) -> Self {
        let instrument = instrument.index;
        Self {
            instrument,
            attributes,
        }
    }
}

impl SeriesSet {
    pub(super) fn new(owner: Owner, common: PointAttributes, start_time: SystemTime) -> Self {
        Self {
            owner,
            common,
            start_time,
            points: BTreeMap::new(),
        }
    }

    /// Adds to a counter, which exists from then on even if `by` is 0.
    pub(super) fn add(&mut self, instrument: &'static Instrument, attributes: PointAttributes, by: u64) {
        if let Point::Count(count) = self.point(instrument, attributes, || Point::Count(0)) {
            *count = count.saturating_add(by);
        }
    }

    pub(super) fn add_seconds(
        &mut self,
        instrument: &'static Instrument,
        attributes: PointAttributes,
        by: f64,
    ) {
        if let Point::Number(sum) = self.point(instrument, attributes, || Point::Number(0.0)) {
            *sum += by;
        }
    }

    pub(super) fn set(&mut self, instrument: &'static Instrument, attributes: PointAttributes, value: f64) {
        *self.point(instrument, attributes, || Point::Number(0.0)) = Point::Number(value);
    }

    pub(super) fn set_count(
        &mut self,
        instrument: &'static Instrument,
        attributes: PointAttributes,
        value: u64,
    ) {
        *self.point(instrument, attributes, || Point::Count(0)) = Point::Count(value);
    }

    pub(super) fn observe(
        &mut self,
        instrument: &'static Instrument,
        attributes: PointAttributes,
        value: f64,
        exemplar: Option<Exemplar>,
    ) {
        let Kind::Histogram(bounds) = instrument.kind else {
            return;
        };
        let new = || Point::Histogram(Box::new(Distribution::new(bounds)));
        if let Point::Histogram(distribution) = self.point(instrument, attributes, new) {
            distribution.observe(value, exemplar);
        }
    }

    /// Removes all points of an instrument; current values are set again.
    pub(super) fn clear(&mut self, instrument: &'static Instrument) {
        let keys: Vec<Key> = self.range(instrument).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.points.remove(&key);
        }
    }

    pub(super) fn contains(&self, instrument: &'static Instrument, attributes: &PointAttributes) -> bool {
        self.points
            .contains_key(&Key::new(instrument, attributes.clone()))
    }

    pub(super) fn series_count(&self, instrument: &'static Instrument) -> usize {
        self.range(instrument).count()
    }

    /// The points of an instrument, ordered by attributes.
    pub(super) fn points_of(
        &self,
        instrument: &'static Instrument,
    ) -> impl Iterator<Item = (&PointAttributes, &Point)> {
        self.range(instrument)
            .map(|(key, point)| (&key.attributes, point))
    }

    /// The points after the one with these attributes, whether that still exists or not.
    pub(super) fn points_after(
        &self,
        instrument: &'static Instrument,
        attributes: PointAttributes,
    ) -> impl Iterator<Item = (&PointAttributes, &Point)> {
        let reached = Bound::Excluded(Key::new(instrument, attributes));
        self.starting_at(instrument, reached)
            .map(|(key, point)| (&key.attributes, point))
    }

    fn range(&self, instrument: &'static Instrument) -> impl Iterator<Item = (&Key, &Point)> {
        self.starting_at(instrument, Bound::Included(Key::new(instrument, Vec::new())))
    }

    fn starting_at(
        &self,
        instrument: &'static Instrument,
        first: Bound<Key>,
    ) -> impl Iterator<Item = (&Key, &Point)> {
        self.points
            .range((first, Bound::Unbounded))
            .take_while(|(key, _)| key.instrument == instrument.index)
    }

    fn point(
        &mut self,
        instrument: &'static Instrument,
        attributes: PointAttributes,
        new: impl FnOnce() -> Point,
    ) -> &mut Point {
        let key = Key::new(instrument, attributes);
        match self.points.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(new()),
        }
    }
}
