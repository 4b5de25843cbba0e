//! What a guest logs.

use std::time::Duration;

use crate::record::Text;

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
    /// At most 4 KiB, fields included.
    pub message: Text,
    /// Values beside the message.
    pub fields: Vec<(Text, Text)>,
    /// Since the run's start.
    pub at: Duration,
}
