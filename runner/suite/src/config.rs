//! `config:` of a check, with references replaced.

use std::sync::Arc;

use super::failed_references::FailedReferences;
use super::fields::Reader;
use super::interpolate::{InterpolationContext, Interpolator, Unresolved};
use super::merge;
use super::tree::{Entry, Kind, Node};
use super::value_schemas::ValueSchemas;
use crate::problem::Position;
use canary_record::redact::Secret;

/// Bytes that each value counts for, in addition to those of its text.
const VALUE_BYTES: usize = 32;
/// Maximum number of values of a configuration, those behind aliases included. As JSON, while it is validated, a value
/// may take a kilobyte.
const MAX_VALUES: usize = 50_000;
const OPEN: &str = "${";

/// `config:` as written, and with references replaced.
#[derive(Clone)]
pub(super) struct RawConfig {
    pub(super) key: Position,
    pub(super) node: Node,
    pub(super) interpolated: InterpolatedConfig,
    /// Approximate bytes that each configuration takes that includes this one.
    pub(super) weight: usize,
    /// The configurations that it inherits from, nearest first, until they are merged.
    pub(super) inherited: Vec<Arc<Self>>,
}

impl RawConfig {
    pub(super) fn new(key: Position, node: Node, interpolated: InterpolatedConfig) -> Self {
        Self {
            key,
            weight: weight(&interpolated.value),
            node,
            interpolated,
            inherited: Vec::new(),
        }
    }

    /// This, to be merged over what it inherits so far and then `base`.
    pub(super) fn over(&self, base: &Arc<Self>) -> Self {
        let mut own = self.clone();
        own.inherited.push(Arc::clone(base));
        own.weight = own.weight.saturating_add(base.weight);
        own
    }

    /// This, and each configuration that it inherits from, nearest first.
    pub(super) fn layers(&self) -> impl DoubleEndedIterator<Item = &Self> {
        std::iter::once(self).chain(self.inherited.iter().map(|base| &**base))
    }

    /// All layers as one. The farthest are merged first, so that what one layer removes does not come back.
    pub(super) fn merged(&self, schemas: &ValueSchemas<'_>) -> Self {
        let mut layers = self.layers().rev().cloned();
        let farthest = layers.next().unwrap_or_else(|| self.clone());
        let merged = layers.fold(farthest, |base, own| own.merged_over(&base, schemas));
        Self {
            weight: self.weight,
            inherited: Vec::new(),
            ..merged
        }
    }

    /// This merged over `base`: mappings are merged, everything else is replaced, and `null` removes the inherited
    /// value.
    fn merged_over(&self, base: &Self, schemas: &ValueSchemas<'_>) -> Self {
        let (own, below) = (&self.interpolated, &base.interpolated);
        Self {
            key: self.key,
            node: merge::over(&self.node, &base.node, schemas),
            interpolated: InterpolatedConfig {
                value: merge::over(&own.value, &below.value, schemas),
                secrets: [own.secrets.as_slice(), &below.secrets].concat(),
            },
            ..self.clone()
        }
    }
}

fn weight(node: &Node) -> usize {
    let below = match &node.kind {
        Kind::Text(text) => text.len(),
        Kind::List(nodes) => nodes.iter().map(weight).sum(),
        Kind::Map(entries) => {
            let each = entries.iter().map(|entry| entry.key.len() + weight(&entry.value));
            each.sum()
        }
        _ => 0,
    };
    VALUE_BYTES.saturating_add(below)
}

fn has_too_many_values(node: &Node) -> bool {
    let mut values = 0;
    node.any(&mut |_| {
        values += 1;
        values > MAX_VALUES
    })
}

