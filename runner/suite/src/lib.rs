//! A suite: what is checked, how often, and within which limits.
//!
//! Everything here is valid by construction: [`read`] and [`Draft::finish`] turn YAML into a [`Suite`], or report every
//! problem of every file at once. Nothing here knows the async runtime, WebAssembly or the network.

mod alert;
mod allow;
mod annotations;
mod budget;
mod cadence;
mod check;
mod config;
mod config_merge;
mod config_validation;
mod cron;
mod declared_secrets;
mod document;
mod draft;
mod editor_schema;
mod exposure;
mod failed_references;
mod fields;
mod file_keys;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod grant;
mod group;
mod ids;
mod inheritance;
mod interpolate;
mod json;
mod json_schema;
mod labels;
mod layer;
mod layering;
mod limits;
mod maintenance;
mod merge;
mod minimal_check;
pub mod mismatch;
mod names;
mod parse;
mod plugin_validation;
mod portable;
mod possible_names;
pub mod problem;
mod problem_secrets;
mod profile;
mod references;
mod relations;
mod report;
mod schema_parts;
mod schema_validation;
mod secret_keys;
mod secret_spans;
mod setting;
mod settings;
mod source;
pub mod suggest;
mod syntax;
mod target;
#[cfg(test)]
mod tests;
mod timing;
mod tree;
mod unused;
mod validator;
mod value_schemas;
mod variables;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::alert::{AlertRules, Notify, RepeatInterval};
pub use self::annotations::Annotations;
pub use self::cadence::Cadence;
pub use self::cron::{Cron, CronError};
pub use self::document::{Content, Document, Member, PlainSecrets, Value};
pub use self::draft::merged::MergedDraft;
pub use self::draft::{Draft, read, read_text};
pub use self::editor_schema::schema;
pub use self::file_keys::SETTINGS_KEYS;
pub use self::interpolate::{Environment, ProcessEnvironment, SuiteEnvironment};
pub use self::json::ExactJson;
pub use self::maintenance::{Repetition, Scope, Times, Window};
pub use self::plugin_validation::{
    ConfigAborted, ConfigProblem, ConfigRequest, ConfigResponse, ConfigUse, ConfigUses, MAX_CONFIG_PROBLEMS,
    ProblemAt,
};
pub use self::problem_secrets::without_secrets;
pub use self::references::ReferencePolicy;
pub use self::schema_validation::{SchemaRequest, SchemaResponse, validate_configs};
pub use self::target::Target;
pub use self::target::public_url;
pub use self::tree::{quoted, quoted_path};
pub use self::variables::{InvalidVariable, Variable, VariableOverride, VariableOverrides};
use crate::grant::Grants;
pub use crate::problem::{Location, Position, Problem, Problems, SourceLine};
use canary_record::quota::Quota;
pub use canary_record::redact::{SecretRegistry, Secrets};
pub use canary_units as units;

/// A validated suite: the checks, ready to run.
#[derive(Debug, Clone)]
pub struct Suite {
    /// One for each name and target, in file order.
    pub checks: Vec<Arc<Check>>,
    /// The checks that are not enabled: valid, and not run.
    pub disabled: Vec<DisabledCheck>,
    /// How many checks of each group may run at once; at least 1.
    pub groups: BTreeMap<Arc<str>, u32>,
    /// When alerts are suppressed.
    pub maintenance: Vec<Window>,
    /// The values of `${var:NAME}`: those of the command line, then those of the files.
    pub variables: Vec<Variable>,
}

/// A check that the suite has with `enabled: false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledCheck {
    /// The id that it has once it is enabled.
    pub id: CheckId,
    /// The name in the suite.
    pub name: String,
}

/// The limits that the operator of this runner imposes on every suite.
#[derive(Debug, Clone)]
pub struct HostLimits {
    /// The highest quotas that a suite may set.
    pub ceiling: Quota,
    /// Names of the notifiers that `alert:` may refer to; absent when they are not known, in which case every name is
    /// accepted.
    pub notifiers: Option<Vec<String>>,
    /// Secrets that are masked in the texts of every check; the suite's own secrets are added to it.
    pub secrets: SecretRegistry,
}

/// Identity of a check across reloads and restarts: its name, and its target where `targets:` lists several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(Arc<str>);

