//! `groups:`: checks that share a concurrency limit.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::fields::{Located, Reader};
use super::names::{is_key_name, key_name_hint};
use super::report::Report;
use super::source::Source;
use super::tree::{Entry, Kind, quoted};
use crate::problem::Location;

pub(super) const KEYS: [&str; 1] = ["concurrency"];
/// Allowed concurrency limits of a group.
pub(super) const CONCURRENCY: RangeInclusive<u64> = 1..=100_000;
/// Maximum number of groups of a suite.
pub(super) const MAX_GROUPS: usize = 100;

/// A group as parsed. An invalid limit was reported.
pub(super) struct RawGroup {
    name: Located<Arc<str>>,
    concurrency: Option<u32>,
}

/// The groups of a file.
pub(super) fn groups(reader: &mut Reader<'_>, entry: &Entry) -> Vec<RawGroup> {
    let Kind::Map(entries) = &entry.value.kind else {
        let hint = "write `NAME: { concurrency: 10 }` for each group".to_owned();
        reader.unexpected(entry, "a mapping", Some(hint));
        return Vec::new();
    };
    let groups = entries.iter().map(|entry| {
        reader.subject = format!("group {}: ", quoted(&entry.key));
        RawGroup {
            name: Located::new(entry, Arc::clone(&entry.key)),
            concurrency: concurrency(reader, entry),
        }
    });
    let groups = groups.collect();
    reader.subject.clear();
    groups
}

fn concurrency(reader: &mut Reader<'_>, entry: &Entry) -> Option<u32> {
    if !is_key_name(&entry.key) {
        reader.problem_with(entry.at, "invalid group name", Some(key_name_hint()));
    }
    let mut fields = reader.fields("", &entry.value, &KEYS)?;
    let Some(field) = fields.find(|field| &*field.key == "concurrency") else {
        let hint = "write how many of its checks may run at once: `{ concurrency: 10 }`".to_owned();
        reader.problem_with(entry.at, "`concurrency` is missing", Some(hint));
        return None;
    };
    let concurrency = reader.count(field, CONCURRENCY)?;
    u32::try_from(concurrency.value).ok()
}

/// The concurrency limits of the groups of all files, each given with its file. Several files may declare the same
/// group with the same limit.
pub(super) fn declared<'a>(
    declarations: impl Iterator<Item = (&'a Source, &'a RawGroup)>,
    report: &mut Report,
) -> BTreeMap<Arc<str>, u32> {
    let mut groups: BTreeMap<Arc<str>, (u32, Location)> = BTreeMap::new();
    for (source, group) in declarations {
        let at = group.name.key;
        // An invalid limit was reported; checks may still use the group.
        let concurrency = group.concurrency.unwrap_or(1);
        let full = groups.len() == MAX_GROUPS;
        let message = match groups.entry(Arc::clone(&group.name.value)) {
            Slot::Occupied(known) if group.concurrency.is_none_or(|own| own == known.get().0) => continue,
            Slot::Occupied(known) => format!("already declared differently at {}", known.get().1),
            Slot::Vacant(_) if full => format!("a suite holds at most {MAX_GROUPS} groups"),
            Slot::Vacant(slot) => {
                slot.insert((concurrency, source.location(at)));
                continue;
            }
        };
        let subject = format!("group {}: ", quoted(&group.name.value));
        report.add(source.problem(at, subject + &message));
    }
    let limits = groups.into_iter();
    limits
        .map(|(name, (concurrency, _))| (name, concurrency))
        .collect()
}
