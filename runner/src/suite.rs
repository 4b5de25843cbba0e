//! A suite: what is checked, how often, and within which limits.
//!
//! Everything here is right by type: [`read`] and [`Draft::finish`] turn YAML into a [`Suite`], or into every
//! problem of every file at once.

mod alert;
mod allow;
mod annotations;
mod cadence;
mod check;
mod config;
mod contract;
mod cron;
mod document;
mod draft;
mod error;
mod exposure;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group;
mod ids;
mod inheritance;
mod interpolate;
mod json;
mod judged;
mod judgement;
mod labels;
mod layer;
mod limits;
mod maintenance;
mod merge;
mod objection;
mod open_names;
mod parse;
mod plain;
mod portable;
mod profile;
mod raw;
mod references;
mod relations;
mod scalar;
mod schema;
mod secret_places;
mod setting;
mod settings;
mod source;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod timing;
mod tree;
mod unused;
mod validate;
mod variables;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::alert::{AlertRules, Notify, Remind};
pub use self::annotations::Annotations;
pub use self::cadence::Cadence;
pub use self::cron::{Cron, CronError};
pub(crate) use self::document::{Content, Document, Member, Value};
pub use self::draft::{Draft, read, read_text};
pub use self::error::{Location, Position, Problem, Problems, SourceLine};
pub use self::interpolate::{Environment, ProcessEnvironment, SuiteEnvironment};
pub(crate) use self::json::Exact;
pub use self::judgement::{Judgement, SchemaRequest, judge};
pub use self::maintenance::{Repetition, Scope, Times, Window};
pub use self::objection::{
    ConfigAnswer, ConfigRequest, ConfigUse, Ended, MAX_OBJECTIONS, Objection, ProblemAt, Uses,
};
pub use self::references::ReferencePolicy;
pub use self::schema::schema;
pub(crate) use self::tree::{quoted, quoted_path};
pub use self::variables::{InvalidVariable, Variable, VariableOverride, VariableOverrides};
use crate::grant::Grants;
use crate::quota::Quota;
pub use crate::redact::{KnownSecrets, Secrets};
pub(crate) use canary_units as units;

/// Named checks, ready to run.
#[derive(Debug, Clone)]
pub struct Suite {
    /// One for each name and target, in the order of the files.
    pub checks: Vec<Arc<Check>>,
    /// How many checks of each group may run at once; at least 1.
    pub groups: BTreeMap<Arc<str>, u32>,
    /// When alerts are held back.
    pub maintenance: Vec<Window>,
    /// What `${var:NAME}` stood for: of the command line, then of the files.
    pub variables: Vec<Variable>,
}

/// What the operator of a runner decides, and a suite has to keep to.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The most that a suite may set.
    pub ceiling: Quota,
    /// Names of the notifiers that `alert:` may name; absent where they are not known, so that every name will do.
    pub notifiers: Option<Vec<String>>,
    /// What is masked in the texts of every check, and which the suite's own secrets join.
    pub secrets: KnownSecrets,
}

/// Identity of a check across reloads and restarts: its name, and its target where `targets:` lists several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(Arc<str>);

impl CheckId {
    /// An id from its text.
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

/// One configured thing to run. `Debug` shows which one: grants hold the host of a target, and that may be secret.
#[derive(Clone)]
pub struct Check {
    /// Stable identity.
    pub id: CheckId,
    /// What the id was in a version that showed queries in it; absent where it was the same.
    pub former_id: Option<CheckId>,
    /// As the suite names it; shared by all targets of one entry.
    pub name: String,
    /// Key of the plugin: a built-in name or one of `plugins:`.
    pub plugin: String,
    /// What is examined, in the plugin's own syntax.
    pub target: Target,
    /// When it is due again and again.
    pub cadence: Cadence,
    /// How soon it runs once more while an outcome waits for others to confirm it; absent: when it is due. Never above the
    /// shortest time between two due times.
    pub retry_interval: Option<Duration>,
    /// The one deadline of an attempt; never above the shortest time between two due times.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// Consecutive outcomes that turn up into down; at least 1.
    pub failure_threshold: u32,
    /// Consecutive outcomes that turn down into up; at least 1.
    pub success_threshold: u32,
    /// Limits of one attempt.
    pub quota: Quota,
    /// Where the check may go.
    pub grants: Grants,
    /// The check's own dimensions on every metric.
    pub labels: Arc<BTreeMap<String, String>>,
    /// One of the suite's groups, whose limit on runs at once the check shares; absent: only the runner's own.
    pub group: Option<Arc<str>>,
    /// Names of checks. While one of them is down, this check runs as ever and alerts nobody.
    pub depends_on: Arc<[Arc<str>]>,
    /// Who is told when its status changes.
    pub alert: AlertRules,
    /// What an alert says of the check besides what it found.
    pub annotations: Annotations,
    /// Whether the target is to fail: then a verdict of fail is a pass, and any other a fail.
    pub expect_failure: bool,
    /// What the plugin gets, checked against its schema.
    pub config: Config,
    /// What must be cut out of all that the guest says before it leaves.
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

/// What is examined. `Display` and `Debug` show what outsiders may see: `***` in place of interpolated values, and of a
/// URL neither credentials nor query nor fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    exposed: Arc<str>,
    shown: Arc<str>,
}

impl Target {
    /// A target without secrets.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let exposed: Arc<str> = text.into();
        Self {
            shown: Arc::clone(&exposed),
            exposed,
        }
    }

