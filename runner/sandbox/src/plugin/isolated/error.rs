//! How examining a plugin can fail, other than by the plugin being refused.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use super::Limits;
use crate::plugin::refusal::bounded;
use canary_system::io_class;

/// What Rust prints before it aborts for lack of memory.
const NO_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];
const NO_STACK: &str = "has overflowed its stack";

/// Why the process that examines a plugin returned no result.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// It took too long.
    #[error(
        "examining it took longer than {}; if it is trusted, raise `--plugin-load-timeout`",
        humantime::format_duration(*.limit)
    )]
    TooLong {
        /// The time limit.
        limit: Duration,
    },
    /// It needs too much memory.
    #[error(
        "examining it took more than {} MiB of memory; if it is trusted, raise `--plugin-load-memory`",
        .limit >> 20
    )]
    TooMuchMemory {
        /// The memory limit in bytes.
        limit: u64,
    },
    /// The operating system killed it, which happens when memory runs out.
    #[error(
        "the process that examined it was killed by the operating system, which most likely has too little memory: \
         give it more, or lower `--plugin-load-memory` ({} MiB)",
        .limit >> 20
    )]
    Killed {
        /// The memory limit in bytes.
        limit: u64,
    },
    /// It crashed.
    #[error("the process that examined it crashed ({how}): do not use this plugin, and report it")]
    Crashed {
        /// The signal or exit code, and the first line on its standard error.
        how: String,
    },
    /// Its result exceeds the maximum size.
    #[error("the result of examining it is larger than {} MiB", .limit >> 20)]
    TooLarge {
        /// The maximum size in bytes.
        limit: u64,
    },
    /// It exited successfully, but its result cannot be parsed.
    #[error("the result of examining it is invalid: do not use this plugin, and report it")]
    InvalidReply,
    /// It reported that it could not do its work.
    #[error("it cannot be examined: {0}")]
    Failed(String),
    /// It could not be started, or communication with it failed.
    #[error("cannot start or reach the process that examines plugins")]
    Start(#[source] io::Error),
    /// No thread could be started to examine or read the plugin.
    #[error("cannot start a thread for it")]
    Thread(#[source] io::Error),
    /// The caller no longer waits for the result.
    #[error("cancelled")]
    Cancelled,
}

impl IsolationError {
    /// Whether the error may disappear by itself: the host is short of a resource, and the plugin may be sound.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Start(error) | Self::Thread(error) => io_class::is_transient(error),
            Self::Killed { .. } | Self::Failed(_) => true,
            Self::TooLong { .. }
            | Self::TooMuchMemory { .. }
            | Self::Crashed { .. }
            | Self::TooLarge { .. }
            | Self::InvalidReply
            | Self::Cancelled => false,
        }
    }
}

/// Classifies a process that returned no result, by its exit status and what it wrote to standard error.
pub(super) fn classify_exit(status: ExitStatus, stderr: &str, limits: Limits) -> IsolationError {
    let signal = status.signal().and_then(Signal::from_named_raw);
    match signal {
        _ if is_out_of_memory(stderr) => IsolationError::TooMuchMemory { limit: limits.memory },
        Some(Signal::XCPU) => IsolationError::TooLong { limit: limits.time },
        Some(Signal::KILL) => IsolationError::Killed { limit: limits.memory },
        _ => IsolationError::Crashed {
            how: first_line(status, stderr),
        },
    }
}

/// Whether a text reports a failed allocation.
pub(super) fn is_out_of_memory(text: &str) -> bool {
    NO_MEMORY.iter().any(|sign| text.contains(sign))
}

fn first_line(status: ExitStatus, stderr: &str) -> String {
    if stderr.contains(NO_STACK) {
        return format!("{status}, its stack was too small");
    }
    let line = stderr.lines().map(str::trim).find(|line| !line.is_empty());
    match line {
        Some(line) => format!("{status}: {}", bounded(line)),
        None => status.to_string(),
    }
}
