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
    RUN_DURATION = "canary.check.run.duration", Histogram(SECONDS), "s", "How long runs took, all their attempts together.";
    RUN_ACTIVE = "canary.check.run.active", UpDown, "{run}", "Runs that wait for a permit or go on.";
    UP = "canary.check.up", Gauge, "", "1 while the check is up or degraded, 0 while it is down.";
    STATUS = "canary.check.status", Gauge, "", "1 for the status that the check has, 0 for the others.";
    CONSECUTIVE_FAILURES = "canary.check.consecutive_failures", Gauge, "{failure}", "Runs in a row that were not well.";
    LAST_RUN = "canary.check.last_run.timestamp", Gauge, "s", "When the last run ended, in Unix time.";
    LAST_SUCCESS = "canary.check.last_success.timestamp", Gauge, "s", "When the last run ended that was well, in Unix time.";
    INTERVAL = "canary.check.interval", Gauge, "s", "From one due time of the check to the next; by a cron expression, from the last run to the next due time.";
    TRANSITIONS = "canary.check.transitions", Counter, "{transition}", "Changes of status, by the new one.";
    PHASE_DURATION = "canary.check.phase.duration", Histogram(PHASE_SECONDS), "s", "Time that an attempt spent in a phase.";
    MEASUREMENT = "canary.check.measurement", Gauge, "", "What the plugin measured in the last run.";
    ASSERTIONS = "canary.check.assertions", Counter, "{assertion}", "What was expected of the target, by how it turned out.";
    CERTIFICATE = "canary.tls.certificate.not_after.timestamp", Gauge, "s", "When a certificate that the last run saw ends, in Unix time.";
    OPENED = "canary.connections.opened", Counter, "{connection}", "Connects that ended, by error.";
    CLOSED = "canary.connections.closed", Counter, "{connection}", "Connections that were closed, by who did it and why.";
    ACTIVE = "canary.connections.active", Gauge, "{connection}", "Connections that are open now.";
    RECLAIMED = "canary.connections.reclaimed", Counter, "{connection}", "Connections that a plugin left open and the host closed.";
    NETWORK_IO = "canary.network.io", Counter, "By", "Bytes sent and received.";
    QUOTA_UTILIZATION = "canary.quota.utilization", Gauge, "1", "Share of a quota that the last run used, at its peak.";
    QUOTA_DENIALS = "canary.quota.denials", Counter, "{denial}", "Refusals by a quota.";
    RECORD_CUT = "canary.record.cut", Counter, "{text}", "Texts that were cut, or left out, of the records of runs.";
    RECORD_CUT_BYTES = "canary.record.cut.bytes", Counter, "By", "Bytes that were cut, or left out, of the records of runs.";
    RECORD_DROPPED = "canary.record.dropped", Counter, "{run}", "Last runs that are shown without details, since those of all checks took more than they may.";
    CPU_TIME = "canary.plugin.cpu.time", Counter, "s", "Time on a processor: the plugin itself, and what the host computed for it.";
    MEMORY_PEAK = "canary.plugin.memory.peak", Histogram(BYTES), "By", "The most memory that the plugin had in a run.";
    FAULTS = "canary.plugin.faults", Counter, "{fault}", "Runs in which the plugin broke.";
    LAG = "canary.scheduler.lag", Histogram(PHASE_SECONDS), "s", "From a due time to the start of its run.";
    MISSED = "canary.scheduler.missed", Counter, "{run}", "Due times that passed without a run.";
    BUDGET = "canary.host.descriptors.budget", Gauge, "{file_descriptor}", "Descriptors that may be lent at once.";
    LEASED = "canary.host.descriptors.leased", Gauge, "{file_descriptor}", "Descriptors that are lent now.";
    UNACCOUNTED = "canary.host.descriptors.unaccounted", Gauge, "{file_descriptor}", "Open descriptors that nobody owns; more than 0 is a leak.";
    SLOW_POLLS = "canary.host.slow_polls", Counter, "{poll}", "Times that a run held a worker thread up for over a second, by the function of the host that it was in.";
    POOL_CAPACITY = "canary.pool.capacity", Gauge, "{unit}", "Units of what all checks share that may be taken at once.";
    POOL_USED = "canary.pool.used", Gauge, "{unit}", "Units of it that are taken now.";
    POOL_WAITING = "canary.pool.waiting", Gauge, "{claim}", "Claims that wait for it now.";
    POOL_WAITS = "canary.pool.waits", Counter, "{claim}", "Claims that had to wait for it.";
    POOL_WAIT_TIME = "canary.pool.wait.time", Counter, "s", "How long claims waited for it, together.";
    POOL_REFUSED = "canary.pool.refused", Counter, "{claim}", "Claims that got nothing of it.";
    SPOOL_SIZE = "canary.telemetry.spool.size", Gauge, "By", "Requests that wait on disk.";
    SPOOL_AGE = "canary.telemetry.spool.oldest.age", Gauge, "s", "How long the oldest request has waited.";
    SPOOL_DROPPED = "canary.telemetry.spool.dropped", Counter, "{request}", "Requests that were never delivered.";
    SPOOL_ERRORS = "canary.telemetry.spool.errors", Counter, "{error}", "Times that the disk of the spool failed, by what the matter was.";
    ITEMS_DROPPED = "canary.telemetry.items.dropped", Counter, "{item}", "Spans, records and parts of them that did not fit, or made room for those of other checks.";
    EXPORTS = "canary.telemetry.exports", Counter, "{request}", "Attempts to export; those that failed have an error.";
    DEAD_LETTERS = "canary.telemetry.dead_letters", Counter, "{request}", "Requests that a collector refused for good, kept apart.";
    REJECTED = "canary.telemetry.rejected", Counter, "{item}", "Spans, records and data points that a collector rejected.";
    EVENTS_LOST = "canary.telemetry.events.lost", Counter, "{event}", "Runs and other events that telemetry had no room for.";
    SERIES_OVERFLOW = "canary.telemetry.series.overflow", Counter, "{measurement}", "Values that came after a check had all its series.";
    NOTIFICATIONS = "canary.alert.notifications", Counter, "{notification}", "Attempts to deliver a notification; those that failed have an error.";
    ALERT_QUEUE = "canary.alert.queue.size", Gauge, "{notification}", "Notifications that wait.";
    ALERT_AGE = "canary.alert.queue.oldest.age", Gauge, "s", "How long the oldest notification has waited.";
    ALERT_DROPPED = "canary.alert.dropped", Counter, "{notification}", "Notifications that were never delivered, by reason.";
    FIRING = "canary.alert.firing", Gauge, "{alert}", "Alerts that were told and are not over.";
    PINGS = "canary.heartbeat.pings", Counter, "{ping}", "Attempts to ping the heartbeat's address; those that failed have an error.";
    PING_ARRIVED = "canary.heartbeat.last_success.timestamp", Gauge, "s", "When a ping of success last arrived, in Unix time.";
    PING_INTERVAL = "canary.heartbeat.interval", Gauge, "s", "From one ping of the heartbeat to the next.";
    OUTPUT_DROPPED = "canary.output.dropped", Counter, "{text}", "Lines that were not written because nobody read them, by stream.";
    RELOADS = "canary.suite.reloads", Counter, "{reload}", "Times that the suite was read, by error.";
    REFUSED = "canary.suite.refused", Gauge, "", "1 while a changed suite was refused and the one before goes on.";
    CHECKS = "canary.suite.checks", Gauge, "{check}", "Checks of the suite.";
    HTTP_DURATION = semconv::HTTP_CLIENT_REQUEST_DURATION, Histogram(SECONDS), "s", "How long HTTP requests of checks took.";
    DNS_DURATION = semconv::DNS_LOOKUP_DURATION, Histogram(PHASE_SECONDS), "s", "How long DNS lookups of checks took.";
    PROCESS_CPU = semconv::PROCESS_CPU_TIME, Counter, "s", "Time that the runner spent on a processor.";
    PROCESS_MEMORY = semconv::PROCESS_MEMORY_USAGE, UpDown, "By", "Physical memory of the runner.";
    PROCESS_DESCRIPTORS = semconv::PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, UpDown, "{file_descriptor}", "Descriptors that the runner has open.";
    PROCESS_THREADS = semconv::PROCESS_THREAD_COUNT, UpDown, "{thread}", "Threads of the runner.";
    PROCESS_UPTIME = semconv::PROCESS_UPTIME, Gauge, "s", "How long the runner has been up.";
}
