//! The settings of the spool.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::SpoolSettings;
use super::layer::SpoolOptions;
use canary_settings::Report;

const DEFAULT_BYTES: u64 = 512 << 20;
/// A smaller spool would not hold one request of each signal.
const SIZE_RANGE: RangeInclusive<u64> = 16 << 20..=1 << 40;
const DEFAULT_AGE: Duration = Duration::from_hours(48);
const AGE_RANGE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 30);
/// Below the state folder.
const FOLDER: &str = "spool";

/// The spool settings; `None` if the spool is disabled, or if there is no folder for it.
pub(super) fn spool_settings(
    spool: &SpoolOptions,
    state_dir: Option<&Path>,
    report: &mut Report,
) -> Option<SpoolSettings> {
    let max_bytes = spool
        .max_size
        .as_ref()
        .and_then(|value| value.size(SIZE_RANGE, report));
    let max_age = spool
        .max_age
        .as_ref()
        .and_then(|value| value.duration(AGE_RANGE, report));
    let folder = spool.folder.as_ref().map(|value| value.path(report));
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
