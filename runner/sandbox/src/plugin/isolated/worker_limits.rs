//! The limits of a worker, which it gets as arguments.

use std::ffi::OsString;

/// What a worker is kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct WorkerLimits {
    /// Bytes of memory that it may write to.
    #[arg(long)]
    pub memory: u64,
    /// Seconds of processor time, on all processors together.
    #[arg(long)]
    pub cpu: u64,
    /// The process that started it.
    #[arg(long)]
    pub parent: u32,
}

impl WorkerLimits {
    pub(super) fn arguments(self) -> [OsString; 3] {
        let Self { memory, cpu, parent } = self;
        [
            format!("--memory={memory}").into(),
            format!("--cpu={cpu}").into(),
            format!("--parent={parent}").into(),
        ]
    }
}