    fn redacted(exposed: &str, shown: &str) -> Self {
        Self {
            exposed: exposed.into(),
            shown: shown.into(),
        }
    }

    /// The text with every secret in the clear: for the guest only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.exposed
    }

    /// What outsiders may see, as a text.
    #[must_use]
    pub fn public(&self) -> String {
        public_url(&self.shown)
    }

    /// As it is written, with `***` in place of interpolated values: for what never leaves the runner.
    fn written(&self) -> &str {
        &self.shown
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.public(), f)
    }
}

/// A check's `config:` as JSON, secrets filled in. `Debug` shows only its size.
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
    /// A file, with the digest that it must have.
    File {
        /// Relative paths are relative to the suite file.
        path: PathBuf,
        /// Lower-case hexadecimal SHA-256.
        digest: Option<String>,
    },
}

/// What the host knows of a plugin once it has described itself.
#[derive(Debug, Clone)]
pub struct PluginFacts {
    /// JSON Schema (2020-12) of `config:`.
    pub config_schema: Arc<serde_json::Value>,
    /// Such as `URL` or `HOST:PORT`.
    pub target_syntax: String,
    /// Places in `config:` whose values are secret, as JSON pointers in which `*` stands for every key or element.
    pub secrets: Vec<String>,
}

/// A plugin that a suite needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDeclaration {
    /// The key under `plugins:`, or the name of an embedded plugin.
    pub name: String,
    /// Where its bytes are.
    pub source: PluginSource,
    /// The declaration; of an embedded plugin, its first use.
    pub location: Location,
}

/// Why a plugin, or its schema, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Part of a problem, after the plugin's name.
    pub reason: String,
    /// Whether it may pass by itself: the disk or the host was short of something.
    pub is_transient: bool,
}

impl From<String> for Unusable {
    /// Somebody has to mend it.
    fn from(reason: String) -> Self {
        Self {
            reason,
            is_transient: false,
        }
    }
}

/// What is known of each plugin: what it says of itself, or why it cannot be used.
#[derive(Default)]
pub struct Catalog {
    facts: HashMap<String, Result<PluginFacts, Unusable>>,
    judgements: HashMap<String, Result<Judgement, Unusable>>,
    answers: HashMap<String, (Uses, Result<ConfigAnswer, Unusable>)>,
}

impl Catalog {
    /// Enters a plugin.
    pub fn insert(&mut self, name: impl Into<String>, facts: Result<PluginFacts, Unusable>) {
        self.facts.insert(name.into(), facts);
    }

    /// Enters what a plugin's schema says of the configurations that [`Draft::schema_request`] put together, or why
    /// nobody knows. Without it, the schema judges them within [`Draft::finish`].
    pub fn insert_judgement(&mut self, name: impl Into<String>, judgement: Result<Judgement, Unusable>) {
        self.judgements
            .insert(name.into(), judgement.map(Judgement::bounded));
    }

    /// Enters what a plugin says of the configurations that [`Draft::config_request`] put together, or why nobody knows.
    /// Without it, what the schema allows will do.
    pub fn insert_answer(
        &mut self,
        name: impl Into<String>,
        uses: Uses,
        answer: Result<ConfigAnswer, Unusable>,
    ) {
        self.answers.insert(name.into(), (uses, answer));
    }

    fn get(&self, name: &str) -> Option<&Result<PluginFacts, Unusable>> {
        self.facts.get(name)
    }
}

/// What everyone may see of a URL, or of a text that was meant as one: no credentials, no query, no fragment.
pub(crate) fn public_url(text: &str) -> String {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    match shown.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => shown.to_owned(),
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
