//! What the runner says of itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry_semantic_conventions::attribute as semconv;

use super::record::unix_seconds;
use super::series::{Value, text, word};
use super::{Metrics, ProcessReading, Told, told};
use crate::pool::PoolReading;
use crate::suite::CheckId;
use crate::telemetry::delivery::{DeliveryReport, DropReason};
use crate::telemetry::name;
use crate::telemetry::settings::Signal;

/// Attribute of polls: the function of the host that they were in.
const FUNCTION: &str = "function";
/// Attribute of what is told by signal.
const SIGNAL: &str = "signal";

/// What was read of the ledger.
#[derive(Debug, Clone, Default)]
pub struct HostReading {
    /// Descriptors that may be lent at once.
    pub budget: u64,
    /// Lent now.
    pub leased: u64,
    /// Open, and nobody's; absent when it could not be told.
    pub unaccounted: Option<u64>,
    /// Connections that are open now, by check.
    pub connections: BTreeMap<CheckId, u64>,
    /// Runs that wait or go on now, by check.
    pub runs: BTreeMap<CheckId, u64>,
    /// Absent without one.
    pub heartbeat: Option<HeartbeatReading>,
    /// Texts that nobody read in time, by stream.
    pub dropped_texts: [(&'static str, u64); 2],
    /// Polls of runs that held a worker thread up, since the start, by the function of the host.
    pub slow_polls: BTreeMap<&'static str, u64>,
    /// What all checks share.
    pub pools: Vec<PoolReading>,
    /// Last runs that lost their details, since the start, by check.
    pub dropped_details: BTreeMap<CheckId, u64>,
}

/// What was read of the heartbeat.
#[derive(Debug, Clone, Default)]
pub struct HeartbeatReading {
    /// Attempts to ping since the start, by result: `success`, or a word of a bounded set.
    pub pings: BTreeMap<Cow<'static, str>, u64>,
    /// When a ping of success last arrived.
    pub last_success: Option<SystemTime>,
    /// From one ping to the next.
    pub interval: Duration,
}

impl Metrics {
    /// Counters are there from the first moment, so that the first increase is one.
    pub(super) fn prepare_runner(&mut self) {
        for instrument in [
            told::EVENTS_LOST,
            told::SERIES_OVERFLOW,
            told::RELOADS,
            told::SLOW_POLLS,
        ] {
            self.runner.add(instrument, Vec::new(), 0);
        }
        self.runner.set_count(told::REFUSED, Vec::new(), 0);
    }

    /// The suite was read again, and is in force or refused.
    pub fn reloaded(&mut self, in_force: bool) {
        let mut extra = Vec::new();
        if !in_force {
            extra.push(word(semconv::ERROR_TYPE, "refused"));
        }
        self.runner.add(told::RELOADS, extra, 1);
        self.runner
            .set_count(told::REFUSED, Vec::new(), u64::from(!in_force));
    }

    /// Takes what was read of the ledger.
    pub fn host(&mut self, reading: &HostReading) {
        let HostReading {
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
        } = reading;
        for &(stream, count) in dropped_texts {
            let extra = vec![word(name::STREAM, stream)];
            self.runner.set_count(told::OUTPUT_DROPPED, extra, count);
        }
        self.runner.set_count(told::BUDGET, Vec::new(), *budget);
        self.runner.set_count(told::LEASED, Vec::new(), *leased);
        if let Some(unaccounted) = unaccounted {
            self.runner.set_count(told::UNACCOUNTED, Vec::new(), *unaccounted);
        }
        if let Some(heartbeat) = heartbeat {
            self.heartbeat(heartbeat);
        }
        for (function, count) in slow_polls {
            let extra = vec![word(FUNCTION, function)];
            self.runner.set_count(told::SLOW_POLLS, extra, *count);
        }
        for pool in pools {
            self.pool(pool);
        }
        for (id, Told { scope, .. }) in &mut self.checks {
            let of = |counts: &BTreeMap<CheckId, u64>| counts.get(id).copied().unwrap_or_default();
            scope.set_count(told::ACTIVE, Vec::new(), of(connections));
            scope.set_count(told::RUN_ACTIVE, Vec::new(), of(runs));
            scope.set_count(told::RECORD_DROPPED, Vec::new(), of(dropped_details));
        }
    }

    fn pool(&mut self, reading: &PoolReading) {
        let extra = || vec![word(name::POOL, reading.name)];
        let counts = [
            (told::POOL_CAPACITY, reading.capacity),
            (told::POOL_USED, reading.used),
            (told::POOL_WAITING, reading.waiting),
            (told::POOL_WAITS, reading.waits),
            (told::POOL_REFUSED, reading.refused),
        ];
        for (instrument, count) in counts {
            self.runner.set_count(instrument, extra(), count);
        }
        let waited = reading.waited.as_secs_f64();
        self.runner.set(told::POOL_WAIT_TIME, extra(), waited);
    }

    fn heartbeat(&mut self, reading: &HeartbeatReading) {
        for (result, count) in &reading.pings {
            self.runner
                .set_count(told::PINGS, by_error(result.clone()), *count);
        }
        let interval = reading.interval.as_secs_f64();
        self.runner.set(told::PING_INTERVAL, Vec::new(), interval);
        if let Some(arrived) = reading.last_success {
            self.runner
                .set(told::PING_ARRIVED, Vec::new(), unix_seconds(arrived));
        }
    }

    /// Takes what the operating system says of the process.
    pub fn process(&mut self, reading: &ProcessReading) {
        let modes = [("user", reading.user), ("system", reading.system)];
        for (mode, seconds) in modes {
            let extra = vec![word(semconv::CPU_MODE, mode)];
            self.runner.set(told::PROCESS_CPU, extra, seconds.as_secs_f64());
        }
        self.runner
            .set_count(told::PROCESS_MEMORY, Vec::new(), reading.resident);
        self.runner
            .set_count(told::PROCESS_THREADS, Vec::new(), reading.threads);
        let uptime = reading.uptime.as_secs_f64();
        self.runner.set(told::PROCESS_UPTIME, Vec::new(), uptime);
        if let Some(descriptors) = reading.descriptors {
            self.runner
                .set_count(told::PROCESS_DESCRIPTORS, Vec::new(), descriptors);
        }
    }

    /// Takes how delivery goes.
    pub fn delivery(&mut self, report: &DeliveryReport) {
        for (class, count) in &report.disk_failures {
            let extra = vec![word(semconv::ERROR_TYPE, class.as_str())];
            self.runner.set_count(told::SPOOL_ERRORS, extra, *count);
        }
        for (signal, told_of) in &report.signals {
            let signal = word(SIGNAL, signal.word());
            for (result, count) in &told_of.exports {
                let mut extra = vec![signal.clone()];
                extra.extend(by_error(result.clone()));
                self.runner.set_count(told::EXPORTS, extra, *count);
            }
            for (reason, count) in &told_of.dropped {
                let extra = vec![signal.clone(), text(semconv::ERROR_TYPE, reason.word())];
                self.runner.set_count(told::SPOOL_DROPPED, extra, *count);
            }
            let over_share = word(semconv::ERROR_TYPE, DropReason::OverShare.word());
            let extra = vec![signal.clone(), over_share];
            self.runner
                .set_count(told::ITEMS_DROPPED, extra, told_of.dropped_items);
            let alone = || vec![signal.clone()];
            let age = told_of.oldest_age.unwrap_or_default().as_secs_f64();
            self.runner
                .set_count(told::SPOOL_SIZE, alone(), told_of.spool_bytes);
            self.runner.set(told::SPOOL_AGE, alone(), age);
            self.runner
                .set_count(told::DEAD_LETTERS, alone(), told_of.dead_letters);
            self.runner
                .set_count(told::REJECTED, alone(), told_of.rejected_items);
            // There from the first moment, so that the first increase is one.
            self.runner.add(told::EXPORTS, alone(), 0);
            self.runner.add(told::SPOOL_DROPPED, alone(), 0);
        }
    }

    /// Items of a run were left out, since there was no room for them in what a run may report.
    pub fn left_out(&mut self, signal: Signal, items: u64) {
        let extra = vec![
            word(SIGNAL, signal.word()),
            word(semconv::ERROR_TYPE, "too_large"),
        ];
        self.runner.add(told::ITEMS_DROPPED, extra, items);
    }

    /// Takes how many events found no room, since the start.
    pub fn events_lost(&mut self, events: u64) {
        self.runner.set_count(told::EVENTS_LOST, Vec::new(), events);
    }
}

/// What tells a failure from a success.
fn by_error(result: Cow<'static, str>) -> Vec<(Cow<'static, str>, Value)> {
    match &*result {
        "success" => Vec::new(),
        _ => vec![(Cow::Borrowed(semconv::ERROR_TYPE), Value::Text(result))],
    }
}
