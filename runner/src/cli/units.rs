//! Durations and sizes on the command line: as a suite has them.

use std::time::Duration;

use canary_suite::units::{self, UnitError};

/// Why a value is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{reason}; {}", .reason.hint())]
pub(super) struct Invalid {
    reason: UnitError,
}

fn invalid(reason: UnitError) -> Invalid {
    Invalid { reason }
}

/// Such as `30s` or `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, Invalid> {
    units::duration(text).map_err(invalid)
}

/// Such as `512MiB`.
pub(super) fn size(text: &str) -> Result<u64, Invalid> {
    units::size(text).map_err(invalid)
}
