//! One entry of `checks:`, field by field.

use std::sync::Arc;

use super::Target;
use super::config::{self, RawConfig};
use super::error::Position;
use super::fields::{Located, Names, Reader};
use super::interpolate::{Interpolator, Place};
use super::layer::{self, Layer};
use super::profile::Profile;
use super::raw::MAX_KEY_NAME;
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};
use crate::redact::Secret;

/// What only a check can say.
const OWN_KEYS: [&str; 6] = [
    "name",
    "profile",
    "target",
    "targets",
    "depends_on",
    "expect_failure",
];

/// What a check can say: its own keys, and those of a layer.
pub(super) fn keys() -> Vec<&'static str> {
    [OWN_KEYS.to_vec(), layer::keys()].concat()
}

/// Characters.
pub(super) const MAX_NAME: usize = 200;
pub(super) const MAX_TARGET: usize = 2_048;
/// Elements of `depends_on`.
pub(super) const MAX_DEPENDENCIES: usize = 100;
/// Checks of a suite, each target counted.
pub(super) const MAX_CHECKS: usize = 1_000_000;

/// A check as it is written. What is missing here was reported.
pub(super) struct RawCheck {
    pub(super) source: Arc<Source>,
    pub(super) at: Position,
    /// Its place in the list, from 1.
    number: usize,
    /// Such as ``profile `site`: ``, of a layer that no check uses, which stands in place of one.
    layer_subject: Option<String>,
    pub(super) name: Option<Located<Arc<str>>>,
    pub(super) profile_name: Option<Located<Arc<str>>>,
    /// Whether there is one, right or wrong.
    pub(super) names_profile: bool,
    /// Which that is.
    pub(super) profile: Option<Arc<Profile>>,
    pub(super) targets: Vec<RawTarget>,
    /// Whether it is `targets`, each of which is part of an id.
    pub(super) many: bool,
    /// As it is written, and later with what it inherits.
    pub(super) layer: Layer,
    /// Names of checks.
    pub(super) depends_on: Vec<Located<Arc<str>>>,
    pub(super) expect_failure: bool,
    /// Whether another check has the name already.
    pub(super) is_namesake: bool,
    /// Whether something about the check was reported.
    pub(super) broken: bool,
}

/// One target, references replaced.
pub(super) struct RawTarget {
    pub(super) at: Position,
    pub(super) target: Target,
    pub(super) secrets: Vec<Arc<Secret>>,
}

impl RawCheck {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| &*own.value == name)
    }

    /// A layer in place of a check.
    pub(super) fn of_layer(source: &Arc<Source>, at: Position, (subject, layer): (String, Layer)) -> Self {
        Self {
            layer_subject: Some(subject),
            layer,
            ..Self::new(source, at)
        }
    }

    fn new(source: &Arc<Source>, at: Position) -> Self {
        Self {
            source: Arc::clone(source),
            at,
            number: 0,
            layer_subject: None,
            name: None,
            profile_name: None,
            names_profile: false,
            profile: None,
            targets: Vec::new(),
            many: false,
            layer: Layer::default(),
            depends_on: Vec::new(),
            expect_failure: false,
            is_namesake: false,
            broken: false,
        }
    }

    /// Whether it is a layer, which need not say everything.
    pub(super) fn is_layer(&self) -> bool {
        self.layer_subject.is_some()
    }

    /// Such as ``check `home`: ``.
    pub(super) fn subject(&self) -> String {
        match &self.name {
            _ if self.is_layer() => self.layer_subject.clone().unwrap_or_default(),
            Some(name) => format!("check {}: ", quoted(&name.value)),
            None => format!("check {}: ", self.number),
        }
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
    let keys = keys();
    let mut checks = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        reader.subject = subject(node, index);
        let check = check(reader, source, (node, &keys), interpolator);
        checks.extend(check.map(|check| RawCheck {
            number: index + 1,
            ..check
        }));
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
    (node, keys): (&Node, &[&str]),
    interpolator: &mut Interpolator<'_>,
) -> Option<RawCheck> {
    let entries = reader.mapping("", node, keys)?;
    let mut check = RawCheck::new(source, node.at);
    let before = reader.report.count();
    for entry in entries {
        field(reader, &mut check, entry, interpolator);
    }
    require(reader, node, entries);
    check.broken = reader.report.count() > before;
    Some(check)
}

fn field(reader: &mut Reader<'_>, check: &mut RawCheck, entry: &Entry, interpolator: &mut Interpolator<'_>) {
    // What only a check can say takes nothing back.
    if entry.value.is_null() && OWN_KEYS.contains(&&*entry.key) {
        return;
    }
    match &*entry.key {
        "name" => {
            check.name = reader
                .text(entry, MAX_NAME)
                .map(|name| Located::of(entry, Arc::clone(name)))
        }
        "profile" => {
            check.names_profile = true;
            let name = reader.text(entry, MAX_KEY_NAME);
            check.profile_name = name.map(|name| Located::of(entry, Arc::clone(name)));
        }
        "target" => check.targets = target(reader, &entry.value, interpolator).into_iter().collect(),
        "targets" => {
            check.many = true;
            check.targets = targets(reader, entry, interpolator);
        }
        "depends_on" => check.depends_on = depends_on(reader, entry),
        "expect_failure" => check.expect_failure = reader.flag(entry).unwrap_or_default(),
        _ => check.layer.read(reader, entry, interpolator),
    }
}

/// What no check can do without, and inherits from nowhere.
fn require(reader: &mut Reader<'_>, node: &Node, entries: &[Entry]) {
    let entries = || entries.iter().filter(|entry| !entry.value.is_null());
    let find = |key: &str| entries().find(|entry| &*entry.key == key);
    if find("name").is_none() {
        reader.problem(node.at, "`name` is missing");
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
        variables: true,
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

/// Reads `config:`, of whatever it is.
pub(super) fn raw_config(
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
        variables: true,
    };
    let (filled, unfilled) = config::fill(&entry.value, place, interpolator);
    for (at, reference) in &unfilled.references {
        reader.unresolved(*at, reference);
    }
    reader.report.hush(unfilled.failed);
    Some(RawConfig::new(entry.at, entry.value.clone(), filled))
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
