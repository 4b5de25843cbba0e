//! The runner's own settings: what an operator decides for all suites, in a file that is named at start.
//!
//! What the file says is right by type here, but for the telemetry section: the environment has a say in that one,
//! so that [`crate::telemetry::settings`] reads both.

mod admin;
mod problem;
mod section;
#[cfg(test)]
mod tests;
mod written;

use std::path::{Path, PathBuf};

pub use self::admin::{Access, Admin, Identity, Listen, Token};
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
    /// Where the runner shows itself.
    pub admin: Option<Admin>,
    /// Who may look at it there, and who may change something.
    pub access: Access,
    /// What the file says of telemetry, as it is written.
    pub telemetry: Section,
    /// What is wrong. None of the settings may be used before [`Report::finish`] has said that this is nothing.
    pub report: Report,
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
            cache_dir: root.value("cache_dir").map(|path| path.path()),
            state_dir: root.value("state_dir").map(|path| path.path()),
            admin,
            access,
            telemetry: root.section("telemetry", &mut report),
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
