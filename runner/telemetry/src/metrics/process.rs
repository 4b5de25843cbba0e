//! Process metrics from the operating system.

use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use canary_net::ledger::audit::open_descriptors;

/// A sample of `/proc/self` (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStats {
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Bytes of physical memory.
    pub resident: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors; `None` when none is left to count them with.
    pub descriptors: Option<u64>,
    /// Since `started`.
    pub uptime: Duration,
}

impl ProcessStats {
    /// Reads a sample; `None` where there is no `/proc`, or no descriptor left.
    #[must_use]
    pub fn read(started: Instant) -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may contain anything; the third field follows it.
        let (_, behind) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = |count: u64| {
            let nanos =
                u128::from(count) * 1_000_000_000 / u128::from(rustix::param::clock_ticks_per_second());
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        Some(Self {
            user: ticks(field(14)?),
            system: ticks(field(15)?),
            threads: field(20)?,
            resident: field(24)?.saturating_mul(page),
            descriptors: open_descriptors().ok(),
            uptime: started.elapsed(),
        })
    }
}
