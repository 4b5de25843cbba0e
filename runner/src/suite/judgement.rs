//! A plugin's schema and the configurations that it judges, as values that another process can be given.
//!
//! A schema is as hostile as the plugin that it comes from: a few lines of one can keep a processor busy for years.
//! [`judge`] is pure, so it can be done where time and memory are limited.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contract::{Contract, Finding, Rest, Written};
use super::error::Position;
use super::json::Readings;
use super::portable::PortableNode;
use super::tree::Node;
use super::validate::ConfigKey;

/// Findings of all configurations of a plugin together; beyond that a configuration is refused without a reason.
const MAX_FINDINGS: usize = 1_000;
/// Characters of a message or a hint that came from another process.
const MAX_TEXT: usize = 2_000;

/// Configurations of one plugin, and the schema that judges them. Holds secrets.
#[derive(Serialize, Deserialize)]
pub struct SchemaRequest {
    pub(super) schema: Value,
    pub(super) configs: Vec<PortableConfig>,
}

/// One configuration: with its references replaced, and as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct PortableConfig {
    pub(super) value: Option<PortableNode>,
    pub(super) key: Position,
    pub(super) node: Option<PortableNode>,
}

/// What a schema says of configurations, in the order of the request.
#[derive(Serialize, Deserialize)]
pub enum Judgement {
    /// One for each configuration.
    Verdicts(Vec<Verdict>),
    /// The schema itself makes no sense, for this reason.
    BadSchema(String),
}

/// What a schema says of one configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Verdict {
    /// It may be used, read like this.
    Allowed(Readings),
    /// It may not.
    Refused(Refusal),
}

/// Why a configuration may not be used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Refusal {
    /// None where too many were made already.
    pub(super) findings: Vec<Finding>,
    /// What of it the plugin can judge all the same.
    pub(super) rest: Option<Rest>,
}

impl Verdict {
    /// What a schema says of a configuration; with findings, if `written` says where it is.
    pub(super) fn new(contract: &Contract, value: Option<&Node>, written: Option<Written<'_>>) -> Self {
        let read = contract.read(value);
        if read.is_allowed {
            return Self::Allowed(read.readings);
        }
        let findings = written.map(|written| contract.judge(&read.value, written));
        Self::Refused(Refusal {
            findings: findings.unwrap_or_default(),
            rest: contract.rest(read),
        })
    }
}

/// Judges each configuration by the schema. Takes as much time and memory as the schema wants.
#[must_use]
pub fn judge(request: &SchemaRequest) -> Judgement {
    let contract = match Contract::new(&request.schema) {
        Ok(contract) => contract,
        Err(reason) => return Judgement::BadSchema(reason),
    };
    let mut findings = 0;
    let verdicts = request.configs.iter().map(|config| {
        let verdict = config.judge(&contract, findings < MAX_FINDINGS);
        if let Verdict::Refused(refusal) = &verdict {
            findings += refusal.findings.len();
        }
        verdict
    });
    Judgement::Verdicts(verdicts.collect())
}

impl PortableConfig {
    fn judge(&self, contract: &Contract, explain: bool) -> Verdict {
        let value = self.value.as_ref().map(PortableNode::to_node);
        let node = self.node.as_ref().map(PortableNode::to_node);
        let written = Written {
            key: self.key,
            node: node.as_ref(),
        };
        Verdict::new(contract, value.as_ref(), explain.then_some(written))
    }
}

impl Judgement {
    /// Cuts texts to a length that can be shown, and control characters out of them: they came from a process that a
    /// plugin may have got hold of.
    pub(super) fn bounded(mut self) -> Self {
        match &mut self {
            Self::BadSchema(reason) => *reason = bounded(reason),
            Self::Verdicts(verdicts) => {
                let refused = verdicts.iter_mut().filter_map(|verdict| match verdict {
                    Verdict::Allowed(_) => None,
                    Verdict::Refused(refusal) => Some(&mut refusal.findings),
                });
                for finding in refused.flatten() {
                    finding.message = bounded(&finding.message);
                    finding.hint = finding.hint.as_deref().map(bounded);
                }
            }
        }
        self
    }
}

fn bounded(text: &str) -> String {
    text.chars()
        .take(MAX_TEXT)
        .map(super::source::printable)
        .collect()
}

/// Verdicts by the configuration that each is about.
#[derive(Debug, Default)]
pub(super) struct Verdicts(HashMap<ConfigKey, Verdict>);

impl Verdicts {
    pub(super) fn new(keys: impl Iterator<Item = ConfigKey>, verdicts: &[Verdict]) -> Self {
        Self(keys.zip(verdicts.iter().cloned()).collect())
    }

    /// What was said of a configuration; refused when it was not asked about.
    pub(super) fn of(&self, key: ConfigKey) -> Verdict {
        let found = self.0.get(&key).cloned();
        found.unwrap_or_else(|| Verdict::Refused(Refusal::default()))
    }
}
