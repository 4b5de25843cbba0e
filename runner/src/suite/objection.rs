//! Configurations that their plugin itself judges, and what it says of them: a schema has no word for a pattern that does
//! not compile, or for a key that is no key.
//!
//! A plugin is asked once for each configuration and each of its targets, however many checks have them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::check::RawCheck;
use super::contract::{self, About, Finding};
use super::error::Position;
use super::{judged, validate};
use crate::redact::{Secret, Secrets};

/// Objections to all configurations of a plugin together; nobody reads more.
pub const MAX_OBJECTIONS: usize = 1_000;
/// Bytes of a message, of a hint, or of a key.
const MAX_TEXT: usize = 1 << 10;

/// Bytes of configurations that a plugin gets again for each of their targets; beyond that it gets what is short of them.
const MAX_REPEATED: usize = 32 << 20;
/// Bytes of what is short of a configuration: of each key with its value, and together.
const SHORT_MEMBER: usize = 1 << 10;
const SHORT_CONFIG: usize = 4 << 10;

/// Configurations of one plugin that its schema allows. Holds secrets.
#[derive(Default, Serialize, Deserialize)]
pub struct ConfigRequest {
    /// Each once.
    pub configs: Vec<ConfigUse>,
}

impl ConfigRequest {
    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configs.is_empty()
    }
}

/// A configuration, and the targets that it is used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigUse {
    /// JSON.
    pub config: String,
    /// Each once. None where the configuration is judged by itself.
    pub targets: Vec<String>,
    /// In place of a long configuration, for all targets but the first: what of it is short. A plugin then judges the target
    /// alone; anything else would take as much as the length of the configuration times the number of its targets.
    pub short: Option<String>,
}

impl ConfigUse {
    /// The configuration that a plugin gets with a target, by the index of that.
    #[must_use]
    pub fn for_target(&self, index: usize) -> &str {
        match &self.short {
            Some(short) if index > 0 => short,
            _ => &self.config,
        }
    }

    /// Whether a plugin gets less than the configuration with a target.
    #[must_use]
    pub fn is_shortened(&self, index: usize) -> bool {
        index > 0 && self.short.is_some()
    }

    /// Decides what is repeated; `left` are the bytes that may be.
    fn shorten(&mut self, left: &mut usize) {
        let repeated = self
            .config
            .len()
            .saturating_mul(self.targets.len().saturating_sub(1));
        match left.checked_sub(repeated) {
            _ if self.config.len() <= SHORT_CONFIG => {}
            Some(rest) => *left = rest,
            None => self.short = Some(short_members(&self.config)),
        }
    }
}

/// What is short of a JSON object.
fn short_members(config: &str) -> String {
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(config) else {
        return "{}".to_owned();
    };
    let mut left = SHORT_CONFIG;
    let short = members.into_iter().filter(|(key, value)| {
        let length = key.len() + value.get().len();
        let rest = left.checked_sub(length).filter(|_| length <= SHORT_MEMBER);
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    let short: BTreeMap<String, &RawValue> = short.collect();
    serde_json::to_string(&short).unwrap_or_else(|_| "{}".to_owned())
}

/// What a plugin says of configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigAnswer {
    /// In the order in which they were asked about.
    pub objections: Vec<Objection>,
    /// Where the plugin came to no answer; it was asked about no other configurations.
    pub ended: Option<Ended>,
}

/// Why a plugin came to no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Index of the configuration that it was asked about.
    pub config: usize,
    /// In words.
    pub reason: String,
    /// Whether it may pass by itself: the host was short of something.
    pub is_transient: bool,
}

/// One thing that a plugin has against a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// Index of the configuration.
    pub config: usize,
    /// Index among its targets; absent: it holds whatever the target is.
    pub target: Option<usize>,
    /// Where.
    pub at: ProblemAt,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The part of a check that an objection is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemAt {
    /// The check as a whole.
    Check,
    /// Its `target`.
    Target,
    /// A place in its `config`: the keys and the indices that lead there, the outermost first. None: all of it.
    Config(Vec<String>),
}

/// A request while it is put together.
#[derive(Default)]
pub(super) struct Collector {
    request: ConfigRequest,
    configs: HashMap<String, usize>,
    targets: HashMap<(usize, String), usize>,
    uses: Uses,
}

/// Which configuration each check has, and which of its targets each target of the check is.
#[derive(Debug, Default)]
pub struct Uses(HashMap<(usize, Position), ConfigTargets>);

#[derive(Debug)]
struct ConfigTargets {
    config: usize,
    targets: Vec<usize>,
}

impl Collector {
    /// The index of a configuration.
    pub(super) fn config(&mut self, config: String) -> usize {
        if let Some(known) = self.configs.get(&config) {
            return *known;
        }
        let index = self.request.configs.len();
        self.configs.insert(config.clone(), index);
        self.request.configs.push(ConfigUse {
            config,
            targets: Vec::new(),
            short: None,
        });
        index
    }

