//! Metrics: a small store with OTLP's data model.
//!
//! It is our own because it must forget: a removed check disappears from every metric at once, and a name that comes
//! and goes never uses up a limit. It also supports exemplars.

mod alerts;
mod cardinality;
pub mod instrument;
mod otlp;
mod process;
mod prometheus;
mod record;
mod runner;
mod series;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

pub use otlp::{Export, ExportRequest};
pub use process::ProcessStats;
pub use prometheus::{Format, Scrape};
pub use runner::{HeartbeatStats, HostStats};

use super::delivery::Owner;
use super::name;
use super::settings::Settings;
use canary_run::account::MissReason;
use canary_run::outcome::Usage;
use canary_run::status::Status;
use canary_suite::{Check, CheckId};
use cardinality::is_allowed_name;
use series::{PointAttributes, SeriesSet, Value, static_attribute};

/// All metrics of a runner. Written by one owner; times are inputs.
#[derive(Debug)]
pub struct Metrics {
    runner: SeriesSet,
    checks: BTreeMap<CheckId, CheckMetrics>,
    exemplars: bool,
    /// Maximum number of series with plugin-chosen names, per check.
    max_series: usize,
}

/// The metrics of one check.
#[derive(Debug)]
struct CheckMetrics {
    series: SeriesSet,
    /// Pending until [`Metrics::update_gauges`] has set the gauges from it.
    last: Option<LastRun>,
}

/// What the gauges need of a check's last run. It contains no text, so its size need not be bounded while it waits for
/// an export.
#[derive(Debug)]
struct LastRun {
    check: Arc<Check>,
    started_at: SystemTime,
    attempts: u32,
    usage: Usage,
    status: Status,
    consecutive_failures: u64,
    last_success: Option<SystemTime>,
    /// When the run was published.
    at: SystemTime,
}

impl Metrics {
    /// Creates metrics whose counters start at `now`.
    #[must_use]
    pub fn new(settings: &Settings, now: SystemTime) -> Self {
        let mut metrics = Self {
            runner: SeriesSet::new(Owner::RUNNER, Vec::new(), now),
            checks: BTreeMap::new(),
            exemplars: settings.exemplars,
            max_series: usize::try_from(settings.max_series_per_check).unwrap_or(usize::MAX),
        };
        metrics.init_runner_series();
        metrics
    }

    /// Replaces the set of checks: new ones start at 0, removed ones are dropped.
    pub fn apply_suite(&mut self, checks: &[Arc<Check>], now: SystemTime) {
        let ids: HashSet<&CheckId> = checks.iter().map(|check| &check.id).collect();
        self.checks.retain(|id, _| ids.contains(id));
        for check in checks {
            let common = common_attributes(check);
            match self.checks.get_mut(&check.id) {
                // Other labels are other series.
                Some(known) if known.series.common == common => {}
                _ => {
                    let series = SeriesSet::new(Owner::of_check(check.id.as_str()), common, now);
                    self.checks
                        .insert(check.id.clone(), CheckMetrics { series, last: None });
                }
            }
            if let Some(known) = self.checks.get_mut(&check.id) {
                record::init_series(&mut known.series, check);
            }
        }
        let count = u64::try_from(checks.len()).unwrap_or(u64::MAX);
        self.runner.set_count(instrument::CHECKS, Vec::new(), count);
        let applied = record::unix_seconds(now);
        self.runner.set(instrument::RELOAD_SUCCEEDED, Vec::new(), applied);
    }

    /// Records due times that passed without a run.
    pub fn record_missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        let Some(known) = self.checks.get_mut(check) else {
            return;
        };
        let attributes = vec![static_attribute(name::MISS_REASON, reason.as_str())];
        known.series.add(instrument::MISSED, attributes, count);
    }
}

/// The attributes shared by all points of a check. A label cannot have the name of one of our attributes.
fn common_attributes(check: &Check) -> PointAttributes {
    let shared = |text: &str| Value::Shared(text.into());
    let mut common = vec![
        (Cow::Borrowed(name::CHECK), shared(check.id.as_str())),
        (Cow::Borrowed(name::PLUGIN), shared(&check.plugin)),
    ];
    for (key, value) in &*check.labels {
        if is_allowed_name(key, &common) {
            common.push((Cow::Owned(key.clone()), shared(value)));
        }
    }
    common
}
