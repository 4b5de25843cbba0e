//! Validation of configurations by the plugin itself, for what a schema cannot express, such as a pattern that does not
//! compile.
//!
//! A plugin validates each distinct pair of configuration and target once, however many checks share it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::check::RawCheck;
use crate::problem::Position;
use canary_record::redact::{Secret, Secrets};

/// Maximum number of problems with all configurations of a plugin together.
pub const MAX_CONFIG_PROBLEMS: usize = 1_000;
/// Maximum length of a message, of a hint, or of a key, in bytes.
const MAX_TEXT: usize = 1 << 10;

/// Bytes of configurations that are sent repeatedly, once for each target; beyond that the shortened form is sent.
const MAX_REPEATED: usize = 32 << 20;
/// Maximum bytes in a shortened configuration: of each key with its value, and in total.
const MAX_SHORT_MEMBER: usize = 1 << 10;
const MAX_SHORT_CONFIG: usize = 4 << 10;

/// Configurations of one plugin that its schema allows. Contains secrets.
#[derive(Default, Serialize, Deserialize)]
pub struct ConfigRequest {
    /// Each distinct one.
    pub configs: Vec<ConfigUse>,
}

impl ConfigRequest {
    /// Whether there is nothing to validate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configs.is_empty()
    }
}

/// A configuration, and the targets that it is used with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigUse {
    /// JSON.
    pub config: String,
    /// Each distinct one. None if the configuration is validated without a target.
    pub targets: Vec<String>,
    /// The shortened form of a long configuration, for all targets but the first: its small members only. A plugin then
    /// validates only the target; the full form would cost the length of the configuration times the number of its
    /// targets.
    pub short: Option<String>,
}

impl ConfigUse {
    /// The configuration to send along with the target at `index`.
    #[must_use]
    pub fn for_target(&self, index: usize) -> &str {
        match &self.short {
            Some(short) if index > 0 => short,
            _ => &self.config,
        }
    }

    /// Whether the shortened configuration is sent along with the target at `index`.
    #[must_use]
    pub fn is_shortened(&self, index: usize) -> bool {
        index > 0 && self.short.is_some()
    }

    /// Decides whether to send a shortened form; `left` are the bytes that may still be repeated.
    fn shorten(&mut self, left: &mut usize) {
        let repeated = self
            .config
            .len()
            .saturating_mul(self.targets.len().saturating_sub(1));
        match left.checked_sub(repeated) {
            _ if self.config.len() <= MAX_SHORT_CONFIG => {}
            Some(rest) => *left = rest,
            None => self.short = Some(short_members(&self.config)),
        }
    }
}

/// The small members of a JSON object.
fn short_members(config: &str) -> String {
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(config) else {
        return "{}".to_owned();
    };
    let mut left = MAX_SHORT_CONFIG;
    let short = members.into_iter().filter(|(key, value)| {
        let length = key.len() + value.get().len();
        let rest = left.checked_sub(length).filter(|_| length <= MAX_SHORT_MEMBER);
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    let short: BTreeMap<String, &RawValue> = short.collect();
    serde_json::to_string(&short).unwrap_or_else(|_| "{}".to_owned())
}

/// A plugin's response to a [`ConfigRequest`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigResponse {
    /// In the order of the request.
    #[serde(rename = "objections")]
    pub problems: Vec<ConfigProblem>,
    /// Set if the plugin failed to respond; the remaining configurations were not validated.
    #[serde(rename = "ended")]
    pub aborted: Option<ConfigAborted>,
}

/// Why a plugin failed to respond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigAborted {
    /// Index of the configuration that was being validated.
    pub config: usize,
    /// The reason as text.
    pub reason: String,
    /// Whether the cause may be temporary: the host ran short of something.
    pub is_transient: bool,
}

/// A problem that a plugin reports with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigProblem {
    /// Index of the configuration.
    pub config: usize,
    /// Index among its targets; absent: the problem does not depend on the target.
    pub target: Option<usize>,
    /// The part of the check.
    pub at: ProblemAt,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

/// The part of a check that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemAt {
    /// The check as a whole.
    Check,
    /// Its `target`.
    Target,
    /// A position in its `config`: the keys and the indices that lead there, outermost first. Empty: all of it.
    Config(Vec<String>),
}

/// Builds a [`ConfigRequest`] without duplicates.
#[derive(Default)]
pub(super) struct ConfigRequestBuilder {
    request: ConfigRequest,
    configs: HashMap<String, usize>,
    targets: HashMap<(usize, String), usize>,
    uses: ConfigUses,
}

