//! What a guest logs.

use std::time::Duration;

use super::redact_pairs;
use crate::suite::Secrets;

/// How important a guest finds a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For a plugin's developer.
    Debug,
    /// Worth reading.
    Info,
    /// Someone should look.
    Warn,
    /// Something failed.
    Error,
}

/// A line that a guest logged, bounded by the run's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important.
    pub level: LogLevel,
    /// At most 4 KiB.
    pub message: String,
    /// Values beside the message.
    pub fields: Vec<(String, String)>,
    /// Since the run's start.
    pub at: Duration,
}

impl LogLine {
    /// The same with every secret replaced.
    #[must_use]
    pub fn redacted(mut self, secrets: &Secrets) -> Self {
        if !secrets.is_empty() {
            self.message = secrets.redact(&self.message);
            redact_pairs(&mut self.fields, secrets);
        }
        self
    }
}
