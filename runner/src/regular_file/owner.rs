//! Whose reads wait for a disk.

use std::sync::atomic::{AtomicU64, Ordering};

/// On whose behalf a file is read. Each has places of its own for threads that were given up while they wait for a disk:
/// what hangs for one takes no place from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Suites, and the files that they refer to: 8 places.
    Suites,
    /// The look at whether the files of a suite have changed: 2 places.
    Changes,
    /// Plugins: 8 places.
    Plugins,
    /// Compiled plugins: 8 places.
    PluginCache,
    /// What the runner's settings name, looked at to withhold it from suites: 32 places.
    OwnFiles,
    /// The runner's settings, and the files that they refer to: 8 places.
    Settings,
    /// The system's time zones: 1 place.
    TimeZones,
    /// The system's trusted certificates: 1 place.
    TrustStore,
    /// The certificate of the admin address, and its key: 2 places.
    Admin,
    /// One receiver of alerts, of telemetry or of the heartbeat: 1 place.
    Peer(u64),
}

impl Owner {
    /// A peer of the runner's own connections that no other value stands for.
    #[must_use]
    pub fn peer() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Peer(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Threads that may wait for a disk although nobody waits for them any more.
    pub(super) fn places(self) -> usize {
        match self {
            Self::Suites | Self::Plugins | Self::PluginCache | Self::Settings => 8,
            Self::OwnFiles => 32,
            Self::Changes | Self::Admin => 2,
            Self::TimeZones | Self::TrustStore | Self::Peer(_) => 1,
        }
    }
}
