//! Records which share of its quotas a run used.

use crate::metrics::series::{SeriesSet, static_attribute};
use crate::metrics::{LastRun, instrument};
use crate::name;
use canary_record::quota::{Counted, QuotaKind};

pub(super) fn set_utilization(series: &mut SeriesSet, last: &LastRun) {
    for kind in QuotaKind::ALL {
        let attributes = vec![static_attribute(name::QUOTA, kind.as_str())];
        series.set(
            instrument::QUOTA_UTILIZATION,
            attributes,
            quota_utilization(last, kind),
        );
    }
}

/// The share of a quota used by the last run, of the total that its attempts could use. A quota of 0 always counts as
/// used up.
#[expect(clippy::cast_precision_loss, reason = "a share of a quota, for a graph")]
fn quota_utilization(last: &LastRun, kind: QuotaKind) -> f64 {
    let (usage, quota) = (&last.usage, &last.check.quota);
    let attempts = u64::from(last.attempts.max(1));
    let times = match kind.counted() {
        Counted::AtOnce | Counted::PerRun => 1,
        Counted::PerAttempt => attempts,
    };
    let limit = quota.limit(kind).saturating_mul(times) as f64;
    let used = if kind == QuotaKind::Cpu {
        // In milliseconds like the limit, but not rounded: most runs take less than one.
        usage.used.cpu.as_secs_f64() * 1e3
    } else {
        usage.used_of(kind) as f64
    };
    if limit > 0.0 { used / limit } else { 1.0 }
}
