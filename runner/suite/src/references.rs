//! Policy for the references of a suite: which variables and files the operator lets its authors read.

mod pattern;
mod read;
mod runner_files;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::pattern::FilePattern;
pub(super) use self::pattern::is_match;
pub(super) use self::read::read_permitted;
pub(super) use self::runner_files::FilePolicy;
use self::runner_files::RunnerFiles;
use canary_system::regular_file::FileInfo;

/// Prefixes of the variables that configure the runner itself, including credentials.
const RUNNER_PREFIXES: [&str; 2] = ["CANARY_", "OTEL_"];

/// Which variables and files a suite may refer to. The default is all but those of the runner itself.
///
/// A pattern, including `*`, never matches what belongs to the runner; an exact name or path does.
#[derive(Debug, Clone, Default)]
pub struct ReferencePolicy {
    /// Names, in which `*` matches any characters; absent: `*`.
    pub variables: Option<Vec<String>>,
    /// Files, folders, or files of a folder by a pattern; absent: all.
    pub files: Option<Vec<PathBuf>>,
    /// Variables that the runner's settings refer to.
    pub own_variables: BTreeSet<String>,
    /// The settings, every file that they name or refer to, and every folder with its contents: state, cache, spool.
    pub own_paths: BTreeSet<PathBuf>,
}

impl ReferencePolicy {
    /// Why a variable is withheld, as the end of a sentence.
    ///
    /// # Errors
    /// It belongs to the runner, or is not listed.
    pub(super) fn variable(&self, name: &str) -> Result<(), &'static str> {
        let listed = self.variables.as_deref();
        if listed.is_some_and(|listed| listed.iter().any(|own| own == name)) {
            return Ok(());
        }
        let is_own = RUNNER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if is_own || self.own_variables.contains(name) {
            return Err("is reserved for the runner");
        }
        match listed {
            Some(listed) if !listed.iter().any(|pattern| is_match(pattern, name)) => {
                Err("is not allowed in suites of this runner")
            }
            _ => Ok(()),
        }
    }

    /// The policy for files, with the files that the runner owns at the moment.
    pub(super) fn file_policy(&self) -> FilePolicy {
        let listed = self.files.as_ref();
        let listed = listed.map(|listed| listed.iter().map(|path| FilePattern::new(path)).collect());
        FilePolicy {
            listed,
            owned: RunnerFiles::new(&self.own_paths),
        }
    }
}
