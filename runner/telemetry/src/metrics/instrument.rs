//! All instruments, each declared once.

use opentelemetry_semantic_conventions::metric as semconv;

/// The definition of a metric.
#[derive(Debug, PartialEq)]
pub struct Instrument {
    /// Its index in [`ALL`].
    pub(super) index: usize,
    /// With dots between namespaces.
    pub name: &'static str,
    /// UCUM; empty if there is none.
    pub unit: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// The kind of its points.
    pub kind: Kind,
}

/// The kind of an instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Monotonic.
    Counter,
    /// Increases and decreases, and can be summed.
    UpDown,
    /// A current value.
    Gauge,
    /// A distribution with these upper bucket bounds.
    Histogram(&'static [f64]),
}

/// Seconds, from a fast local response to a minute.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Seconds of one phase, which may be much less than a run.
const PHASE_SECONDS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bytes of guest memory, by powers of four.
const BYTES: &[f64] = &[
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    33_554_432.0,
    67_108_864.0,
    268_435_456.0,
];

macro_rules! instruments {
    ($($constant:ident = $name:expr, $kind:expr, $unit:literal, $description:literal;)*) => {
        /// Indices into the list below.
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the instruments are")]
        enum Index { $($constant),* }
        $(pub(super) const $constant: &Instrument = &Instrument {
            index: Index::$constant as usize,
            name: $name,
            unit: $unit,
            description: $description,
            kind: $kind,
        };)*
        /// All instruments, in the order of the documentation.
        pub const ALL: &[&Instrument] = &[$($constant),*];
    };
}

use Kind::{Counter, Gauge, Histogram, UpDown};

