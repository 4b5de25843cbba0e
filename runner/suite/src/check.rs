//! One entry of `checks:`, field by field.

use std::sync::Arc;

use serde_json::json;

use super::Target;
use super::config::ConfigKey;
use super::fields::{Located, Names, Reader};
use super::interpolate::{InterpolationContext, Interpolator};
use super::layer::{self, Layer};
use super::names::{MAX_KEY_NAME, MAX_NAME};
use super::profile::Profile;
use super::schema_parts::{Key, described, names, text};
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};
use crate::problem::Position;
use canary_record::redact::Secret;

/// Keys that only a check has.
pub(super) static OWN_KEYS: [Key; 6] = [
    Key {
        name: "name",
        description: "Unique in the suite.",
        schema: || text(MAX_NAME),
    },
    Key {
        name: "profile",
        description: "One of `profiles`; provides the settings that the check does not set.",
        schema: || text(MAX_KEY_NAME),
    },
    Key {
        name: "target",
        description: "The target, in the plugin's own syntax.",
        schema: || text(MAX_TARGET),
    },
    Key {
        name: "targets",
        description: "Several targets: one check for each.",
        schema: || {
            let target = described(text(MAX_TARGET), "A target.");
            json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": target })
        },
    },
    Key {
        name: "depends_on",
        description: "Checks that this one depends on: while one of them is down, this one sends no alerts.",
        schema: || {
            names(
                MAX_DEPENDENCIES,
                described(text(MAX_NAME), "The name of a check."),
            )
        },
    },
    Key {
        name: "expect_failure",
        description: "Whether the target is expected to fail: `fail` counts as `pass`, `pass` and `warn` as `fail` \
            [default: false].",
        schema: || json!({ "type": "boolean" }),
    },
];

/// The keys of a check: its own, and those of a layer.
pub(super) fn keys() -> Vec<&'static str> {
    OWN_KEYS.iter().map(|key| key.name).chain(layer::keys()).collect()
}

/// Maximum length in characters.
const MAX_TARGET: usize = 2_048;
/// Maximum number of elements of `depends_on`.
const MAX_DEPENDENCIES: usize = 100;
/// Maximum number of checks of a suite, each target counted.
pub(super) const MAX_CHECKS: usize = 1_000_000;

/// A check as parsed, before inheritance and validation. A field that is missing here was reported.
pub(super) struct RawCheck {
    pub(super) source: Arc<Source>,
    pub(super) at: Position,
    /// Its index in the list, from 1.
    number: usize,
    /// Set for a layer that no check uses and that is validated like a check, such as ``profile `site`: ``.
    layer_subject: Option<String>,
    pub(super) name: Option<Located<Arc<str>>>,
    pub(super) profile_name: Option<Located<Arc<str>>>,
    /// Whether `profile` is set, valid or not.
    pub(super) has_profile_key: bool,
    /// The profile that `profile_name` resolves to.
    pub(super) profile: Option<Arc<Profile>>,
    pub(super) targets: Vec<RawTarget>,
    /// Whether the check uses `targets`, which makes each target part of an id.
    pub(super) has_target_list: bool,
    /// As parsed, and later with what it inherits.
    pub(super) layer: Layer,
    /// Names of checks.
    pub(super) depends_on: Vec<Located<Arc<str>>>,
    pub(super) expect_failure: bool,
    /// Whether another check already has the name.
    pub(super) is_namesake: bool,
    /// Whether a problem with the check was reported.
    pub(super) is_invalid: bool,
}

/// One target, with its references replaced.
pub(super) struct RawTarget {
    pub(super) at: Position,
    pub(super) target: Target,
    pub(super) secrets: Vec<Arc<Secret>>,
}

