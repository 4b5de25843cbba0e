//! The runner's own settings: a file named at start, in which the operator decides for all suites.
//!
//! Values are validated here, except for sections that are read by the crates they belong to: telemetry, which also
//! depends on the environment, alerts and the heartbeat. It does not know what the settings are for.

mod admin;
mod headers;
mod report;
mod section;
#[cfg(test)]
mod tests;
mod value;

use std::path::{Path, PathBuf};

pub use self::admin::{Access, Admin, Identity, Listen, Token};
pub use self::headers::{headers, is_public};
pub use self::report::Report;
pub use self::section::Section;
pub use self::value::ConfigValue;
use canary_suite::grant::Networks;
pub use canary_suite::problem::{Origin, Problem, Problems};
use canary_suite::{Document, Environment};

/// Maximum size of the file in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Allowed concurrency limits.
const CONCURRENCY_LIMITS: std::ops::RangeInclusive<u64> = 1..=100_000;
/// The value that disables a feature that has settings otherwise.
pub const NONE: &str = "none";

/// The contents of the file. Keys that are not set are absent.
#[derive(Debug, Default)]
pub struct File {
    /// Maximum number of concurrent runs, 1 to 100,000.
    pub concurrency: Option<u32>,
    /// Networks that no check may connect to.
    pub block_networks: Option<Networks>,
    /// Directory of the cache of compiled plugins.
    pub cache_dir: Option<Folder>,
    /// Directory of persistent state.
    pub state_dir: Option<Folder>,
    /// The variables and files that suites may refer to.
    pub suites: SuiteReferences,
    /// Address of the admin server.
    pub admin: Option<Admin>,
    /// Authentication and TLS of the admin server.
    pub access: Access,
    /// The unvalidated telemetry section.
    pub telemetry: Section,
    /// The unvalidated alerts section.
    pub alerts: Section,
    /// The unvalidated heartbeat section.
    pub heartbeat: Section,
    /// Problems. The settings must not be used before [`Report::finish`] has returned without an error.
    pub report: Report,
}

/// A folder of the runner, for something that can be turned off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// `none`: nothing is stored.
    None,
    /// The path of the folder.
    At(PathBuf),
}

impl Folder {
    /// The path, unless it is `none`.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::None => None,
            Self::At(path) => Some(path),
        }
    }
}

/// From the command line or the environment.
impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == NONE {
            Self::None
        } else {
            Self::At(path)
        }
    }
}

/// The operator's restrictions on the references of suites.
#[derive(Debug, Default)]
pub struct SuiteReferences {
    /// Names of variables, in which `*` matches any characters.
    pub env: Option<Vec<String>>,
    /// Files, folders, and patterns of files.
    pub files: Option<Vec<PathBuf>>,
}

impl File {
    /// Reads a file of at most 1 MiB. References such as `${env:TOKEN}` are replaced as in a suite; relative paths
    /// are relative to the file. Never fails: problems are in [`File::report`].
    pub fn read(path: &Path, environment: &dyn Environment) -> Self {
        let document = Document::read(path, MAX_FILE_BYTES, environment);
        let mut report = Report::without(document.secrets);
        for problem in document.problems {
            report.add(problem);
        }
        let mut root = Section::root(document.root, &mut report);
        let (admin, access) = admin::read(&mut root, &mut report);
        let file = Self {
            concurrency: root.value("concurrency").and_then(|runs| {
                let runs = runs.count(CONCURRENCY_LIMITS, &mut report)?;
                u32::try_from(runs).ok()
            }),
            block_networks: networks(&mut root, &mut report),
            cache_dir: folder("cache_dir", &mut root, &mut report),
            state_dir: folder("state_dir", &mut root, &mut report),
            suites: suites(&mut root, &mut report),
            admin,
            access,
            telemetry: root.section("telemetry", &mut report),
            alerts: root.section("alerts", &mut report),
            heartbeat: heartbeat(&mut root, &mut report),
            report: Report::default(),
        };
        root.finish(&mut report);
        Self { report, ..file }
    }
}

fn folder(key: &'static str, root: &mut Section, report: &mut Report) -> Option<Folder> {
    if root.is_none(key) {
        return Some(Folder::None);
    }
    root.value(key).map(|path| Folder::At(path.path(report)))
}

/// The texts of a list, or of `none`, which is an empty one.
fn list_or_none(key: &'static str, section: &mut Section, report: &mut Report) -> Option<Vec<ConfigValue>> {
    if section.is_none(key) {
        return Some(Vec::new());
    }
    section.list(key, report)
}

fn networks(root: &mut Section, report: &mut Report) -> Option<Networks> {
    let names = list_or_none("block_networks", root, report)?;
    for name in &names {
        if let Err(error) = Networks::parse([name.expose()]) {
            report.add(name.problem(error.to_string()));
        }
    }
    Networks::parse(names.iter().map(ConfigValue::expose)).ok()
}

/// `suites: { env: [..], files: [..] }`, with `none` in place of either list.
fn suites(root: &mut Section, report: &mut Report) -> SuiteReferences {
    let mut section = root.section("suites", report);
    let env = list_or_none("env", &mut section, report);
    let files = list_or_none("files", &mut section, report);
    section.finish(report);
    let texts = |names: Vec<ConfigValue>| names.iter().map(|name| name.expose().to_owned()).collect();
    SuiteReferences {
        env: env.map(texts),
        files: files.map(|paths| paths.iter().map(ConfigValue::resolve_path).collect()),
    }
}

/// Empty if it is `none`.
fn heartbeat(root: &mut Section, report: &mut Report) -> Section {
    if root.is_none("heartbeat") {
        Section::default()
    } else {
        root.section("heartbeat", report)
    }
}
