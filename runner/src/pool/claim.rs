//! What somebody wants of a pool, and on whose account.

use std::sync::Arc;

use tokio::time::Instant;

use crate::suite::CheckId;

/// What somebody wants of a pool.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) holder: Arc<str>,
    pub(super) units: u64,
    /// A tighter share than the pool's.
    pub(super) share: u64,
    /// A service of the host: it works for all checks, and comes before each of them.
    pub(super) is_host: bool,
    is_optional: bool,
    /// On whose account it is shown; the holder when absent.
    pub(super) check: Option<CheckId>,
    /// The plugin of that check, with a part of its own in a pool by use.
    pub(super) plugin: Option<Arc<str>>,
    /// When it has its turn, in place of what its holder has.
    pub(super) turn: Option<Instant>,
}

impl Claim {
    /// One unit for `holder`, whose share it counts on.
    #[must_use]
    pub fn by(holder: impl Into<Arc<str>>) -> Self {
        Self {
            holder: holder.into(),
            units: 1,
            share: u64::MAX,
            is_host: false,
            is_optional: false,
            check: None,
            plugin: None,
            turn: None,
        }
    }

    /// One unit for a service of the host itself, which has no share.
    #[must_use]
    pub fn by_host(service: impl Into<Arc<str>>) -> Self {
        Self {
            is_host: true,
            ..Self::by(service)
        }
    }

    /// So many units, all at once.
    #[must_use]
    pub fn units(self, units: u64) -> Self {
        Self { units, ..self }
    }

    /// The holder may have `share` units at once, or the pool's share where that is less.
    #[must_use]
    pub fn at_most(self, share: u64) -> Self {
        Self { share, ..self }
    }

    /// A wait that is given up is no refusal: the holder can do without.
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

    /// The check that it is shown for.
    #[must_use]
    pub fn for_check(self, check: CheckId) -> Self {
        Self {
            check: Some(check),
            ..self
        }
    }

    /// Among claims that all have a turn, the one comes first whose turn is earlier.
    #[must_use]
    pub fn turn(self, at: Instant) -> Self {
        Self {
            turn: Some(at),
            ..self
        }
    }

    /// The plugin whose checks have a part together, in a pool by use.
    #[must_use]
    pub fn for_plugin(self, plugin: Arc<str>) -> Self {
        Self {
            plugin: Some(plugin),
            ..self
        }
    }
}
