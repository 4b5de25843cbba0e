//! Which variables and files the references of a suite may reach: what an operator lets its authors have.

mod owned;
mod pattern;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub(super) use self::owned::FileRule;
use self::owned::Owned;
use self::pattern::FilePattern;
pub(super) use self::pattern::is_match;
pub(super) use self::read::read_permitted;
use crate::regular_file::Found;

/// Prefixes of the variables that set up the runner itself, credentials among them.
const OWN_PREFIXES: [&str; 2] = ["CANARY_", "OTEL_"];

/// Which variables and files a suite may refer to. The default is all but what is the runner's own.
///
/// A pattern, `*` included, never reaches what is the runner's own; a name or a path that is listed as such does.
#[derive(Debug, Clone, Default)]
pub struct ReferencePolicy {
    /// Names, `*` for any characters; absent: `*`.
    pub variables: Option<Vec<String>>,
    /// Files, folders, or files of a folder by a pattern; absent: all.
    pub files: Option<Vec<PathBuf>>,
    /// Variables that the runner's settings refer to.
    pub own_variables: BTreeSet<String>,
    /// The settings, every file that they name or refer to, and every folder with all below: state, cache, spool.
    pub own_paths: BTreeSet<PathBuf>,
}

impl ReferencePolicy {
    /// Why a variable is withheld, as the end of a sentence.
    ///
    /// # Errors
    /// It is the runner's own, or not among those that are listed.
    pub(super) fn variable(&self, name: &str) -> Result<(), &'static str> {
        let listed = self.variables.as_deref();
        if listed.is_some_and(|listed| listed.iter().any(|own| own == name)) {
            return Ok(());
        }
        let is_own = OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if is_own || self.own_variables.contains(name) {
            return Err("is the runner's own");
        }
        match listed {
            Some(listed) if !listed.iter().any(|pattern| is_match(pattern, name)) => {
                Err("is not among those that this runner lets suites refer to")
            }
            _ => Ok(()),
        }
    }

    /// What files are judged by, with everything that the runner owns at the moment.
    pub(super) fn file_rule(&self) -> FileRule {
        let listed = self.files.as_ref();
        let listed = listed.map(|listed| listed.iter().map(|path| FilePattern::of(path)).collect());
        FileRule {
            listed,
            owned: Owned::of(&self.own_paths),
        }
    }
}