/// Maps checks and their targets to the configurations and targets of a [`ConfigRequest`].
#[derive(Debug, Default)]
pub struct ConfigUses(HashMap<(usize, Position), ConfigTargets>);

#[derive(Debug)]
struct ConfigTargets {
    config: usize,
    targets: Vec<usize>,
}

impl ConfigRequestBuilder {
    /// The index of a configuration, which is added if new.
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

    /// Records that a check has this configuration.
    pub(super) fn add(&mut self, check: &RawCheck, config: usize) {
        let targets = check.targets.iter();
        let targets = targets.map(|target| self.target(config, target.target.expose()));
        let targets = targets.collect();
        let uses = ConfigTargets { config, targets };
        self.uses.0.insert(check.position(), uses);
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

    pub(super) fn finish(mut self) -> (ConfigRequest, ConfigUses) {
        let mut left = MAX_REPEATED;
        for config in &mut self.request.configs {
            config.shorten(&mut left);
        }
        (self.request, self.uses)
    }
}

/// A plugin's problems with the configurations of a suite, by check.
#[derive(Debug)]
pub(super) struct ConfigProblems<'a> {
    uses: &'a ConfigUses,
    /// By configuration, and by target if the problem depends on it.
    by_use: HashMap<(usize, Option<usize>), Vec<ConfigProblem>>,
}

impl<'a> ConfigProblems<'a> {
    /// Masks secrets and truncates texts: they come from a plugin, which may have compromised the process that ran it.
    pub(super) fn new(uses: &'a ConfigUses, response: &ConfigResponse, secrets: &Secrets) -> Self {
        let mut by_use: HashMap<_, Vec<ConfigProblem>> = HashMap::new();
        for problem in response.problems.iter().take(MAX_CONFIG_PROBLEMS) {
            let problem = ConfigProblem {
                at: match &problem.at {
                    ProblemAt::Config(keys) => {
                        ProblemAt::Config(keys.iter().map(|key| sanitize(key, secrets)).collect())
                    }
                    other => other.clone(),
                },
                message: sanitize(&problem.message, secrets),
                hint: problem.hint.as_deref().map(|hint| sanitize(hint, secrets)),
                ..problem.clone()
            };
            let of = by_use.entry((problem.config, problem.target)).or_default();
            of.push(problem);
        }
        Self { uses, by_use }
    }

    /// The problems of a check, each with the index of its target.
    pub(super) fn of_check(&self, check: &RawCheck) -> impl Iterator<Item = (usize, &ConfigProblem)> {
        let uses = self.uses.0.get(&check.position());
        let keys = uses.into_iter().flat_map(|uses| {
            let of_targets = uses.targets.iter().enumerate();
            let of_targets = of_targets.map(|(index, target)| (index, (uses.config, Some(*target))));
            std::iter::once((0, (uses.config, None))).chain(of_targets)
        });
        keys.flat_map(|(index, key)| {
            let problems = self.by_use.get(&key).into_iter().flatten();
            problems.map(move |problem| (index, problem))
        })
    }

    /// The first check that has this configuration.
    pub(super) fn check_with<'c>(
        &self,
        config: usize,
        mut checks: impl Iterator<Item = &'c RawCheck>,
    ) -> Option<&'c RawCheck> {
        checks.find(|check| {
            let uses = self.uses.0.get(&check.position());
            uses.is_some_and(|uses| uses.config == config)
        })
    }
}

/// One line of bounded length, without secrets and control characters.
pub(super) fn sanitize(text: &str, secrets: &Secrets) -> String {
    let text = secrets.redact_truncated(text, MAX_TEXT);
    text.chars().map(super::source::printable).collect()
}

/// The secrets to mask in a plugin's messages about these checks.
pub(super) fn secrets_of<'a>(checks: impl Iterator<Item = &'a RawCheck>) -> Secrets {
    let mut known = HashSet::new();
    let secrets = checks.flat_map(|check| {
        // Many checks may share a configuration.
        let is_new = known.insert(check.config_key());
        let config = check.layer.config.iter().filter(move |_| is_new);
        let of_config = config.flat_map(|config| &config.interpolated.secrets);
        of_config.chain(check.targets.iter().flat_map(|target| &target.secrets))
    });
    let values: BTreeMap<*const Secret, &Arc<Secret>> =
        secrets.map(|secret| (Arc::as_ptr(secret), secret)).collect();
    Secrets::new(values.into_values().map(|secret| secret.expose()))
}
