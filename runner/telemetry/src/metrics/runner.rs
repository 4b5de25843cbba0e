//! Metrics about the runner itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry_semantic_conventions::attribute as semconv;

use super::record::unix_seconds;
use super::series::{Value, static_attribute, string_attribute};
use super::{CheckMetrics, Metrics, ProcessStats, instrument};
use crate::delivery::{DeliveryReport, DropReason};
use crate::name;
use crate::signal::Signal;
use canary_net::pool::PoolSnapshot;
use canary_suite::CheckId;

/// Attribute of slow polls: the host function that was executing.
const FUNCTION: &str = "function";
/// Attribute of metrics by signal.
const SIGNAL: &str = "signal";

/// A sample of host state.
#[derive(Debug, Clone, Default)]
pub struct HostStats {
    /// Descriptors that may be leased at once.
    pub budget: u64,
    /// Leased now.
    pub leased: u64,
    /// Open descriptors without an owner; `None` if they could not be counted.
    pub unaccounted: Option<u64>,
    /// Open connections by check.
    pub connections: BTreeMap<CheckId, u64>,
    /// Queued and executing runs by check.
    pub runs: BTreeMap<CheckId, u64>,
    /// `None` without a heartbeat.
    pub heartbeat: Option<HeartbeatStats>,
    /// Output lines dropped because they were not read in time, by stream.
    pub dropped_texts: [(&'static str, u64); 2],
    /// Slow polls that blocked a worker thread, since the start, by host function.
    pub slow_polls: BTreeMap<&'static str, u64>,
    /// Resources shared by all checks.
    pub pools: Vec<PoolSnapshot>,
    /// Last runs whose details were dropped, since the start, by check.
    pub dropped_details: BTreeMap<CheckId, u64>,
}

/// A sample of the heartbeat.
#[derive(Debug, Clone, Default)]
pub struct HeartbeatStats {
    /// Ping attempts since the start, by result: `success`, or a value of a bounded set.
    pub pings: BTreeMap<Cow<'static, str>, u64>,
    /// When a success ping last arrived.
    pub last_success: Option<SystemTime>,
    /// The time between two pings.
    pub interval: Duration,
}

impl Metrics {
    /// Creates counters with 0, so that the first increase is visible to `increase()`.
    pub(super) fn init_runner_series(&mut self) {
        for instrument in [
            instrument::EVENTS_LOST,
            instrument::SERIES_OVERFLOW,
            instrument::RELOADS,
            instrument::SLOW_POLLS,
        ] {
            self.runner.add(instrument, Vec::new(), 0);
        }
        self.runner.set_count(instrument::REFUSED, Vec::new(), 0);
    }

    /// Records a reload of the suite, which was applied or refused.
    pub(crate) fn record_reload(&mut self, in_force: bool) {
        let mut attributes = Vec::new();
        if !in_force {
            attributes.push(static_attribute(semconv::ERROR_TYPE, "refused"));
        }
        self.runner.add(instrument::RELOADS, attributes, 1);
        self.runner
            .set_count(instrument::REFUSED, Vec::new(), u64::from(!in_force));
    }

    /// Records a sample of host state.
    pub(crate) fn record_host(&mut self, stats: &HostStats) {
        let HostStats {
            budget,
            leased,
            unaccounted,
            connections,
            runs,
            heartbeat,
            dropped_texts,
            slow_polls,
            pools,
            dropped_details,
        } = stats;
        for &(stream, count) in dropped_texts {
            let attributes = vec![static_attribute(name::STREAM, stream)];
            self.runner
                .set_count(instrument::OUTPUT_DROPPED, attributes, count);
        }
        self.runner.set_count(instrument::BUDGET, Vec::new(), *budget);
        self.runner.set_count(instrument::LEASED, Vec::new(), *leased);
        if let Some(unaccounted) = unaccounted {
            self.runner
                .set_count(instrument::UNACCOUNTED, Vec::new(), *unaccounted);
        }
        if let Some(heartbeat) = heartbeat {
            self.heartbeat(heartbeat);
        }
        for (function, count) in slow_polls {
            let attributes = vec![static_attribute(FUNCTION, function)];
            self.runner.set_count(instrument::SLOW_POLLS, attributes, *count);
        }
        for pool in pools {
            self.pool(pool);
        }
        for (id, CheckMetrics { series, .. }) in &mut self.checks {
            let of = |counts: &BTreeMap<CheckId, u64>| counts.get(id).copied().unwrap_or_default();
            series.set_count(instrument::ACTIVE, Vec::new(), of(connections));
            series.set_count(instrument::RUN_ACTIVE, Vec::new(), of(runs));
            series.set_count(instrument::RECORD_DROPPED, Vec::new(), of(dropped_details));
        }
    }

    fn pool(&mut self, stats: &PoolSnapshot) {
        let attributes = || vec![static_attribute(name::POOL, stats.name)];
        let counts = [
            (instrument::POOL_CAPACITY, stats.capacity),
            (instrument::POOL_USED, stats.used),
            (instrument::POOL_WAITING, stats.waiting),
            (instrument::POOL_WAITS, stats.waits),
            (instrument::POOL_REFUSED, stats.refused),
        ];
        for (instrument, count) in counts {
            self.runner.set_count(instrument, attributes(), count);
        }
        let waited = stats.waited.as_secs_f64();
        self.runner.set(instrument::POOL_WAIT_TIME, attributes(), waited);
    }

    fn heartbeat(&mut self, stats: &HeartbeatStats) {
        for (result, count) in &stats.pings {
            self.runner
                .set_count(instrument::PINGS, error_attributes(result.clone()), *count);
        }
        let interval = stats.interval.as_secs_f64();
        self.runner.set(instrument::PING_INTERVAL, Vec::new(), interval);
        if let Some(arrived) = stats.last_success {
            self.runner
                .set(instrument::PING_ARRIVED, Vec::new(), unix_seconds(arrived));
        }
    }

    /// Records a sample of the process.
    pub(crate) fn record_process(&mut self, stats: &ProcessStats) {
        let modes = [("user", stats.user), ("system", stats.system)];
        for (mode, seconds) in modes {
            let attributes = vec![static_attribute(semconv::CPU_MODE, mode)];
            self.runner
                .set(instrument::PROCESS_CPU, attributes, seconds.as_secs_f64());
        }
        self.runner
            .set_count(instrument::PROCESS_MEMORY, Vec::new(), stats.resident);
        self.runner
            .set_count(instrument::PROCESS_THREADS, Vec::new(), stats.threads);
        let uptime = stats.uptime.as_secs_f64();
        self.runner.set(instrument::PROCESS_UPTIME, Vec::new(), uptime);
        if let Some(descriptors) = stats.descriptors {
            self.runner
                .set_count(instrument::PROCESS_DESCRIPTORS, Vec::new(), descriptors);
        }
    }

    /// Records the state of delivery.
    pub(crate) fn record_delivery(&mut self, report: &DeliveryReport) {
        for (class, count) in &report.disk_failures {
            let attributes = vec![static_attribute(semconv::ERROR_TYPE, class.as_str())];
            self.runner
                .set_count(instrument::SPOOL_ERRORS, attributes, *count);
        }
        for (signal, signal_report) in &report.signals {
            let signal = static_attribute(SIGNAL, signal.as_str());
            for (result, count) in &signal_report.exports {
                let mut attributes = vec![signal.clone()];
                attributes.extend(error_attributes(result.clone()));
                self.runner.set_count(instrument::EXPORTS, attributes, *count);
            }
            for (reason, count) in &signal_report.dropped {
                let attributes = vec![
                    signal.clone(),
                    string_attribute(semconv::ERROR_TYPE, reason.as_str()),
                ];
                self.runner
                    .set_count(instrument::SPOOL_DROPPED, attributes, *count);
            }
            let over_share = static_attribute(semconv::ERROR_TYPE, DropReason::OverShare.as_str());
            let attributes = vec![signal.clone(), over_share];
            self.runner
                .set_count(instrument::ITEMS_DROPPED, attributes, signal_report.dropped_items);
            let alone = || vec![signal.clone()];
            let age = signal_report.oldest_age.unwrap_or_default().as_secs_f64();
            self.runner
                .set_count(instrument::SPOOL_SIZE, alone(), signal_report.spool_bytes);
            self.runner.set(instrument::SPOOL_AGE, alone(), age);
            self.runner
                .set_count(instrument::DEAD_LETTERS, alone(), signal_report.dead_letters);
            self.runner
                .set_count(instrument::REJECTED, alone(), signal_report.rejected_items);
            // Counters exist from the start, so that the first increase is visible to `increase()`.
            self.runner.add(instrument::EXPORTS, alone(), 0);
            self.runner.add(instrument::SPOOL_DROPPED, alone(), 0);
        }
    }

    /// Records items of a run that were omitted because of its size limit.
    pub(crate) fn record_omitted_items(&mut self, signal: Signal, items: u64) {
        let attributes = vec![
            static_attribute(SIGNAL, signal.as_str()),
            static_attribute(semconv::ERROR_TYPE, "too_large"),
        ];
        self.runner.add(instrument::ITEMS_DROPPED, attributes, items);
    }

    /// Records the total number of events dropped since the start.
    pub(crate) fn record_lost_events(&mut self, events: u64) {
        self.runner.set_count(instrument::EVENTS_LOST, Vec::new(), events);
    }
}

/// The error attribute of a result; none for a success.
fn error_attributes(result: Cow<'static, str>) -> Vec<(Cow<'static, str>, Value)> {
    match &*result {
        "success" => Vec::new(),
        _ => vec![(Cow::Borrowed(semconv::ERROR_TYPE), Value::Text(result))],
    }
}
