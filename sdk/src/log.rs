//! Lines of the run's log: in its trace, in the exported logs, in the last run that the admin API shows, and in the output
//! of `canary check --verbose`. What a plugin prints is logged at level `info`.
//!
//! A run may write as many lines as its `log_lines` quota says, of 4 KiB each; the host drops and counts the rest.

use crate::backend;

/// The level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Every step.
    Trace,
    /// Details that help to find a mistake.
    Debug,
    /// What happened.
    Info,
    /// Someone should look at it.
    Warn,
    /// What went wrong.
    Error,
}

/// Writes one line with fields.
///
/// ```
/// use canary_sdk::log::{self, Level};
///
/// log::log(Level::Info, "greeting received", &[("bytes", "42")]);
/// ```
pub fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    backend::log(level, message, fields);
}

/// Writes one line at `debug`.
pub fn debug(message: &str) {
    log(Level::Debug, message, &[]);
}

/// Writes one line at `info`.
pub fn info(message: &str) {
    log(Level::Info, message, &[]);
}

/// Writes one line at `warn`.
pub fn warn(message: &str) {
    log(Level::Warn, message, &[]);
}

/// Writes one line at `error`.
pub fn error(message: &str) {
    log(Level::Error, message, &[]);
}