    /// A check has this configuration.
    pub(super) fn add(&mut self, check: &RawCheck, config: usize) {
        let targets = check.targets.iter();
        let targets = targets.map(|target| self.target(config, target.target.expose()));
        let targets = targets.collect();
        let uses = ConfigTargets { config, targets };
        self.uses.0.insert(validate::place(check), uses);
    }

    fn target(&mut self, config: usize, target: &str) -> usize {
        let key = (config, target.to_owned());
        if let Some(known) = self.targets.get(&key) {
            return *known;
        }
        let Some(used) = self.request.configs.get_mut(config) else {
            return 0;
        };
        let index = used.targets.len();
        used.targets.push(target.to_owned());
        self.targets.insert(key, index);
        index
    }

    pub(super) fn finish(mut self) -> (ConfigRequest, Uses) {
        let mut left = MAX_REPEATED;
        for config in &mut self.request.configs {
            config.shorten(&mut left);
        }
        (self.request, self.uses)
    }
}

/// What a plugin has against the configurations of a suite, by check.
#[derive(Debug)]
pub(super) struct Objections<'a> {
    uses: &'a Uses,
    /// By configuration, and by target where that is to blame.
    by_use: HashMap<(usize, Option<usize>), Vec<Objection>>,
}

impl<'a> Objections<'a> {
    /// Masks what must not be seen, and cuts what is too long: a plugin wrote it, which may have got hold of the process
    /// that asked it.
    pub(super) fn new(uses: &'a Uses, answer: &ConfigAnswer, secrets: &Secrets) -> Self {
        let mut by_use: HashMap<_, Vec<Objection>> = HashMap::new();
        for objection in answer.objections.iter().take(MAX_OBJECTIONS) {
            let objection = Objection {
                at: match &objection.at {
                    ProblemAt::Config(keys) => {
                        ProblemAt::Config(keys.iter().map(|key| shown(key, secrets)).collect())
                    }
                    other => other.clone(),
                },
                message: shown(&objection.message, secrets),
                hint: objection.hint.as_deref().map(|hint| shown(hint, secrets)),
                ..objection.clone()
            };
            let of = by_use.entry((objection.config, objection.target)).or_default();
            of.push(objection);
        }
        Self { uses, by_use }
    }

    /// Those to a check, with the index of the target that each was made with.
    pub(super) fn to(&self, check: &RawCheck) -> impl Iterator<Item = (usize, &Objection)> {
        let uses = self.uses.0.get(&validate::place(check));
        let keys = uses.into_iter().flat_map(|uses| {
            let of_targets = uses.targets.iter().enumerate();
            let of_targets = of_targets.map(|(index, target)| (index, (uses.config, Some(*target))));
            std::iter::once((0, (uses.config, None))).chain(of_targets)
        });
        keys.flat_map(|(index, key)| {
            let objections = self.by_use.get(&key).into_iter().flatten();
            objections.map(move |objection| (index, objection))
        })
    }

    /// A check that has this configuration, which is the first in its file.
    pub(super) fn check_with<'c>(
        &self,
        config: usize,
        mut checks: impl Iterator<Item = &'c RawCheck>,
    ) -> Option<&'c RawCheck> {
        checks.find(|check| {
            let uses = self.uses.0.get(&validate::place(check));
            uses.is_some_and(|uses| uses.config == config)
        })
    }
}

/// One line of a bounded length, without secrets and control characters.
pub(super) fn shown(text: &str, secrets: &Secrets) -> String {
    let text = secrets.redact_within(text, MAX_TEXT);
    text.chars().map(super::source::printable).collect()
}

/// What must be masked in what a plugin says of these checks.
pub(super) fn secrets_of<'a>(checks: impl Iterator<Item = &'a RawCheck>) -> Secrets {
    let mut known = HashSet::new();
    let secrets = checks.flat_map(|check| {
        // Many checks may have a configuration in common.
        let is_new = known.insert(validate::key(check));
        let config = check.layer.config.iter().filter(move |_| is_new);
        let of_config = config.flat_map(|config| &config.filled.secrets);
        of_config.chain(check.targets.iter().flat_map(|target| &target.secrets))
    });
    let values: BTreeMap<*const Secret, &Arc<Secret>> =
        secrets.map(|secret| (Arc::as_ptr(secret), secret)).collect();
    Secrets::of(values.into_values().map(|secret| secret.expose()))
}

/// As a finding at its place in the file; `target` is the index of that of the check that it was made with.
pub(super) fn finding(objection: &Objection, check: &RawCheck, target: usize) -> Finding {
    let (_, written) = judged::written(check);
    let (at, path) = match &objection.at {
        ProblemAt::Config(keys) => contract::place(written, keys),
        ProblemAt::Target => {
            let target = check.targets.get(target);
            (target.map_or(check.at, |target| target.at), "target".to_owned())
        }
        ProblemAt::Check => (check.at, "config".to_owned()),
    };
    Finding {
        at,
        about: About::Value,
        message: format!("`{path}`: {}", objection.message),
        hint: objection.hint.clone(),
    }
}
