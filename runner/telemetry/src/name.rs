//! Names of our own attributes; those of the semantic conventions come from their crate.

/// The check's id: its name, and its target if it has several.
pub(super) const CHECK: &str = "canary.check.name";
/// As the suite names it.
pub(super) const PLUGIN: &str = "canary.plugin.name";
/// `sha256:` and lower-case hexadecimal.
pub(super) const PLUGIN_DIGEST: &str = "canary.plugin.digest";
/// Without credentials and query.
pub(super) const TARGET: &str = "canary.target";
/// `pass`, `warn`, `fail`, `stopped` or `faulted`.
pub(super) const OUTCOME: &str = "canary.outcome";
/// One line for people.
pub(super) const SUMMARY: &str = "canary.summary";
/// Attempts of the run.
pub(super) const ATTEMPTS: &str = "canary.attempts";
/// Which attempt of the run, from 1.
pub(super) const ATTEMPT: &str = "canary.attempt";
/// Seconds from the due time to the start.
pub(super) const LAG: &str = "canary.lag";
/// The key of a quota.
pub(super) const QUOTA: &str = "canary.quota.name";
/// Why a connection was closed.
pub(super) const CLOSE_REASON: &str = "canary.close.reason";
/// Of a verdict.
pub(super) const ASSERTION: &str = "canary.assertion.name";
/// `pass`, `warn` or `fail`.
pub(super) const ASSERTION_STATUS: &str = "canary.assertion.status";
/// `up`, `degraded`, `down` or `unknown`.
pub(super) const STATUS: &str = "canary.status";
/// Why a due time passed without a run.
pub(super) const MISS_REASON: &str = "canary.miss.reason";
/// Marks a request as synthetic (`user_agent.synthetic.type`).
pub(super) const SYNTHETIC_TEST: &str = "test";
/// A phase of a run.
pub(super) const PHASE: &str = "canary.phase";
/// `guest`, `peer` or `host`.
pub(super) const CLOSED_BY: &str = "canary.closed_by";
/// `leaf`, or `chain` for the certificates above it.
pub(super) const TLS_POSITION: &str = "canary.tls.position";
/// The name of a plugin's measurement.
pub(super) const MEASUREMENT: &str = "canary.measurement.name";
/// As configured by the operator.
pub(super) const NOTIFIER: &str = "canary.notifier.name";
/// Such as `slack`.
pub(super) const NOTIFIER_TYPE: &str = "canary.notifier.type";
/// `stdout` or `stderr`.
pub(super) const STREAM: &str = "canary.output.stream";
/// A resource shared by all checks.
pub(super) const POOL: &str = "canary.pool.name";
/// UCUM.
pub(super) const MEASUREMENT_UNIT: &str = "canary.measurement.unit";

/// Methods that are reported unchanged; others are `_OTHER` (HTTP conventions, `http.request.method`).
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];

/// The method as the semantic conventions require it, so that a plugin cannot make up values.
pub(super) fn http_method(method: &str) -> &str {
    if METHODS.contains(&method) {
        method
    } else {
        "_OTHER"
    }
}