impl CheckId {
    /// An id from its text form.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text: `name` or `name@target`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&CheckId> for Arc<str> {
    fn from(id: &CheckId) -> Self {
        Self::clone(&id.0)
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A check to run. `Debug` shows only its id, plugin and target: grants hold the host of a target, which may be secret.
#[derive(Clone)]
pub struct Check {
    /// Stable identity.
    pub id: CheckId,
    /// The id in an older version that included queries; absent if it was the same.
    pub former_id: Option<CheckId>,
    /// The name in the suite; shared by all targets of one entry.
    pub name: String,
    /// Key of the plugin: a built-in name or one of `plugins:`.
    pub plugin: String,
    /// What is checked, in the plugin's own syntax.
    pub target: Target,
    /// When the check is due.
    pub cadence: Cadence,
    /// How soon the check runs again while an outcome is not confirmed by others; absent: at the next due time. Never
    /// above the shortest time between two due times.
    pub retry_interval: Option<Duration>,
    /// The deadline of an attempt; never above the shortest time between two due times.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// Consecutive failures that change the status from up to down; at least 1.
    pub failure_threshold: u32,
    /// Consecutive successes that change the status from down to up; at least 1.
    pub success_threshold: u32,
    /// Limits of one attempt.
    pub quota: Quota,
    /// Where the check may connect to.
    pub grants: Grants,
    /// The check's own labels on every metric.
    pub labels: Arc<BTreeMap<String, String>>,
    /// A group of the suite whose concurrency limit the check shares; absent: only the runner's own limit applies.
    pub group: Option<Arc<str>>,
    /// Names of checks. While one of them is down, this check still runs but its alerts are inhibited.
    pub depends_on: Arc<[Arc<str>]>,
    /// Which notifiers are notified when its status changes.
    pub alert: AlertRules,
    /// Static annotations of the check's alerts.
    pub annotations: Annotations,
    /// Whether the target is expected to fail: a verdict of fail then counts as pass, and every other verdict as fail.
    pub expect_failure: bool,
    /// The plugin's configuration, validated against its schema.
    pub config: Config,
    /// Secrets that are masked in everything the guest emits before it leaves the runner.
    pub secrets: Secrets,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("id", &self.id)
            .field("plugin", &self.plugin)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// A check's `config:` as JSON, with secrets in the clear. `Debug` shows only its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Config(Arc<str>);

impl Config {
    /// From JSON text.
    #[must_use]
    pub fn new(json: String) -> Self {
        Self(json.into())
    }

    /// The JSON text, with every secret in the clear: for the guest only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({} bytes, redacted)", self.0.len())
    }
}

/// Where the bytes of a plugin come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// Compiled into the runner.
    Embedded,
    /// A file, with the digest that it must have, if any.
    File {
        /// Relative paths are relative to the suite file.
        path: PathBuf,
        /// Lower-case hexadecimal SHA-256.
        digest: Option<String>,
    },
}

/// What the host knows of a plugin after it has described itself.
#[derive(Debug, Clone)]
pub struct PluginFacts {
    /// JSON Schema (2020-12) of `config:`.
    pub config_schema: Arc<serde_json::Value>,
    /// Such as `URL` or `HOST:PORT`.
    pub target_syntax: String,
    /// Positions in `config:` whose values are secret, as JSON pointers in which `*` matches every key or element.
    pub secrets: Vec<String>,
    /// Bytes of memory that it declares to start with: with a lower quota, no run of it can begin.
    pub initial_memory: u64,
}

/// A plugin that a suite needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDeclaration {
    /// The key under `plugins:`, or the name of an embedded plugin.
    pub name: String,
    /// Where its bytes are.
    pub source: PluginSource,
    /// The declaration; for an embedded plugin, its first use.
    pub location: Location,
}

/// Why a plugin, or its schema, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The end of a message that begins with the plugin's name.
    pub reason: String,
    /// Whether the cause may be temporary: the disk or the host ran short of something.
    pub is_transient: bool,
}

impl From<String> for Unusable {
    /// A reason that does not go away by itself.
    fn from(reason: String) -> Self {
        Self {
            reason,
            is_transient: false,
        }
    }
}

/// What is known of each plugin: its metadata, or why it cannot be used, and the validation results for its
/// configurations.
#[derive(Default)]
pub struct Catalog {
    facts: HashMap<String, Result<PluginFacts, Unusable>>,
    schema_responses: HashMap<String, Result<SchemaResponse, Unusable>>,
    config_responses: HashMap<String, (ConfigUses, Result<ConfigResponse, Unusable>)>,
}

impl Catalog {
    /// Adds a plugin.
    pub fn insert(&mut self, name: impl Into<String>, facts: Result<PluginFacts, Unusable>) {
        self.facts.insert(name.into(), facts);
    }

    /// Adds the result of validating the configurations of [`MergedDraft::schema_request`] against a plugin's schema, or
    /// why there is none. Without it, [`MergedDraft::finish`] validates them in this process.
    pub fn insert_schema_response(
        &mut self,
        name: impl Into<String>,
        response: Result<SchemaResponse, Unusable>,
    ) {
        self.schema_responses
            .insert(name.into(), response.map(SchemaResponse::sanitized));
    }

    /// Adds the plugin's own validation result for the configurations of [`MergedDraft::config_request`], or why there
    /// is none. Without it, everything that the schema allows is accepted.
    pub fn insert_config_response(
        &mut self,
        name: impl Into<String>,
        uses: ConfigUses,
        response: Result<ConfigResponse, Unusable>,
    ) {
        self.config_responses.insert(name.into(), (uses, response));
    }

    fn get(&self, name: &str) -> Option<&Result<PluginFacts, Unusable>> {
        self.facts.get(name)
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
