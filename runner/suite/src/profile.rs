//! `profiles:`, named layers that checks inherit from.

use std::sync::Arc;

use super::fields::Reader;
use super::interpolate::Interpolator;
use super::layer::Layer;
use super::names::{is_key_name, key_name_hint};
use super::source::Source;
use super::tree::{Entry, Kind, quoted};
use crate::problem::Position;

/// Maximum number of profiles of a file.
pub(super) const MAX_PROFILES: usize = 1_000;

/// A named layer that checks can inherit from.
pub(super) struct Profile {
    pub(super) name: Arc<str>,
    pub(super) source: Arc<Source>,
    pub(super) at: Position,
    pub(super) layer: Layer,
}

impl Profile {
    /// Such as ``profile `site`: ``.
    pub(super) fn subject(&self) -> String {
        format!("profile {}: ", quoted(&self.name))
    }
}

/// The profiles of a file.
pub(super) fn profiles(
    reader: &mut Reader<'_>,
    source: &Arc<Source>,
    entry: &Entry,
    interpolator: &mut Interpolator<'_>,
) -> Vec<Arc<Profile>> {
    let Kind::Map(entries) = &entry.value.kind else {
        let message = format!("`profiles`: expected a mapping, found {}", entry.value.found());
        let hint = "write `NAME: { plugin: http, .. }` for each profile".to_owned();
        reader.problem_with(entry.value.at, message, Some(hint));
        return Vec::new();
    };
    if entries.len() > MAX_PROFILES {
        let message = format!(
            "`profiles`: {} profiles; allowed: up to {MAX_PROFILES}",
            entries.len()
        );
        reader.problem(entry.at, message);
    }
    let mut profiles = Vec::with_capacity(entries.len().min(MAX_PROFILES));
    for entry in entries.iter().take(MAX_PROFILES) {
        reader.subject = format!("profile {}: ", quoted(&entry.key));
        if !is_key_name(&entry.key) {
            let message = "invalid profile name";
            reader.problem_with(entry.at, message, Some(key_name_hint()));
        }
        profiles.push(Arc::new(Profile {
            name: Arc::clone(&entry.key),
            source: Arc::clone(source),
            at: entry.at,
            layer: Layer::from_entry(reader, entry, interpolator),
        }));
    }
    reader.subject.clear();
    profiles
}