/// Reads the `config:` of any layer.
pub(super) fn read(
    reader: &mut Reader<'_>,
    entry: &Entry,
    interpolator: &mut Interpolator<'_>,
) -> Option<RawConfig> {
    if !matches!(entry.value.kind, Kind::Map(_) | Kind::Null) {
        reader.problem(
            entry.value.at,
            format!("`config`: expected a mapping, found {}", entry.value.found()),
        );
        return None;
    }
    if has_too_many_values(&entry.value) {
        let message = format!("`config` has more than {MAX_VALUES} values");
        let hint = "share them among several checks".to_owned();
        reader.problem_with(entry.at, message, Some(hint));
        return None;
    }
    let context = InterpolationContext {
        directory: reader.source.directory(),
        captures: true,
        variables: true,
    };
    let (interpolated, unresolved) = interpolate(&entry.value, context, interpolator);
    for (at, reference) in &unresolved.references {
        reader.report_unresolved(*at, reference);
    }
    reader.report.suppress(unresolved.failed);
    Some(RawConfig::new(entry.at, entry.value.clone(), interpolated))
}

/// A configuration with its references replaced, except for those that have no value.
#[derive(Clone)]
pub(super) struct InterpolatedConfig {
    pub(super) value: Node,
    pub(super) secrets: Vec<Arc<Secret>>,
}

/// References of a configuration that have no value. The texts that contain them stay as they are written.
#[derive(Default)]
pub(super) struct UnresolvedReferences {
    pub(super) references: Vec<(Position, Unresolved)>,
    pub(super) failed: FailedReferences,
}

/// Replaces the references in every text in `node`.
pub(super) fn interpolate(
    node: &Node,
    context: InterpolationContext<'_>,
    interpolator: &mut Interpolator<'_>,
) -> (InterpolatedConfig, UnresolvedReferences) {
    let mut interpolation = Interpolation {
        context,
        interpolator,
        secrets: Vec::new(),
        unresolved: UnresolvedReferences::default(),
    };
    let value = interpolation.value(node);
    let secrets = interpolation.secrets;
    (InterpolatedConfig { value, secrets }, interpolation.unresolved)
}

struct Interpolation<'a, 'e> {
    context: InterpolationContext<'a>,
    interpolator: &'a mut Interpolator<'e>,
    secrets: Vec<Arc<Secret>>,
    unresolved: UnresolvedReferences,
}

impl Interpolation<'_, '_> {
    /// Subtrees without a reference are shared.
    fn value(&mut self, node: &Node) -> Node {
        let kind = match &node.kind {
            Kind::Text(text) => Kind::Text(self.text(text, node.at)),
            Kind::List(nodes) if nodes.iter().any(has_reference) => {
                Kind::List(nodes.iter().map(|node| self.value(node)).collect())
            }
            Kind::Map(entries) if entries.iter().any(|entry| has_reference(&entry.value)) => {
                Kind::Map(entries.iter().map(|entry| self.entry(entry)).collect())
            }
            kind => kind.clone(),
        };
        Node { at: node.at, kind }
    }

    fn entry(&mut self, entry: &Entry) -> Entry {
        let before = self.unresolved.references.len();
        let value = self.value(&entry.value);
        if self.unresolved.references.len() > before && value.text().is_some() {
            self.unresolved.failed.keys.push(entry.at);
        }
        Entry {
            value,
            ..entry.clone()
        }
    }

    fn text(&mut self, text: &Arc<str>, at: Position) -> Arc<str> {
        if !text.contains(OPEN) {
            return Arc::clone(text);
        }
        match self.interpolator.expand(text, self.context) {
            Ok(expanded) => {
                self.secrets.extend(expanded.secrets);
                expanded.text.into()
            }
            Err(unresolved) => {
                let references = unresolved.into_iter().map(|reference| (at, reference));
                self.unresolved.references.extend(references);
                self.unresolved.failed.positions.push(at);
                Arc::clone(text)
            }
        }
    }
}

fn has_reference(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(text) => text.contains(OPEN),
        Kind::List(nodes) => nodes.iter().any(has_reference),
        Kind::Map(entries) => entries.iter().any(|entry| has_reference(&entry.value)),
        _ => false,
    }
}

/// Identifies a configuration within a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ConfigKey {
    /// A `config:` that checks may share, by its address.
    Shared(usize),
    /// A check without `config:`, by its position.
    Absent(usize, Position),
}
