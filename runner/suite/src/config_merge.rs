//! Merges the configurations of checks over those that they inherit, once the schemas of their plugins are known.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use serde_json::Value;

use super::Catalog;
use super::check::RawCheck;
use super::config::RawConfig;
use super::fields::Reader;
use super::json_schema::{self, ConfigNode};
use super::report::Report;
use super::tree::{Entry, Kind, Node, quoted};
use super::value_schemas::ValueSchemas;

const UNKNOWN_SCHEMA: &Value = &Value::Null;

/// Merges the configuration of each check. Keys of one configuration that are the same name are reported.
pub(super) fn merge_all<'c>(
    checks: impl Iterator<Item = &'c mut RawCheck>,
    catalog: &Catalog,
    report: &mut Report,
) {
    let mut mergers: HashMap<Arc<str>, ConfigMerger<'_>> = HashMap::new();
    for check in checks {
        let Some(config) = check.layer.config.take() else {
            continue;
        };
        let plugin = check.layer.plugin.get().map(|plugin| Arc::clone(&plugin.value));
        let merger = mergers.entry(plugin.unwrap_or_default());
        let merger = merger.or_insert_with_key(|plugin| ConfigMerger::new(plugin, catalog));
        let mut reader = Reader {
            source: &check.source,
            report,
            subject: check.subject(),
        };
        check.layer.config = Some(merger.merge(config, &mut reader));
    }
}

/// Merges the configurations of one plugin.
struct ConfigMerger<'c> {
    schemas: ValueSchemas<'c>,
    /// What checks share, by its address. The original is kept alive so that the address is not reused.
    shared: HashMap<usize, MergedConfig>,
}

struct MergedConfig {
    merged: Arc<RawConfig>,
    _of: Arc<RawConfig>,
}

impl<'c> ConfigMerger<'c> {
    fn new(plugin: &str, catalog: &'c Catalog) -> Self {
        let facts = catalog.get(plugin).and_then(|facts| facts.as_ref().ok());
        Self {
            schemas: ValueSchemas::new(facts.map_or(UNKNOWN_SCHEMA, |facts| &facts.config_schema)),
            shared: HashMap::new(),
        }
    }

    fn merge(&mut self, config: Arc<RawConfig>, reader: &mut Reader<'_>) -> Arc<RawConfig> {
        // A configuration of a single check is not needed again.
        if Arc::strong_count(&config) == 1 {
            return self.merge_new(config, reader);
        }
        let address = Arc::as_ptr(&config).addr();
        if let Some(known) = self.shared.get(&address) {
            return Arc::clone(&known.merged);
        }
        let merged = self.merge_new(Arc::clone(&config), reader);
        let known = MergedConfig {
            merged: Arc::clone(&merged),
            _of: config,
        };
        self.shared.insert(address, known);
        merged
    }

    fn merge_new(&self, config: Arc<RawConfig>, reader: &mut Reader<'_>) -> Arc<RawConfig> {
        for layer in config.layers() {
            let mut search = NameSearch {
                layer,
                keys: Vec::new(),
                reader,
            };
            search.below(&layer.node, &self.schemas);
        }
        if config.inherited.is_empty() {
            return config;
        }
        Arc::new(config.merged(&self.schemas))
    }
}

/// Finds keys of one mapping that are the same name although they differ in case.
struct NameSearch<'a, 'n, 'r> {
    layer: &'n RawConfig,
    /// The keys and indices that lead to the mapping.
    keys: Vec<String>,
    reader: &'a mut Reader<'r>,
}

impl<'n> NameSearch<'_, 'n, '_> {
    fn below(&mut self, node: &'n Node, schemas: &ValueSchemas<'_>) {
        match &node.kind {
            Kind::Map(entries) => {
                if schemas.ignore_case() {
                    self.report_same_names(entries);
                }
                for entry in &**entries {
                    self.enter(entry.key.to_string(), &entry.value, || schemas.of_key(&entry.key));
                }
            }
            Kind::List(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    self.enter(index.to_string(), node, || schemas.of_elements());
                }
            }
            _ => {}
        }
    }

    fn enter<'s>(&mut self, key: String, node: &'n Node, schemas: impl FnOnce() -> ValueSchemas<'s>) {
        if matches!(node.kind, Kind::Map(_) | Kind::List(_)) {
            self.keys.push(key);
            self.below(node, &schemas());
            self.keys.pop();
        }
    }

    fn report_same_names(&mut self, entries: &[Entry]) {
        let mut known: HashMap<String, &Entry> = HashMap::with_capacity(entries.len());
        for entry in entries {
            let name = entry.key.to_ascii_lowercase();
            match known.entry(name) {
                Slot::Occupied(first) => self.report(entry, first.get()),
                Slot::Vacant(free) => {
                    free.insert(entry);
                }
            }
        }
    }

    fn report(&mut self, entry: &Entry, first: &Entry) {
        let written = ConfigNode {
            key: self.layer.key,
            node: Some(&self.layer.node),
        };
        let (_, path) = json_schema::locate(written, &self.keys);
        let message = format!(
            "`{path}`: {} is the same name as {} in line {}",
            quoted(&entry.key),
            quoted(&first.key),
            first.at.line
        );
        if self.reader.report.is_first(entry.at, &message) {
            let hint = "upper and lower case make no difference here: write the name once".to_owned();
            self.reader.problem_of_key(entry.at, message, Some(hint));
        }
    }
}
