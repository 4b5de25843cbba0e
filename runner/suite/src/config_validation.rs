//! Validates the configurations of checks, by the schemas of plugins and by the plugins themselves.

use std::cell::RefCell;
use std::collections::HashMap;

use super::check::RawCheck;
use super::config::ConfigKey;
use super::fields::Reader;
use super::json_schema::{self, ConfigNode, Finding, FindingKind, PartialConfig, SchemaValidator};
use super::plugin_validation::{ConfigProblem, ConfigProblems, ProblemAt};
use super::schema_validation::{SchemaRejection, SchemaVerdict, SchemaVerdicts};
use super::tree::Node;
use super::{Config, PluginFacts, json};

/// Maximum size of a configuration as JSON: a guest has to hold it in its memory.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// A plugin that can be used, with what is needed to validate its configurations.
pub(super) struct UsablePlugin<'a> {
    pub(super) facts: &'a PluginFacts,
    pub(super) schema: ConfigSchema,
    /// The plugin's own problems with configurations, if it was asked.
    pub(super) problems: Option<ConfigProblems<'a>>,
    pub(super) embedded: bool,
    /// The validated configurations, each once.
    pub(super) configs: RefCell<HashMap<ConfigKey, ValidatedConfig>>,
}

/// A configuration that was validated against its schema.
#[derive(Clone)]
pub(super) enum ValidatedConfig {
    /// Valid: the configuration for the plugin.
    Allowed(Config),
    /// Invalid, which was reported; with the part of it that the plugin can still validate.
    Refused(Option<PartialConfig>),
}

impl ValidatedConfig {
    pub(super) fn into_config(self) -> Option<Config> {
        match self {
            Self::Allowed(config) => Some(config),
            Self::Refused(_) => None,
        }
    }

    /// Whether a problem that the plugin reported applies to the configuration as written.
    fn is_affected_by(&self, problem: &ConfigProblem) -> bool {
        match (self, &problem.at) {
            (Self::Allowed(_), _) | (_, ProblemAt::Target) => true,
            (Self::Refused(Some(rest)), ProblemAt::Config(keys)) => rest.is_complete_at(keys),
            (Self::Refused(_), _) => false,
        }
    }
}

/// How configurations are validated against a schema.
pub(super) enum ConfigSchema {
    /// By the schema, in this process.
    InProcess(Box<SchemaValidator>),
    /// By another process, which returned these verdicts.
    Isolated(SchemaVerdicts),
}

impl ConfigSchema {
    pub(super) fn verdict(
        &self,
        raw: &RawCheck,
        (value, written): (Option<&Node>, ConfigNode<'_>),
        with_findings: bool,
    ) -> SchemaVerdict {
        match self {
            Self::Isolated(verdicts) => verdicts.get(raw.config_key()),
            Self::InProcess(validator) => {
                SchemaVerdict::new(validator, value, with_findings.then_some(written))
            }
        }
    }
}

/// A check's configuration with its references replaced, and as written.
pub(super) fn config_nodes(raw: &RawCheck) -> (Option<&Node>, ConfigNode<'_>) {
    let nothing = ConfigNode {
        key: raw.at,
        node: None,
    };
    match &raw.layer.config {
        None => (None, nothing),
        Some(config) => {
            let written = ConfigNode {
                key: config.key,
                node: Some(&config.node),
            };
            (Some(&config.interpolated.value), written)
        }
    }
}

/// The check's configuration, validated by the plugin's schema. A configuration that several checks share is validated
/// once.
pub(super) fn validate_config(
    reader: &mut Reader<'_>,
    raw: &RawCheck,
    usable: &UsablePlugin<'_>,
) -> ValidatedConfig {
    if let Some(known) = usable.configs.borrow().get(&raw.config_key()) {
        return known.clone();
    }
    let validated = validate_uncached(reader, raw, &usable.schema);
    let key = raw.config_key();
    usable.configs.borrow_mut().insert(key, validated.clone());
    validated
}

fn validate_uncached(reader: &mut Reader<'_>, raw: &RawCheck, schema: &ConfigSchema) -> ValidatedConfig {
    let (value, written) = config_nodes(raw);
    let with_findings = !reader.report.is_full();
    let coercions = match schema.verdict(raw, (value, written), with_findings) {
        SchemaVerdict::Allowed(coercions) => coercions,
        SchemaVerdict::Refused(SchemaRejection { findings, rest }) => {
            if !with_findings {
                reader.report.omit();
            } else if findings.is_empty() {
                let message = "`config` does not match the schema of its plugin";
                reader.problem(written.key, message);
            }
            for finding in findings {
                report_finding(reader, raw, written, finding);
            }
            return ValidatedConfig::Refused(rest);
        }
    };
    let json = json::to_exact_json(value, &coercions, &[]);
    if json.len() > MAX_CONFIG_BYTES {
        let limit = MAX_CONFIG_BYTES >> 20;
        reader.problem(written.key, format!("`config` is larger than {limit} MiB"));
    }
    ValidatedConfig::Allowed(Config::new(json))
}

/// Reports a finding, unless it is a consequence of a reported problem, or may not apply to a layer that no check uses.
fn report_finding(reader: &mut Reader<'_>, raw: &RawCheck, written: ConfigNode<'_>, finding: Finding) {
    let is_irrelevant = match finding.about {
        FindingKind::Value | FindingKind::Key => false,
        FindingKind::Missing => raw.is_layer(),
        // A text whose reference failed may decide between the alternatives.
        FindingKind::Choice => {
            let node = written.node.and_then(|node| node.at_position(finding.at));
            node.is_some_and(|node| node.any(&mut |node| reader.report.is_suppressed(node.at)))
        }
    };
    if is_irrelevant || !reader.report.is_first(finding.at, &finding.message) {
        return;
    }
    match finding.about {
        FindingKind::Key => reader.problem_of_key(finding.at, finding.message, finding.hint),
        _ => reader.problem_with(finding.at, finding.message, finding.hint),
    }
}

/// Reports the plugin's own problems with the configuration and the targets. Problems with a target that does not match
/// the plugin's syntax were reported.
pub(super) fn report_plugin_problems(
    reader: &mut Reader<'_>,
    raw: &RawCheck,
    (usable, validated): (&UsablePlugin<'_>, &ValidatedConfig),
    fits: impl Fn(usize) -> bool,
) {
    let problems = usable.problems.iter();
    let problems = problems.flat_map(|problems| problems.of_check(raw));
    let is_reported =
        |target: usize, problem: &ConfigProblem| problem.at == ProblemAt::Target && !fits(target);
    let applicable = problems
        .filter(|(target, problem)| !is_reported(*target, problem) && validated.is_affected_by(problem));
    for (target, problem) in applicable {
        let finding = finding(problem, raw, target);
        reader.problem_with(finding.at, finding.message, finding.hint);
    }
}

/// The problem as a finding at its position; `target` is the index of the check's target.
fn finding(problem: &ConfigProblem, check: &RawCheck, target: usize) -> Finding {
    let (_, written) = config_nodes(check);
    let (at, path) = match &problem.at {
        ProblemAt::Config(keys) => json_schema::locate(written, keys),
        ProblemAt::Target => {
            let target = check.targets.get(target);
            (target.map_or(check.at, |target| target.at), "target".to_owned())
        }
        ProblemAt::Check => (check.at, "config".to_owned()),
    };
    Finding {
        at,
        about: FindingKind::Value,
        message: format!("`{path}`: {}", problem.message),
        hint: problem.hint.clone(),
    }
}
