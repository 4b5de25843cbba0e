//! promtool, which checks and tests alert rules.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::command::{Ending, Program, find};

/// The promtool command.
#[derive(Clone, Debug)]
pub struct Promtool(PathBuf);

impl Promtool {
    /// Finds it. `None` where `promtool` is not installed.
    #[must_use]
    pub fn find() -> Option<Self> {
        find("promtool").map(Self)
    }

    /// Runs `promtool check rules`. The exit code is 0 if the files are valid.
    #[must_use]
    pub fn check_rules(&self, files: &[&Path]) -> Ending {
        self.run(&["check", "rules", "--lint=all", "--lint-fatal"], files)
    }

    /// Runs `promtool test rules`. The exit code is 0 if the tests in these files pass.
    #[must_use]
    pub fn test_rules(&self, files: &[&Path]) -> Ending {
        self.run(&["test", "rules"], files)
    }

    fn run(&self, command: &[&str], files: &[&Path]) -> Ending {
        let words = command.iter().map(OsStr::new);
        let files = files.iter().map(|file| file.as_os_str());
        Program::at(&self.0).args(words.chain(files)).run()
    }
}
