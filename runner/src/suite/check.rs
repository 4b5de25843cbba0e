//! One entry of `checks:`, field by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Target;
use super::allow;
use super::config::{self, Filled};
use super::error::Position;
use super::fields::{Located, Names, Reader};
use super::interpolate::{Interpolator, Place};
use super::raw::labels;
use super::settings::{self, Settings};
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};
use crate::grant::{Grant, SecretOrigin};
use crate::redact::Secret;

pub(super) const KEYS: [&str; 17] = [
    "name",
    "plugin",
    "target",
    "targets",
    "config",
    "allow",
    "redirect_secrets_to",
    "labels",
    "depends_on",
    settings::KEYS[0],
    settings::KEYS[1],
    settings::KEYS[2],
    settings::KEYS[3],
    settings::KEYS[4],
    settings::KEYS[5],
    settings::KEYS[6],
    settings::KEYS[7],
];

/// Characters.
pub(super) const MAX_NAME: usize = 200;
const MAX_PLUGIN: usize = 64;
pub(super) const MAX_TARGET: usize = 2_048;
/// Elements of `depends_on`.
pub(super) const MAX_DEPENDENCIES: usize = 100;
/// Checks of a suite, each target counted.
pub(super) const MAX_CHECKS: usize = 1_000_000;

/// A check as it is written. What is missing here was reported.
pub(super) struct RawCheck {
    pub(super) source: Arc<Source>,
    pub(super) at: Position,
    pub(super) name: Option<Located<Arc<str>>>,
    pub(super) plugin: Option<Located<Arc<str>>>,
    pub(super) targets: Vec<RawTarget>,
    /// Whether it is `targets`, each of which is part of an id.
    pub(super) many: bool,
    pub(super) settings: Settings,
    pub(super) allow: Vec<Grant>,
    pub(super) redirect_secrets_to: Vec<SecretOrigin>,
    pub(super) labels: BTreeMap<String, String>,
    /// Names of checks.
    pub(super) depends_on: Vec<Located<Arc<str>>>,
    pub(super) config: Option<RawConfig>,
    /// Whether something about the check was reported.
    pub(super) broken: bool,
}

/// One target, references replaced.
pub(super) struct RawTarget {
    pub(super) at: Position,
    pub(super) target: Target,
    pub(super) secrets: Vec<Arc<Secret>>,
}

/// `config:` as it is written, and with references replaced.
pub(super) struct RawConfig {
    pub(super) key: Position,
    pub(super) node: Node,
    pub(super) filled: Filled,
}

impl RawCheck {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| &*own.value == name)
    }

    /// Such as ``check `home`: ``.
    pub(super) fn subject(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(String::new, |name| format!("check {}: ", quoted(&name.value)))
    }
}

/// The checks of a file.
pub(super) fn checks(
    reader: &mut Reader<'_>,
    source: &Arc<Source>,
    entry: &Entry,
    interpolator: &mut Interpolator<'_>,
) -> Vec<RawCheck> {
    let nodes = match &entry.value.kind {
        Kind::List(nodes) if !nodes.is_empty() => nodes,
        Kind::List(_) | Kind::Null => {
            reader.problem(entry.at, "`checks` is empty");
            return Vec::new();
        }
        _ => {
            reader.list(entry, "checks");
            return Vec::new();
        }
    };
    let mut checks = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        reader.subject = subject(node, index);
        checks.extend(check(reader, source, node, interpolator));
    }
    reader.subject.clear();
    checks
}

/// By name; by number where there is none.
fn subject(node: &Node, index: usize) -> String {
    match node.entry("name").map(|entry| &entry.value.kind) {
        Some(Kind::Text(name)) if !name.trim().is_empty() => format!("check {}: ", quoted(name)),
        _ => format!("check {}: ", index + 1),
    }
}

fn check(
    reader: &mut Reader<'_>,
    source: &Arc<Source>,
    node: &Node,
    interpolator: &mut Interpolator<'_>,
) -> Option<RawCheck> {
    let entries = reader.mapping("", node, &KEYS)?;
    let mut check = RawCheck {
        source: Arc::clone(source),
        at: node.at,
        name: None,
        plugin: None,
        targets: Vec::new(),
        many: false,
        settings: Settings::default(),
        allow: Vec::new(),
        redirect_secrets_to: Vec::new(),
        labels: BTreeMap::new(),
        depends_on: Vec::new(),
        config: None,
        broken: false,
    };
    let before = reader.report.count();
    for entry in entries {
        field(reader, &mut check, entry, interpolator);
    }
    require(reader, node, entries);
    check.broken = reader.report.count() > before;
    Some(check)
}

