//! The final entries of a mapping: unique keys, with `<<` merged in.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::report::Report;
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};
use super::value_schemas::ValueSchemas;

/// The merge key of YAML 1.1.
const MERGE: &str = "<<";

/// Up to this number of entries, comparing keys is cheaper than hashing them.
const MAX_COMPARED: usize = 16;

/// A quick test for unique keys without `<<`, which is true for most mappings.
pub(super) fn has_unique_keys(entries: &[Entry]) -> bool {
    let is_new = |(index, entry): (usize, &Entry)| {
        &*entry.key != MERGE && entries.iter().take(index).all(|earlier| earlier.key != entry.key)
    };
    entries.len() <= MAX_COMPARED && entries.iter().enumerate().all(is_new)
}

pub(super) fn unique_entries(
    entries: impl ExactSizeIterator<Item = Entry>,
    source: &Source,
    report: &mut Report,
) -> Vec<Entry> {
    let mut unique: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut positions = HashMap::new();
    let mut merged = Vec::new();
    for entry in entries {
        if &*entry.key == MERGE {
            merged.push(entry);
            continue;
        }
        if let Some(first) = positions.insert(Arc::clone(&entry.key), entry.at) {
            let message = format!(
                "the key {} is set twice, first in line {}",
                quoted(&entry.key),
                first.line
            );
            report.add(source.problem(entry.at, message));
        } else {
            unique.push(entry);
        }
    }
    for entry in merged {
        for inherited in bases(&entry.value, source, report) {
            if positions
                .insert(Arc::clone(&inherited.key), inherited.at)
                .is_none()
            {
                unique.push(inherited.clone());
            }
        }
    }
    unique
}

/// Merges a mapping over another one, recursively; anything else replaces the base, and `null` removes it: a JSON merge
/// patch (RFC 7396) that may itself be patched. The schemas say which values are exempt, and which keys are the same.
pub(super) fn over(own: &Node, base: &Node, schemas: &ValueSchemas<'_>) -> Node {
    let (Kind::Map(entries), Kind::Map(inherited)) = (&own.kind, &base.kind) else {
        return own.clone();
    };
    let below: HashMap<Cow<'_, str>, &Entry> = inherited
        .iter()
        .map(|entry| (schemas.name(&entry.key), entry))
        .collect();
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len() + inherited.len());
    for entry in &**entries {
        let value = match below.get(&schemas.name(&entry.key)) {
            Some(base) => value_over(&entry.value, &base.value, &schemas.of_key(&entry.key)),
            None => entry.value.clone(),
        };
        merged.push(Entry {
            value,
            ..entry.clone()
        });
    }
    let own_keys: HashSet<Cow<'_, str>> = entries.iter().map(|entry| schemas.name(&entry.key)).collect();
    let others = inherited
        .iter()
        .filter(|entry| !own_keys.contains(&schemas.name(&entry.key)));
    merged.extend(others.cloned());
    Node {
        at: own.at,
        kind: Kind::Map(merged.into()),
    }
}

/// The value of a key over the inherited one.
fn value_over(own: &Node, base: &Node, schemas: &ValueSchemas<'_>) -> Node {
    if schemas.are_atomic() {
        return own.clone();
    }
    if own.is_null() {
        return Node {
            at: own.at,
            kind: Kind::Removed,
        };
    }
    over(own, base, schemas)
}

/// The entries of the mapping, or of each mapping of the list, that a `<<` refers to.
fn bases<'n>(value: &'n Node, source: &Source, report: &mut Report) -> Vec<&'n Entry> {
    let mappings = match &value.kind {
        Kind::List(nodes) => nodes.iter().collect(),
        _ => vec![value],
    };
    let mut entries = Vec::new();
    for node in mappings {
        if let Kind::Map(inherited) = &node.kind {
            entries.extend(inherited.iter());
        } else {
            let message = format!("`<<` merges mappings, found {}", node.found());
            report.add(source.problem(node.at, message));
        }
    }
    entries
}
