//! How examining a plugin can fail, other than by the plugin being refused.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use super::Limits;
use crate::io_class;
use crate::plugin::refusal::bounded;

/// What Rust says before it aborts for want of memory.
const NO_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];
const NO_STACK: &str = "has overflowed its stack";

/// The process that was to examine a plugin did not come to a result.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// It took too long.
    #[error(
        "examining it took longer than {}; if it is trusted, raise `--plugin-load-timeout`",
        humantime::format_duration(*.limit)
    )]
    TooLong {
        /// What it may take.
        limit: Duration,
    },
    /// It needs too much memory.
    #[error(
        "examining it took more than {} MiB of memory; if it is trusted, raise `--plugin-load-memory`",
        .limit >> 20
    )]
    TooMuchMemory {
        /// Bytes that it may take.
        limit: u64,
    },
    /// The operating system killed it, which it does where memory runs out.
    #[error(
        "the process that examined it was killed by the operating system, which most likely has too little memory: \
         give it more, or lower `--plugin-load-memory` ({} MiB)",
        .limit >> 20
    )]
    Killed {
        /// Bytes that it may take.
        limit: u64,
    },
    /// It crashed.
    #[error("the process that examined it crashed ({how}): do not use this plugin, and report it")]
    Crashed {
        /// By which signal or exit code, and its last words.
        how: String,
    },
    /// What it handed back is larger than anything that is taken.
    #[error("the result of examining it is larger than {} MiB", .limit >> 20)]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// It ended well, and what it said makes no sense.
    #[error("the result of examining it makes no sense: do not use this plugin, and report it")]
    Unintelligible,
    /// It says itself that it could not do its work.
    #[error("it cannot be examined: {0}")]
    Failed(String),
    /// It could not be started or talked to.
    #[error("cannot start or reach the process that examines plugins")]
    Start(#[source] io::Error),
    /// There is no thread to examine it on, or to read it.
    #[error("cannot start a thread for it")]
    Thread(#[source] io::Error),
    /// Nobody wants the result any more.
    #[error("cancelled")]
    Cancelled,
}

impl IsolationError {
    /// Whether it may pass by itself: the host is short of something, and the plugin may be sound.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Start(error) | Self::Thread(error) => io_class::is_transient(error),
            Self::Killed { .. } | Self::Failed(_) => true,
            Self::TooLong { .. }
            | Self::TooMuchMemory { .. }
            | Self::Crashed { .. }
            | Self::TooLarge { .. }
            | Self::Unintelligible
            | Self::Cancelled => false,
        }
    }
}

/// Why a process ended that handed back nothing of use, by how it ended and what it wrote to its standard error.
pub(super) fn explain(status: ExitStatus, words: &str, limits: Limits) -> IsolationError {
    let signal = status.signal().and_then(Signal::from_named_raw);
    match signal {
        _ if is_out_of_memory(words) => IsolationError::TooMuchMemory { limit: limits.memory },
        Some(Signal::XCPU) => IsolationError::TooLong { limit: limits.time },
        Some(Signal::KILL) => IsolationError::Killed { limit: limits.memory },
        _ => IsolationError::Crashed {
            how: last_words(status, words),
        },
    }
}

/// Whether a text is about memory that was not to be had.
pub(super) fn is_out_of_memory(text: &str) -> bool {
    NO_MEMORY.iter().any(|sign| text.contains(sign))
}

fn last_words(status: ExitStatus, words: &str) -> String {
    if words.contains(NO_STACK) {
        return format!("{status}, its stack was too small");
    }
    let line = words.lines().map(str::trim).find(|line| !line.is_empty());
    match line {
        Some(line) => format!("{status}: {}", bounded(line)),
        None => status.to_string(),
    }
}