fn field(reader: &mut Reader<'_>, check: &mut RawCheck, entry: &Entry, interpolator: &mut Interpolator<'_>) {
    match &*entry.key {
        "name" => {
            check.name = reader
                .text(entry, MAX_NAME)
                .map(|name| Located::of(entry, Arc::clone(name)))
        }
        "plugin" => {
            check.plugin = reader
                .text(entry, MAX_PLUGIN)
                .map(|name| Located::of(entry, Arc::clone(name)));
        }
        "target" => check.targets = target(reader, &entry.value, interpolator).into_iter().collect(),
        "targets" => {
            check.many = true;
            check.targets = targets(reader, entry, interpolator);
        }
        "config" => check.config = raw_config(reader, entry, interpolator),
        "allow" => check.allow = allow::allow(reader, entry),
        "redirect_secrets_to" => check.redirect_secrets_to = allow::redirect_secrets_to(reader, entry),
        "labels" => check.labels = labels(reader, entry),
        "depends_on" => check.depends_on = depends_on(reader, entry),
        _ => check.settings.read(reader, entry),
    }
}

/// What no check can do without.
fn require(reader: &mut Reader<'_>, node: &Node, entries: &[Entry]) {
    let find = |key: &str| entries.iter().find(|entry| &*entry.key == key);
    for key in ["name", "plugin"] {
        if find(key).is_none() {
            reader.problem(node.at, format!("`{key}` is missing"));
        }
    }
    match (find("target"), find("targets")) {
        (None, None) => {
            let hint = "write `target: ..`, or `targets: [..]` for one check a target".to_owned();
            reader.problem_with(node.at, "`target` is missing", Some(hint));
        }
        (Some(_), Some(targets)) => reader.problem(targets.at, "both `target` and `targets` are given"),
        _ => {}
    }
}

fn targets(reader: &mut Reader<'_>, entry: &Entry, interpolator: &mut Interpolator<'_>) -> Vec<RawTarget> {
    let Some(nodes) = reader.list(entry, "targets") else {
        return Vec::new();
    };
    if nodes.is_empty() {
        reader.problem(entry.at, "`targets` is empty");
    }
    let mut seen = std::collections::HashSet::new();
    let mut targets = Vec::with_capacity(nodes.len());
    for node in nodes.iter().take(MAX_CHECKS) {
        let Some(found) = target(reader, node, interpolator) else {
            continue;
        };
        if seen.insert(Arc::clone(&found.target.exposed)) {
            targets.push(found);
        } else {
            reader.problem(
                node.at,
                format!("the target {} is listed twice", quoted(&found.target.shown)),
            );
        }
    }
    targets
}

fn target(reader: &mut Reader<'_>, node: &Node, interpolator: &mut Interpolator<'_>) -> Option<RawTarget> {
    let Kind::Text(text) = &node.kind else {
        reader.problem(node.at, format!("expected a target, found {}", node.found()));
        return None;
    };
    let place = Place {
        directory: reader.source.directory(),
        captures: false,
    };
    let expanded = match interpolator.expand(text, place) {
        Ok(expanded) => expanded,
        Err(unresolved) => {
            for problem in &unresolved {
                reader.unresolved(node.at, problem);
            }
            return None;
        }
    };
    let exposed = &expanded.text;
    let wrong = if exposed.trim().is_empty() {
        Some("the target is empty".to_owned())
    } else if exposed.chars().nth(MAX_TARGET).is_some() {
        Some(format!("the target is longer than {MAX_TARGET} characters"))
    } else {
        exposed
            .chars()
            .any(char::is_control)
            .then(|| "the target holds a control character".to_owned())
    };
    if let Some(message) = wrong {
        reader.problem(node.at, message);
        return None;
    }
    Some(RawTarget {
        at: node.at,
        target: Target::redacted(&expanded.text, &expanded.shown),
        secrets: expanded.secrets,
    })
}

fn raw_config(
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
    let place = Place {
        directory: reader.source.directory(),
        captures: true,
    };
    let filled = config::fill(&entry.value, place, interpolator);
    for (at, problem) in &filled.unresolved {
        reader.unresolved(*at, problem);
    }
    Some(RawConfig {
        key: entry.at,
        node: entry.value.clone(),
        filled,
    })
}

fn depends_on(reader: &mut Reader<'_>, entry: &Entry) -> Vec<Located<Arc<str>>> {
    let names = Names {
        what: "names of checks",
        without: "leave it out for none",
        most: MAX_DEPENDENCIES,
        limit: MAX_NAME,
    };
    reader.names(entry, &names).unwrap_or_default()
}
