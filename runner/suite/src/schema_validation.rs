//! Validation of configurations against a plugin's schema, as a request and a response that can be sent to another
//! process.
//!
//! A schema is as untrusted as the plugin that it comes from: a few lines of one can keep a processor busy for years.
//! [`validate_configs`] is pure, so it can run where time and memory are limited.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::ConfigKey;
use super::json::Coercions;
use super::json_schema::{ConfigNode, Finding, PartialConfig, SchemaValidator};
use super::portable::PortableNode;
use super::tree::Node;
use crate::problem::Position;

/// Maximum number of findings of all configurations of a plugin together; beyond it a configuration is rejected without
/// a reason.
const MAX_FINDINGS: usize = 1_000;
/// Maximum length in characters of a message or a hint from another process.
const MAX_TEXT_CHARS: usize = 2_000;

/// Configurations of one plugin, and the schema to validate them against. Contains secrets.
#[derive(Serialize, Deserialize)]
pub struct SchemaRequest {
    pub(super) schema: Value,
    pub(super) configs: Vec<PortableConfig>,
}

/// One configuration: with its references replaced, and as written.
#[derive(Serialize, Deserialize)]
pub(super) struct PortableConfig {
    pub(super) value: Option<PortableNode>,
    pub(super) key: Position,
    pub(super) node: Option<PortableNode>,
}

/// The result of a [`SchemaRequest`], in the order of its configurations.
#[derive(Serialize, Deserialize)]
pub enum SchemaResponse {
    /// One for each configuration.
    Verdicts(Vec<SchemaVerdict>),
    /// The schema itself is invalid, for this reason.
    BadSchema(String),
}

/// The result for one configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SchemaVerdict {
    /// Valid, with these coercions.
    Allowed(Coercions),
    /// Invalid.
    Refused(SchemaRejection),
}

/// Why a configuration is invalid.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SchemaRejection {
    /// Empty if there were too many already.
    pub(super) findings: Vec<Finding>,
    /// The part of it that the plugin can still validate.
    pub(super) rest: Option<PartialConfig>,
}

impl SchemaVerdict {
    /// Validates a configuration; with findings, if `written` is given for their positions.
    pub(super) fn new(
        validator: &SchemaValidator,
        value: Option<&Node>,
        written: Option<ConfigNode<'_>>,
    ) -> Self {
        let coerced = validator.coerce(value);
        if coerced.is_allowed {
            return Self::Allowed(coerced.coercions);
        }
        let findings = written.map(|written| validator.findings(&coerced.value, written));
        Self::Refused(SchemaRejection {
            findings: findings.unwrap_or_default(),
            rest: validator.partial_config(coerced),
        })
    }
}

/// Validates each configuration against the schema. Time and memory are up to the schema.
#[must_use]
pub fn validate_configs(request: &SchemaRequest) -> SchemaResponse {
    let validator = match SchemaValidator::new(&request.schema) {
        Ok(validator) => validator,
        Err(reason) => return SchemaResponse::BadSchema(reason),
    };
    let mut findings = 0;
    let verdicts = request.configs.iter().map(|config| {
        let verdict = config.validate(&validator, findings < MAX_FINDINGS);
        if let SchemaVerdict::Refused(refusal) = &verdict {
            findings += refusal.findings.len();
        }
        verdict
    });
    SchemaResponse::Verdicts(verdicts.collect())
}

impl PortableConfig {
    fn validate(&self, validator: &SchemaValidator, with_findings: bool) -> SchemaVerdict {
        let value = self.value.as_ref().map(PortableNode::to_node);
        let node = self.node.as_ref().map(PortableNode::to_node);
        let written = ConfigNode {
            key: self.key,
            node: node.as_ref(),
        };
        SchemaVerdict::new(validator, value.as_ref(), with_findings.then_some(written))
    }
}

impl SchemaResponse {
    /// Truncates texts and removes control characters: they come from a process that a plugin may have compromised.
    pub(super) fn sanitized(mut self) -> Self {
        match &mut self {
            Self::BadSchema(reason) => *reason = sanitize(reason),
            Self::Verdicts(verdicts) => {
                let refused = verdicts.iter_mut().filter_map(|verdict| match verdict {
                    SchemaVerdict::Allowed(_) => None,
                    SchemaVerdict::Refused(refusal) => Some(&mut refusal.findings),
                });
                for finding in refused.flatten() {
                    finding.message = sanitize(&finding.message);
                    finding.hint = finding.hint.as_deref().map(sanitize);
                }
            }
        }
        self
    }
}

fn sanitize(text: &str) -> String {
    text.chars()
        .take(MAX_TEXT_CHARS)
        .map(super::source::printable)
        .collect()
}

/// Verdicts by configuration.
#[derive(Debug, Default)]
pub(super) struct SchemaVerdicts(HashMap<ConfigKey, SchemaVerdict>);

impl SchemaVerdicts {
    pub(super) fn new(keys: impl Iterator<Item = ConfigKey>, verdicts: &[SchemaVerdict]) -> Self {
        Self(keys.zip(verdicts.iter().cloned()).collect())
    }

    /// The verdict for a configuration; a rejection if there is none.
    pub(super) fn get(&self, key: ConfigKey) -> SchemaVerdict {
        let found = self.0.get(&key).cloned();
        found.unwrap_or_else(|| SchemaVerdict::Refused(SchemaRejection::default()))
    }
}
