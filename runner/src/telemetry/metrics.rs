//! Numbers: a small store on OTLP's data model.
//!
//! It is our own because it must forget: a check that was removed is gone from every metric at once, whatever kind
//! of instrument told of it, and a name that comes and goes never uses up a limit. It keeps exemplars as well.

mod alerts;
mod chosen;
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

pub use otlp::{Export, Exported};
pub use process::ProcessReading;
pub use prometheus::{Format, Scrape};
pub use runner::{HeartbeatReading, HostReading};

use super::delivery::Owner;
use super::name;
use super::settings::Settings;
use crate::account::MissReason;
use crate::outcome::Usage;
use crate::status::Status;
use crate::suite::{Check, CheckId};
use chosen::is_free;
use instrument as told;
use series::{Extra, Scope, Value, word};

/// All metrics of a runner. One owner feeds it; times are inputs.
#[derive(Debug)]
pub struct Metrics {
    runner: Scope,
    checks: BTreeMap<CheckId, Told>,
    exemplars: bool,
    /// Whose names a plugin chooses, a check.
    max_series: usize,
}

/// What is told of a check.
#[derive(Debug)]
struct Told {
    scope: Scope,
    /// Until [`Metrics::settle`] has set the gauges by it.
    last: Option<Last>,
}

/// What the gauges show of a check's last run: no text of it, so that nobody has to weigh what waits for an export.
#[derive(Debug)]
struct Last {
    check: Arc<Check>,
    started_at: SystemTime,
    attempts: u32,
    usage: Usage,
    status: Status,
    consecutive_failures: u64,
    last_success: Option<SystemTime>,
    /// When it was published.
    at: SystemTime,
}

impl Metrics {
    /// Metrics whose counters start at `now`.
    #[must_use]
    pub fn new(settings: &Settings, now: SystemTime) -> Self {
        let mut metrics = Self {
            runner: Scope::new(Owner::RUNNER, Vec::new(), now),
            checks: BTreeMap::new(),
            exemplars: settings.exemplars,
            max_series: usize::try_from(settings.max_series_per_check).unwrap_or(usize::MAX),
        };
        metrics.prepare_runner();
        metrics
    }

    /// These are the checks from `now` on: new ones start at 0, others are forgotten.
    pub fn keep(&mut self, checks: &[Arc<Check>], now: SystemTime) {
        let ids: HashSet<&CheckId> = checks.iter().map(|check| &check.id).collect();
        self.checks.retain(|id, _| ids.contains(id));
        for check in checks {
            let base = base(check);
            match self.checks.get_mut(&check.id) {
                // Other labels are other series.
                Some(known) if known.scope.base == base => {}
                _ => {
                    let scope = Scope::new(Owner::of(check.id.as_str()), base, now);
                    self.checks.insert(check.id.clone(), Told { scope, last: None });
                }
            }
            if let Some(known) = self.checks.get_mut(&check.id) {
                record::prepare(&mut known.scope, check);
            }
        }
        let count = u64::try_from(checks.len()).unwrap_or(u64::MAX);
        self.runner.set_count(told::CHECKS, Vec::new(), count);
    }

    /// Due times passed without a run.
    pub fn missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        let Some(known) = self.checks.get_mut(check) else {
            return;
        };
        let extra = vec![word(name::MISS_REASON, reason.word())];
        known.scope.add(told::MISSED, extra, count);
    }
}

/// What all points of a check have in common. A label cannot take the name of an attribute that is told here.
fn base(check: &Check) -> Extra {
    let shared = |text: &str| Value::Shared(text.into());
    let mut base = vec![
        (Cow::Borrowed(name::CHECK), shared(check.id.as_str())),
        (Cow::Borrowed(name::PLUGIN), shared(&check.plugin)),
    ];
    for (key, value) in &*check.labels {
        if is_free(key, &base) {
            base.push((Cow::Owned(key.clone()), shared(value)));
        }
    }
    base
}
