//! On whose behalf files are read.

use std::sync::atomic::{AtomicU64, Ordering};

/// On whose behalf a file is read. Each owner has its own limit of abandoned threads that block on a disk, so that they
/// do not affect others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Suites, and the files that they refer to: 8 threads.
    Suites,
    /// Change detection for the files of a suite: 2 threads.
    ChangeDetection,
    /// Plugins: 8 threads.
    Plugins,
    /// Compiled plugins: 8 threads.
    PluginCache,
    /// Files that the runner's settings refer to, examined to withhold them from suites: 32 threads.
    RunnerFiles,
    /// The runner's settings, and the files that they refer to: 8 threads.
    Settings,
    /// The system's time zones: 1 thread.
    TimeZones,
    /// The system's trusted certificates: 1 thread.
    TrustStore,
    /// The certificate and key of the admin server: 2 threads.
    Admin,
    /// One receiver of alerts, of telemetry or of the heartbeat: 1 thread.
    Peer(u64),
}

impl Owner {
    /// A new owner for a peer of the runner's own connections.
    #[must_use]
    pub fn peer() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Peer(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Maximum number of abandoned threads.
    pub(super) fn max_abandoned(self) -> usize {
        match self {
            Self::Suites | Self::Plugins | Self::PluginCache | Self::Settings => 8,
            Self::RunnerFiles => 32,
            Self::ChangeDetection | Self::Admin => 2,
            Self::TimeZones | Self::TrustStore | Self::Peer(_) => 1,
        }
    }
}
