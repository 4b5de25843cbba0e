//! What waits on disk while the collector is away.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::SpoolSettings;
use super::layer::Spool;
use crate::settings::Report;

const DEFAULT_BYTES: u64 = 512 << 20;
/// Less would not hold one request of each signal.
const BYTES: RangeInclusive<u64> = 16 << 20..=1 << 40;
const DEFAULT_AGE: Duration = Duration::from_hours(48);
const AGES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 30);
/// Below the folder of the runner's state.
const FOLDER: &str = "spool";

/// The bounds; absent when there is to be no spool, or when nobody said where it could be.
pub(super) fn spool(spool: &Spool, state_dir: Option<&Path>, report: &mut Report) -> Option<SpoolSettings> {
    let max_bytes = spool
        .max_size
        .as_ref()
        .and_then(|written| written.size(BYTES, report));
    let max_age = spool
        .max_age
        .as_ref()
        .and_then(|written| written.duration(AGES, report));
    let folder = spool.folder.as_ref().map(|written| written.path(report));
    let folder = folder.or_else(|| Some(state_dir?.join(FOLDER)));
    if spool.is_none {
        return None;
    }
    Some(SpoolSettings {
        folder: folder?,
        max_bytes: max_bytes.unwrap_or(DEFAULT_BYTES),
        max_age: max_age.unwrap_or(DEFAULT_AGE),
    })
}
