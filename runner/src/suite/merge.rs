//! The entries of a mapping once it is complete: each key once, `<<` merged in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::error::Report;
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};

/// Brings in the entries of another mapping, as YAML 1.1 has it.
const MERGE: &str = "<<";

/// Entries that are cheaper to compare with each other than to hash.
const FEW: usize = 16;

/// Whether no key is there twice and none is `<<`, seen at a glance; most mappings are like that.
pub(super) fn is_settled(entries: &[Entry]) -> bool {
    let is_new = |(index, entry): (usize, &Entry)| {
        &*entry.key != MERGE && entries.iter().take(index).all(|earlier| earlier.key != entry.key)
    };
    entries.len() <= FEW && entries.iter().enumerate().all(is_new)
}

pub(super) fn settle(entries: Vec<Entry>, source: &Source, report: &mut Report) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut places = HashMap::new();
    let mut merged = Vec::new();
    for entry in entries {
        if &*entry.key == MERGE {
            merged.push(entry);
            continue;
        }
        if let Some(first) = places.insert(Arc::clone(&entry.key), entry.at) {
            let message = format!(
                "the key {} is set twice, first in line {}",
                quoted(&entry.key),
                first.line
            );
            report.add(source.problem(entry.at, message));
        } else {
            kept.push(entry);
        }
    }
    for entry in merged {
        for inherited in bases(&entry.value, source, report) {
            if places.insert(Arc::clone(&inherited.key), inherited.at).is_none() {
                kept.push(inherited.clone());
            }
        }
    }
    kept
}

/// A mapping over another one, and so are the mappings in both; anything else stands for itself, but `null` takes back
/// what is there: a JSON merge patch (RFC 7396) that may itself be patched.
pub(super) fn over(own: &Node, base: &Node) -> Node {
    let (Kind::Map(entries), Kind::Map(inherited)) = (&own.kind, &base.kind) else {
        return own.clone();
    };
    let below: HashMap<&str, &Entry> = inherited.iter().map(|entry| (&*entry.key, entry)).collect();
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len() + inherited.len());
    for entry in &**entries {
        let value = match below.get(&*entry.key) {
            Some(_) if entry.value.is_null() => Node {
                at: entry.value.at,
                kind: Kind::Removed,
            },
            Some(base) => over(&entry.value, &base.value),
            None => entry.value.clone(),
        };
        merged.push(Entry {
            value,
            ..entry.clone()
        });
    }
    let own_keys: HashSet<&str> = entries.iter().map(|entry| &*entry.key).collect();
    let others = inherited.iter().filter(|entry| !own_keys.contains(&*entry.key));
    merged.extend(others.cloned());
    Node {
        at: own.at,
        kind: Kind::Map(merged.into()),
    }
}

/// The entries of the mapping, or of each mapping of the list, that a `<<` stands for.
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
