//! The runner's own settings: what an operator decides for all suites, in a file that is named at start.
//!
//! What the file says is right by type here, but for sections that are read where they are meant for something:
//! telemetry, where the environment has a say as well, alerts and the heartbeat.

mod admin;
mod headers;
mod problem;
mod section;
#[cfg(test)]
mod tests;
mod written;

use std::path::{Path, PathBuf};

pub use self::admin::{Access, Admin, Identity, Listen, Token};
pub(crate) use self::headers::{headers, is_public};
pub use self::problem::{Problem, Problems, Report};
pub use self::section::Section;
pub use self::written::{Origin, Written};
use crate::grant::Networks;
use crate::suite::Document;
use crate::suite::Environment;

/// Bytes of the file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Runs at once.
const CONCURRENCY: std::ops::RangeInclusive<u64> = 1..=100_000;
/// What switches a part off that would have settings.
pub(crate) const NONE: &str = "none";

/// What the file says; all is absent that it does not name.
#[derive(Debug, Default)]
pub struct File {
    /// Runs at once, 1 to 100,000.
    pub concurrency: Option<u32>,
    /// Networks that no check may reach.
    pub block_networks: Option<Networks>,
    /// Where compiled plugins are kept.
    pub cache_dir: Option<PathBuf>,
    /// Where everything lies that survives a restart.
    pub state_dir: Option<PathBuf>,
    /// What suites may refer to.
    pub suites: SuiteReferences,
    /// Where the runner shows itself.
    pub admin: Option<Admin>,
    /// Who may look at it there, and who may change something.
    pub access: Access,
    /// What the file says of telemetry, as it is written.
    pub telemetry: Section,
    /// What the file says of alerts, as it is written.
    pub alerts: Section,
    /// What the file says of the heartbeat, as it is written.
    pub heartbeat: Section,
    /// What is wrong. None of the settings may be used before [`Report::finish`] has said that this is nothing.
    pub report: Report,
}

/// What the references of suites may reach, as far as the operator narrows that.
#[derive(Debug, Default)]
pub struct SuiteReferences {
    /// Names of variables, `*` for any characters.
    pub env: Option<Vec<String>>,
    /// Files, folders, and patterns of files.
    pub files: Option<Vec<PathBuf>>,
}

impl File {
    /// Reads a file of at most 1 MiB. References such as `${env:TOKEN}` are replaced as in a suite; relative paths
    /// are relative to the file. Never fails: problems are in [`File::report`].
    pub fn read(path: &Path, environment: &dyn Environment) -> Self {
        let document = Document::read(path, MAX_FILE_BYTES, environment);
        let mut report = Report::default();
        report.take(document.problems);
        let mut root = Section::root(document.root, &mut report);
        let (admin, access) = admin::read(&mut root, &mut report);
        let file = Self {
            concurrency: root.value("concurrency").and_then(|runs| {
                let runs = runs.count(CONCURRENCY, &mut report)?;
                u32::try_from(runs).ok()
            }),
            block_networks: networks(&mut root, &mut report),
            cache_dir: root.value("cache_dir").map(|path| path.path(&mut report)),
            state_dir: root.value("state_dir").map(|path| path.path(&mut report)),
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

fn networks(root: &mut Section, report: &mut Report) -> Option<Networks> {
    let names = root.list("block_networks", report)?;
    for name in &names {
        if let Err(error) = Networks::parse([name.expose()]) {
            report.add(name.problem(error.to_string()));
        }
    }
    Networks::parse(names.iter().map(Written::expose)).ok()
}

/// `suites: { env: [..], files: [..] }`.
fn suites(root: &mut Section, report: &mut Report) -> SuiteReferences {
    let mut section = root.section("suites", report);
    let env = section.list("env", report);
    let files = section.list("files", report);
    section.finish(report);
    let texts = |names: Vec<Written>| names.iter().map(|name| name.expose().to_owned()).collect();
    SuiteReferences {
        env: env.map(texts),
        files: files.map(|paths| paths.iter().map(Written::path_for_suites).collect()),
    }
}

/// Nothing of it where it is `none`.
fn heartbeat(root: &mut Section, report: &mut Report) -> Section {
    match root.is_none("heartbeat") {
        true => Section::default(),
        false => root.section("heartbeat", report),
    }
}
