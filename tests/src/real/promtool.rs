//! promtool, which judges rules.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::command::{Ending, Program, find};

/// A promtool.
#[derive(Clone, Debug)]
pub struct Promtool(PathBuf);

impl Promtool {
    /// Finds it. `None` where `promtool` is not installed.
    #[must_use]
    pub fn find() -> Option<Self> {
        find("promtool").map(Self)
    }

    /// `promtool check rules`: whether these files are rules. Its exit code is 0 where they are.
    #[must_use]
    pub fn check_rules(&self, files: &[&Path]) -> Ending {
        self.run(&["check", "rules", "--lint=all", "--lint-fatal"], files)
    }

    /// `promtool test rules`: whether the rules do what the tests in these files say. Its exit code is 0 where they do.
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