impl RawCheck {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| &*own.value == name)
    }

    /// Identifies the check among those of the suite.
    pub(super) fn position(&self) -> (usize, Position) {
        (self.source.order(), self.at)
    }

    /// The key of its configuration, valid as long as the draft exists.
    pub(super) fn config_key(&self) -> ConfigKey {
        match &self.layer.config {
            Some(config) => ConfigKey::Shared(Arc::as_ptr(config).addr()),
            None => ConfigKey::Absent(self.source.order(), self.at),
        }
    }

    /// A layer that is validated like a check.
    pub(super) fn from_layer(source: &Arc<Source>, at: Position, (subject, layer): (String, Layer)) -> Self {
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
            has_profile_key: false,
            profile: None,
            targets: Vec::new(),
            has_target_list: false,
            layer: Layer::default(),
            depends_on: Vec::new(),
            expect_failure: false,
            is_namesake: false,
            is_invalid: false,
        }
    }

    /// Whether this is a layer, which may be incomplete.
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
            let hint = "begin each check with `- `".to_owned();
            reader.unexpected(entry, "a list of checks", Some(hint));
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

/// By name, or by number if there is none.
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
    check.is_invalid = reader.report.count() > before;
    Some(check)
}

fn field(reader: &mut Reader<'_>, check: &mut RawCheck, entry: &Entry, interpolator: &mut Interpolator<'_>) {
    // Keys of the check itself are not inherited, so `null` removes nothing.
    if entry.value.is_null() && OWN_KEYS.iter().any(|key| key.name == &*entry.key) {
        return;
    }
    match &*entry.key {
        "name" => {
            check.name = reader
                .text(entry, MAX_NAME)
                .map(|name| Located::new(entry, Arc::clone(name)))
        }
        "profile" => {
            check.has_profile_key = true;
            let name = reader.text(entry, MAX_KEY_NAME);
            check.profile_name = name.map(|name| Located::new(entry, Arc::clone(name)));
        }
        "target" => check.targets = target(reader, &entry.value, interpolator).into_iter().collect(),
        "targets" => {
            check.has_target_list = true;
            check.targets = targets(reader, entry, interpolator);
        }
        "depends_on" => check.depends_on = depends_on(reader, entry),
        "expect_failure" => check.expect_failure = reader.flag(entry).unwrap_or_default(),
        _ => check.layer.read(reader, entry, interpolator),
    }
}

/// Reports missing keys that a check cannot inherit.
fn require(reader: &mut Reader<'_>, node: &Node, entries: &[Entry]) {
    let entries = || entries.iter().filter(|entry| !entry.value.is_null());
    let find = |key: &str| entries().find(|entry| &*entry.key == key);
    if find("name").is_none() {
        reader.problem(node.at, "`name` is missing");
    }
    match (find("target"), find("targets")) {
        (None, None) => {
            let hint = "write `target: ..`, or `targets: [..]` for one check per target".to_owned();
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
                format!("the target {} is listed twice", quoted(&found.target.masked)),
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
    let context = InterpolationContext {
        directory: reader.source.directory(),
        captures: false,
        variables: true,
    };
    let expanded = match interpolator.expand(text, context) {
        Ok(expanded) => expanded,
        Err(unresolved) => {
            for problem in &unresolved {
                reader.report_unresolved(node.at, problem);
            }
            return None;
        }
    };
    let exposed = &expanded.text;
    let message = if exposed.trim().is_empty() {
        Some("the target is empty".to_owned())
    } else if exposed.chars().nth(MAX_TARGET).is_some() {
        Some(format!("the target is longer than {MAX_TARGET} characters"))
    } else {
        exposed
            .chars()
            .any(char::is_control)
            .then(|| "the target contains a control character".to_owned())
    };
    if let Some(message) = message {
        reader.problem(node.at, message);
        return None;
    }
    Some(RawTarget {
        at: node.at,
        target: Target::redacted(&expanded.text, &expanded.masked),
        secrets: expanded.secrets,
    })
}

fn depends_on(reader: &mut Reader<'_>, entry: &Entry) -> Vec<Located<Arc<str>>> {
    let names = Names {
        what: "names of checks",
        empty_hint: "leave it out for none",
        max: MAX_DEPENDENCIES,
        max_chars: MAX_NAME,
    };
    reader.names(entry, &names).unwrap_or_default()
}