instruments! {
    RUNS = "canary.check.runs", Counter, "{run}", "Runs by outcome.";
    RUN_DURATION = "canary.check.run.duration", Histogram(SECONDS), "s", "Duration of runs, including all attempts.";
    RUN_ACTIVE = "canary.check.run.active", UpDown, "{run}", "Runs that are running or waiting for a permit.";
    UP = "canary.check.up", Gauge, "", "1 if the check is up or degraded, 0 if it is down.";
    STATUS = "canary.check.status", Gauge, "", "1 for the current status of the check, 0 for the others.";
    CONSECUTIVE_FAILURES = "canary.check.consecutive_failures", Gauge, "{failure}", "Consecutive unsuccessful runs.";
    LAST_RUN = "canary.check.last_run.timestamp", Gauge, "s", "Unix time of the end of the last run.";
    LAST_SUCCESS = "canary.check.last_success.timestamp", Gauge, "s", "Unix time of the last successful run.";
    INTERVAL = "canary.check.interval", Gauge, "s", "Interval of the check; with a cron expression, from the last run to the next due time.";
    TRANSITIONS = "canary.check.transitions", Counter, "{transition}", "Status changes, by new status.";
    PHASE_DURATION = "canary.check.phase.duration", Histogram(PHASE_SECONDS), "s", "Time spent in each phase of an attempt.";
    MEASUREMENT = "canary.check.measurement", Gauge, "", "Measurement of the last run by the plugin.";
    ASSERTIONS = "canary.check.assertions", Counter, "{assertion}", "Expectations about the target, by result.";
    CERTIFICATE = "canary.tls.certificate.not_after.timestamp", Gauge, "s", "Unix time of the expiry of a certificate seen in the last run.";
    OPENED = "canary.connections.opened", Counter, "{connection}", "Connection attempts, by error.";
    CLOSED = "canary.connections.closed", Counter, "{connection}", "Closed connections, by initiator and reason.";
    ACTIVE = "canary.connections.active", Gauge, "{connection}", "Open connections.";
    RECLAIMED = "canary.connections.reclaimed", Counter, "{connection}", "Connections leaked by a plugin and closed by the host.";
    NETWORK_IO = "canary.network.io", Counter, "By", "Bytes sent and received.";
    QUOTA_UTILIZATION = "canary.quota.utilization", Gauge, "1", "Peak share of a quota used in the last run.";
    QUOTA_DENIALS = "canary.quota.denials", Counter, "{denial}", "Requests denied by a quota.";
    RECORD_CUT = "canary.record.cut", Counter, "{text}", "Texts truncated in, or omitted from, the records of runs.";
    RECORD_CUT_BYTES = "canary.record.cut.bytes", Counter, "By", "Bytes truncated in, or omitted from, the records of runs.";
    RECORD_DROPPED = "canary.record.dropped", Counter, "{run}", "Last runs stored without details, because those of all checks exceed the memory limit.";
    CPU_TIME = "canary.plugin.cpu.time", Counter, "s", "CPU time of the plugin and of the host on its behalf.";
    MEMORY_PEAK = "canary.plugin.memory.peak", Histogram(BYTES), "By", "Peak memory of the plugin in a run.";
    FAULTS = "canary.plugin.faults", Counter, "{fault}", "Runs in which the plugin faulted.";
    LAG = "canary.scheduler.lag", Histogram(PHASE_SECONDS), "s", "Delay from the due time to the start of a run.";
    MISSED = "canary.scheduler.missed", Counter, "{run}", "Missed runs, by reason.";
    BUDGET = "canary.host.descriptors.budget", Gauge, "{file_descriptor}", "Maximum number of file descriptors for checks.";
    LEASED = "canary.host.descriptors.leased", Gauge, "{file_descriptor}", "File descriptors in use by checks.";
    UNACCOUNTED = "canary.host.descriptors.unaccounted", Gauge, "{file_descriptor}", "Open file descriptors that are unaccounted for; more than 0 is a leak.";
    SLOW_POLLS = "canary.host.slow_polls", Counter, "{poll}", "Times that a run blocked a worker thread for more than a second, by host function.";
    POOL_CAPACITY = "canary.pool.capacity", Gauge, "{unit}", "Capacity of a shared pool, in units.";
    POOL_USED = "canary.pool.used", Gauge, "{unit}", "Units of a shared pool in use.";
    POOL_WAITING = "canary.pool.waiting", Gauge, "{claim}", "Claims waiting for a shared pool.";
    POOL_WAITS = "canary.pool.waits", Counter, "{claim}", "Claims that had to wait for a shared pool.";
    POOL_WAIT_TIME = "canary.pool.wait.time", Counter, "s", "Total time that claims waited for a shared pool.";
    POOL_REFUSED = "canary.pool.refused", Counter, "{claim}", "Claims refused by a shared pool.";
    SPOOL_SIZE = "canary.telemetry.spool.size", Gauge, "By", "Size of the export requests queued on disk.";
    SPOOL_AGE = "canary.telemetry.spool.oldest.age", Gauge, "s", "Age of the oldest queued export request.";
    SPOOL_DROPPED = "canary.telemetry.spool.dropped", Counter, "{request}", "Export requests dropped without delivery.";
    SPOOL_ERRORS = "canary.telemetry.spool.errors", Counter, "{error}", "Disk errors of the spool, by class.";
    ITEMS_DROPPED = "canary.telemetry.items.dropped", Counter, "{item}", "Spans, records and parts of them dropped because of size limits or in favor of other checks.";
    EXPORTS = "canary.telemetry.exports", Counter, "{request}", "Export attempts; failed ones have an error type.";
    DEAD_LETTERS = "canary.telemetry.dead_letters", Counter, "{request}", "Export requests permanently rejected by a collector and stored as dead letters.";
    REJECTED = "canary.telemetry.rejected", Counter, "{item}", "Spans, records and data points rejected by a collector.";
    EVENTS_LOST = "canary.telemetry.events.lost", Counter, "{event}", "Events dropped because the telemetry queue was full.";
    SERIES_OVERFLOW = "canary.telemetry.series.overflow", Counter, "{measurement}", "Values dropped because a check reached its limit of series.";
    NOTIFICATIONS = "canary.alert.notifications", Counter, "{notification}", "Delivery attempts of notifications; failed ones have an error type.";
    ALERT_QUEUE = "canary.alert.queue.size", Gauge, "{notification}", "Queued notifications.";
    ALERT_AGE = "canary.alert.queue.oldest.age", Gauge, "s", "Age of the oldest queued notification.";
    ALERT_DROPPED = "canary.alert.dropped", Counter, "{notification}", "Notifications dropped without delivery, by reason.";
    FIRING = "canary.alert.firing", Gauge, "{alert}", "Alerts currently firing.";
    PINGS = "canary.heartbeat.pings", Counter, "{ping}", "Heartbeat pings; failed ones have an error type.";
    PING_ARRIVED = "canary.heartbeat.last_success.timestamp", Gauge, "s", "Unix time of the last successful heartbeat ping.";
    PING_INTERVAL = "canary.heartbeat.interval", Gauge, "s", "Interval of heartbeat pings.";
    OUTPUT_DROPPED = "canary.output.dropped", Counter, "{text}", "Lines dropped because the output was not read in time, by stream.";
    RELOADS = "canary.suite.reloads", Counter, "{reload}", "Suite reloads, by error.";
    REFUSED = "canary.suite.refused", Gauge, "", "1 if the last reload was rejected and the previous suite is still active, else 0.";
    RELOAD_SUCCEEDED = "canary.suite.reload.last_success.timestamp", Gauge, "s", "Unix time of the last successful reload, or of the start.";
    CHECKS = "canary.suite.checks", Gauge, "{check}", "Checks in the active suite.";
    HTTP_DURATION = semconv::HTTP_CLIENT_REQUEST_DURATION, Histogram(SECONDS), "s", "Duration of HTTP requests of checks.";
    DNS_DURATION = semconv::DNS_LOOKUP_DURATION, Histogram(PHASE_SECONDS), "s", "Duration of DNS lookups of checks.";
    PROCESS_CPU = semconv::PROCESS_CPU_TIME, Counter, "s", "CPU time of the runner.";
    PROCESS_MEMORY = semconv::PROCESS_MEMORY_USAGE, UpDown, "By", "Resident memory of the runner.";
    PROCESS_DESCRIPTORS = semconv::PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, UpDown, "{file_descriptor}", "Open file descriptors of the runner.";
    PROCESS_THREADS = semconv::PROCESS_THREAD_COUNT, UpDown, "{thread}", "Threads of the runner.";
    PROCESS_UPTIME = semconv::PROCESS_UPTIME, Gauge, "s", "Uptime of the runner.";
}
