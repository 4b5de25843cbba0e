//! `labels:` of a check, of a profile or of `defaults:`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use super::fields::{Located, Reader};
use super::schema_parts::{described, text};
use super::setting::{NONE, Setting};
use super::tree::{Entry, Kind, quoted};

/// Maximum number of labels of a check.
pub(super) const MAX_LABELS: usize = 16;
/// Maximum length of the value of a label, in characters.
const MAX_LABEL_VALUE: usize = 256;

/// Labels as parsed, of all layers.
#[derive(Debug, Clone, Default)]
pub(super) struct RawLabels {
    values: BTreeMap<String, Setting<Located<String>>>,
    /// Whether labels of the layers below are not inherited.
    is_final: bool,
    effective: OnceLock<Arc<BTreeMap<String, String>>>,
}

impl RawLabels {
    /// Reads a mapping; `null` removes an inherited label, and `null` or `none` in place of the mapping removes all of
    /// them.
    pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Self {
        let is_none = matches!(&entry.value.kind, Kind::Text(text) if &**text == NONE);
        if is_none || entry.value.is_null() {
            return Self {
                is_final: true,
                ..Self::default()
            };
        }
        let entries = label_entries(reader, entry);
        let values = entries.iter().map(|label| {
            let value = Setting::read(reader, label, |reader, label| {
                let value = reader.text(label, MAX_LABEL_VALUE)?.to_string();
                Some(Located::new(label, value))
            });
            (label.key.to_string(), value)
        });
        Self {
            values: values.collect(),
            ..Self::default()
        }
    }

    /// Whether nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.is_final
    }

    /// These labels, with those of `base` that are not set here.
    pub(super) fn over(&self, base: &Self) -> Self {
        let mut values = self.values.clone();
        if !self.is_final {
            for (label, value) in &base.values {
                let own = values.entry(label.clone()).or_default();
                *own = own.over(value);
            }
        }
        Self {
            values,
            is_final: self.is_final || base.is_final,
            effective: OnceLock::new(),
        }
    }

    /// The labels that are in effect.
    pub(super) fn effective(&self) -> Arc<BTreeMap<String, String>> {
        let effective = self.effective.get_or_init(|| {
            let values = self.values.iter();
            let set = values.filter_map(|(label, value)| Some((label.clone(), value.get()?.value.clone())));
            Arc::new(set.collect())
        });
        Arc::clone(effective)
    }

    /// The labels that are in effect, with their positions.
    pub(super) fn located(&self) -> impl Iterator<Item = (&str, &Located<String>)> {
        let values = self.values.iter();
        values.filter_map(|(label, value)| Some((label.as_str(), value.get()?)))
    }

    /// Approximate bytes of memory.
    pub(super) fn weight(&self) -> usize {
        /// Bytes of a label in addition to its texts.
        const LABEL: usize = 64;
        let each = self.values.iter().map(|(label, value)| {
            let value = value.get().map_or(0, |value| value.value.len());
            LABEL + label.len() + value
        });
        each.sum()
    }
}

/// The schema of `labels:`.
pub(super) fn schema() -> Value {
    json!({
        "type": "object", "maxProperties": MAX_LABELS,
        "additionalProperties": described(text(MAX_LABEL_VALUE), "A value."),
        "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$" },
    })
}

/// Labels that must all have a value, as of a maintenance window.
pub(super) fn labels(reader: &mut Reader<'_>, entry: &Entry) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for label in label_entries(reader, entry) {
        if let Some(value) = reader.text(label, MAX_LABEL_VALUE) {
            labels.insert(label.key.to_string(), value.to_string());
        }
    }
    labels
}

/// The entries of a mapping of labels; invalid names are reported.
fn label_entries<'n>(reader: &mut Reader<'_>, entry: &'n Entry) -> &'n [Entry] {
    const MAX_NAME: usize = 64;
    let Kind::Map(entries) = &entry.value.kind else {
        reader.problem(
            entry.value.at,
            format!("`labels`: expected a mapping, found {}", entry.value.found()),
        );
        return &[];
    };
    if entries.len() > MAX_LABELS {
        reader.problem(
            entry.at,
            format!("`labels`: {} labels; allowed: up to {MAX_LABELS}", entries.len()),
        );
    }
    let is_name = |name: &str| {
        name.len() <= MAX_NAME
            && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    let entries = entries.get(..MAX_LABELS).unwrap_or(entries);
    for label in entries {
        if !is_name(&label.key) {
            let hint =
                format!("use up to {MAX_NAME} letters, digits, `_`, `.` and `-`, starting with a letter");
            reader.problem_with(
                label.at,
                format!("invalid label name {}", quoted(&label.key)),
                Some(hint),
            );
        }
    }
    entries
}
