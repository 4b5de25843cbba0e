//! A plugin's schema and the configurations that it judges, as values that another process can be given.
//!
//! A schema is as hostile as the plugin that it comes from: a few lines of one can keep a processor busy for years.
//! [`judge`] is pure, so it can be done where time and memory are limited.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contract::{Contract, Finding, Written};
use super::error::Position;
use super::portable::PortableNode;

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
    pub(super) value: Value,
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
    /// It may be used.
    Allowed,
    /// It may not; without findings where too many were made already.
    Refused(Vec<Finding>),
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
        if let Verdict::Refused(found) = &verdict {
            findings += found.len();
        }
        verdict
    });
    Judgement::Verdicts(verdicts.collect())
}

impl PortableConfig {
    fn judge(&self, contract: &Contract, explain: bool) -> Verdict {
        if contract.allows(&self.value) {
            return Verdict::Allowed;
        }
        if !explain {
            return Verdict::Refused(Vec::new());
        }
        let node = self.node.as_ref().map(PortableNode::to_node);
        let written = Written {
            key: self.key,
            node: node.as_ref(),
        };
        Verdict::Refused(contract.judge(&self.value, written))
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
                    Verdict::Allowed => None,
                    Verdict::Refused(findings) => Some(findings),
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

/// Verdicts by the place of the check that each is about.
#[derive(Debug, Default)]
pub(super) struct Verdicts(HashMap<(usize, Position), Verdict>);

impl Verdicts {
    pub(super) fn new(places: impl Iterator<Item = (usize, Position)>, verdicts: &[Verdict]) -> Self {
        Self(places.zip(verdicts.iter().cloned()).collect())
    }

    /// What was said of the check at this place of this file; refused when it was not asked about.
    pub(super) fn of(&self, place: (usize, Position)) -> Verdict {
        let found = self.0.get(&place).cloned();
        found.unwrap_or(Verdict::Refused(Vec::new()))
    }
}
