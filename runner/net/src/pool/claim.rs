//! Claims on units of a pool.

use std::sync::Arc;

use tokio::time::Instant;

use canary_suite::CheckId;

/// A claim on units of a pool.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) holder: Arc<str>,
    pub(super) units: u64,
    /// A tighter share than that of the pool.
    pub(super) share: u64,
    /// Whether it is for a service of the host, which works for all checks and has priority over each of them.
    pub(super) is_host: bool,
    is_optional: bool,
    /// The check to report as the holder; `None` reports `holder`.
    pub(super) check: Option<CheckId>,
    /// The plugin of that check, whose usage counts in a fair pool.
    pub(super) plugin: Option<Arc<str>>,
    /// A position in the queue that replaces the one of its holder.
    pub(super) scheduled_at: Option<Instant>,
}

impl Claim {
    /// Claims one unit that counts against the share of `holder`.
    #[must_use]
    pub fn new(holder: impl Into<Arc<str>>) -> Self {
        Self {
            holder: holder.into(),
            units: 1,
            share: u64::MAX,
            is_host: false,
            is_optional: false,
            check: None,
            plugin: None,
            scheduled_at: None,
        }
    }

    /// Claims one unit for a service of the host itself, which has no share.
    #[must_use]
    pub(crate) fn for_host(service: impl Into<Arc<str>>) -> Self {
        Self {
            is_host: true,
            ..Self::new(service)
        }
    }

    /// Claims this many units, all at once.
    #[must_use]
    pub fn units(self, units: u64) -> Self {
        Self { units, ..self }
    }

    /// Limits the holder to `share` units at once, or to the pool's share if that is less.
    #[must_use]
    pub fn at_most(self, share: u64) -> Self {
        Self { share, ..self }
    }

    /// A wait that is given up does not count as a refusal: the holder can do without.
    #[must_use]
    pub fn optional(self) -> Self {
        Self {
            is_optional: true,
            ..self
        }
    }

    pub(super) fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// Sets the check to report as the holder.
    #[must_use]
    pub fn for_check(self, check: CheckId) -> Self {
        Self {
            check: Some(check),
            ..self
        }
    }

    /// Among claims that are all scheduled, the one with the earlier time comes first.
    #[must_use]
    pub fn scheduled_at(self, at: Instant) -> Self {
        Self {
            scheduled_at: Some(at),
            ..self
        }
    }

    /// Sets the plugin whose checks share their usage, in a fair pool.
    #[must_use]
    pub fn for_plugin(self, plugin: Arc<str>) -> Self {
        Self {
            plugin: Some(plugin),
            ..self
        }
    }
}
