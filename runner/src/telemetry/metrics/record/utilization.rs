//! Records which share of its quotas a run used.

use crate::quota::QuotaKind;
use crate::telemetry::metrics::series::{SeriesSet, static_attribute};
use crate::telemetry::metrics::{LastRun, instrument};
use crate::telemetry::name;

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
    let (used, times) = match kind {
        QuotaKind::Sockets => (usage.sockets_peak, 1),
        QuotaKind::Fds => (usage.fds_peak, 1),
        QuotaKind::Memory => (usage.memory_peak, 1),
        QuotaKind::Connections => (usage.connections, attempts),
        QuotaKind::Lookups => (usage.lookups, attempts),
        QuotaKind::BytesIn => (usage.bytes_in, attempts),
        QuotaKind::BytesOut => (usage.bytes_out, attempts),
        QuotaKind::LogLines => (usage.log_lines, attempts),
        QuotaKind::Record => (usage.record.bytes, 1),
        QuotaKind::Cpu => {
            let limit = quota.cpu.as_secs_f64() * attempts as f64;
            return if limit > 0.0 {
                usage.cpu.as_secs_f64() / limit
            } else {
                1.0
            };
        }
    };
    match quota.limit(kind).saturating_mul(times) {
        0 => 1.0,
        limit => used as f64 / limit as f64,
    }
}
