//! A wall clock that a test can set.
#![expect(clippy::expect_used, reason = "a clock that cannot be set must fail its test")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::command::{Program, find};

/// Where Debian installs the library of `faketime`.
const FOLDERS: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
];

/// The wall clock of a program. Its monotonic clocks stay those of the machine.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    /// A clock with the right time. `None` where `faketime` is not installed.
    ///
    /// # Panics
    /// There is no room for a file.
    #[must_use]
    pub fn new() -> Option<Self> {
        find("faketime")?;
        let mut libraries = FOLDERS
            .map(|folder| Path::new(folder).join("libfaketimeMT.so.1"))
            .into_iter();
        let clock = Self {
            library: libraries
                .find(|path| path.exists())
                .expect("faketime has its library"),
            folder: TempDir::new().expect("a folder"),
        };
        clock.set(0);
        Some(clock)
    }

    /// Makes a program use this clock.
    #[must_use]
    pub fn apply_to(&self, program: Program) -> Program {
        program
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.offset())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Sets the clock to this many seconds ahead of the right time.
    ///
    /// # Panics
    /// There is no room for a file.
    pub fn set(&self, ahead: i64) {
        // Replaced at once: the program may read the file at any moment, and an empty one is another offset.
        let next = self.folder.path().join("next");
        fs::write(&next, format!("{ahead:+}\n")).expect("the offset is written");
        fs::rename(next, self.offset()).expect("the offset is replaced");
    }

    fn offset(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
