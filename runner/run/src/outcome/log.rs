//! Log lines of guests.

use std::time::Duration;

use canary_record::Text;

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For a plugin's developer.
    Debug,
    /// What happened.
    Info,
    /// Someone should look at it.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// In reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line that a guest logged, bounded by the run's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: LogLevel,
    /// At most 4 KiB, fields included.
    pub message: Text,
    /// Key-value pairs besides the message.
    pub fields: Vec<(Text, Text)>,
    /// Since the run's start.
    pub at: Duration,
}
