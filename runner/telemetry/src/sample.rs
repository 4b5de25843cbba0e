//! Sample runs and settings for tests.
#![expect(clippy::unwrap_used, reason = "what cannot be simulated must fail its test")]

pub use canary_run::outcome::sample::*;

use crate::settings::Settings;
use canary_settings::{Report, Section};
use canary_suite::Environment;

/// An empty environment.
struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _path: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Default settings: nothing is exported.
pub fn settings() -> Settings {
    super::settings::read(Section::default(), &Nothing, None, Report::default()).unwrap()
}
