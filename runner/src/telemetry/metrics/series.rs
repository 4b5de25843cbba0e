//! The points of one check, or of the runner itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use super::instrument::{Instrument, Kind};
use crate::telemetry::delivery::Owner;
use crate::trace::TraceContext;

/// What tells a point from others of its instrument, beyond the attributes of its scope.
pub(super) type Extra = Vec<(Cow<'static, str>, Value)>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Shared(Arc<str>),
    Number(i64),
    Flag(bool),
}

impl Value {
    pub(super) fn show(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Shared(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }
}

/// An attribute whose value is one of a known set.
pub(super) fn word(key: &'static str, value: &'static str) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(key), Value::Text(Cow::Borrowed(value)))
}

/// An attribute whose value was made up elsewhere.
pub(super) fn text(key: &'static str, value: impl Into<String>) -> (Cow<'static, str>, Value) {
    (Cow::Borrowed(key), Value::Text(Cow::Owned(value.into())))
}

/// One number that is told, or a distribution of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Point {
    Count(u64),
    Number(f64),
    Histogram(Box<Distribution>),
}

/// Counts by bucket.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    pub(super) bounds: &'static [f64],
    /// One more than there are bounds.
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
    /// The last of each bucket; empty as long as there is none.
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

/// A run that a number of a histogram stands for.
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

    fn take(&mut self, value: f64, exemplar: Option<Exemplar>) {
        // A bound belongs to the bucket below it (OTLP, `explicit_bounds`).
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
        if exemplar.is_some() {
            self.exemplars.resize(self.counts.len(), None);
            if let Some(place) = self.exemplars.get_mut(bucket) {
                *place = exemplar;
            }
        }
    }
}

/// Points by instrument and attributes.
#[derive(Debug)]
pub(super) struct Scope {
    /// Whose points these are.
    pub(super) owner: Owner,
    /// What all points have in common.
    pub(super) base: Extra,
    /// When the counters started.
    pub(super) since: SystemTime,
    points: BTreeMap<Key, Point>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    instrument: usize,
    extra: Extra,
}

impl Key {
    fn of(instrument: &'static Instrument, extra: Extra) -> Self {
        let instrument = instrument.place;
        Self { instrument, extra }
    }
}

impl Scope {
    pub(super) fn new(owner: Owner, base: Extra, since: SystemTime) -> Self {
        Self {
            owner,
            base,
            since,
            points: BTreeMap::new(),
        }
    }

    /// Adds to a count, which is there from now on even if `by` is 0.
    pub(super) fn add(&mut self, instrument: &'static Instrument, extra: Extra, by: u64) {
        if let Point::Count(count) = self.point(instrument, extra, || Point::Count(0)) {
            *count = count.saturating_add(by);
        }
    }

    pub(super) fn add_seconds(&mut self, instrument: &'static Instrument, extra: Extra, by: f64) {
        if let Point::Number(sum) = self.point(instrument, extra, || Point::Number(0.0)) {
            *sum += by;
        }
    }

    pub(super) fn set(&mut self, instrument: &'static Instrument, extra: Extra, value: f64) {
        *self.point(instrument, extra, || Point::Number(0.0)) = Point::Number(value);
    }

    pub(super) fn set_count(&mut self, instrument: &'static Instrument, extra: Extra, value: u64) {
        *self.point(instrument, extra, || Point::Count(0)) = Point::Count(value);
    }

    pub(super) fn observe(
        &mut self,
        instrument: &'static Instrument,
        extra: Extra,
        value: f64,
        exemplar: Option<Exemplar>,
    ) {
        let Kind::Histogram(bounds) = instrument.kind else {
            return;
        };
        let new = || Point::Histogram(Box::new(Distribution::new(bounds)));
        if let Point::Histogram(distribution) = self.point(instrument, extra, new) {
            distribution.take(value, exemplar);
        }
    }

    /// Forgets what an instrument told; what is true now is set again.
    pub(super) fn forget(&mut self, instrument: &'static Instrument) {
        let gone: Vec<Key> = self.range(instrument).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.points.remove(&key);
        }
    }

    pub(super) fn has(&self, instrument: &'static Instrument, extra: &Extra) -> bool {
        self.points.contains_key(&Key::of(instrument, extra.clone()))
    }

    pub(super) fn count_of(&self, instrument: &'static Instrument) -> usize {
        self.range(instrument).count()
    }

    /// The points of an instrument, in the order of their attributes.
    pub(super) fn of(&self, instrument: &'static Instrument) -> impl Iterator<Item = (&Extra, &Point)> {
        self.range(instrument).map(|(key, point)| (&key.extra, point))
    }

    /// Those behind the one of these attributes, whether that is still there or not.
    pub(super) fn after(
        &self,
        instrument: &'static Instrument,
        extra: Extra,
    ) -> impl Iterator<Item = (&Extra, &Point)> {
        let reached = Bound::Excluded(Key::of(instrument, extra));
        self.starting_at(instrument, reached)
            .map(|(key, point)| (&key.extra, point))
    }

    fn range(&self, instrument: &'static Instrument) -> impl Iterator<Item = (&Key, &Point)> {
        self.starting_at(instrument, Bound::Included(Key::of(instrument, Vec::new())))
    }

    fn starting_at(
        &self,
        instrument: &'static Instrument,
        first: Bound<Key>,
    ) -> impl Iterator<Item = (&Key, &Point)> {
        self.points
            .range((first, Bound::Unbounded))
            .take_while(|(key, _)| key.instrument == instrument.place)
    }

    fn point(
        &mut self,
        instrument: &'static Instrument,
        extra: Extra,
        new: impl FnOnce() -> Point,
    ) -> &mut Point {
        let key = Key::of(instrument, extra);
        match self.points.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(new()),
        }
    }
}
