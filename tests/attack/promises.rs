//! What must hold under every attack.

use std::io::Write as _;
use std::time::Duration;

use canary::publish::CheckRecord;
use serde_json::Value;

use crate::checks::{BAD, FLAPPING, GOOD};
use crate::observation::{MIN_MESSAGES, Observations, configured_duration};
use crate::reference::Pace;
use crate::service::GRACE;
use crate::wake_latency::WakeLatency;

/// Maximum resident memory of a runner under attack, in bytes.
const MAX_MEMORY: u64 = 256 << 20;
/// Maximum shutdown time after the grace period.
const MAX_SHUTDOWN: Duration = Duration::from_secs(15);
/// Maximum 99th percentile of the lag in seconds, in addition to the wake-up latency of the machine.
const MAX_LAG_SECONDS: f64 = 0.1;
/// Wake-up latency above which the machine is so busy that late runs do not count.
const HOST_STALLED: Duration = Duration::from_millis(250);

/// Everything known about a service that was attacked and has exited.
pub(crate) struct Evidence {
    pub(crate) name: &'static str,
    /// The status before the attack; `under_attack` is that at its end.
    pub(crate) baseline: Value,
    pub(crate) under_attack: Value,
    pub(crate) observations: Observations,
    /// Maximum latency of a probe.
    pub(crate) probe_limit: Duration,
    pub(crate) wake_latency: WakeLatency,
    /// Of the machine during the attack, and at the end of the service.
    pub(crate) pace: Pace,
    pub(crate) pace_at_end: Pace,
    pub(crate) ended_in: Duration,
    pub(crate) code: i32,
    pub(crate) records: Vec<(String, CheckRecord)>,
    /// Processes killed by the OOM killer.
    pub(crate) kills: u64,
}

impl Evidence {
    /// Reports the observations, and asserts every promise.
    pub(crate) fn assert_all_promises(&self) {
        self.report();
        self.good_checks_ran_when_due();
        self.hostile_checks_ran();
        self.probes_were_answered();
        self.spans_were_delivered();
        assert!(self.observations.notified >= MIN_MESSAGES, "alerts stand still");
        assert!(self.observations.pings >= MIN_MESSAGES, "the heart stands still");
        let unaccounted = &self.under_attack["descriptors"]["unaccounted"];
        assert_eq!(unaccounted, 0, "descriptors that nobody owns");
        assert!(
            self.observations.memory < MAX_MEMORY,
            "{} bytes of memory",
            self.observations.memory
        );
        assert_eq!((self.code, self.kills), (0, 0), "its end");
        let limit = GRACE + MAX_SHUTDOWN;
        // In a short attack the machine may be busy.
        let limit = configured_duration().map_or(self.pace_at_end.limit(limit), |_| limit);
        assert!(
            self.ended_in < limit,
            "it ended after {:?}, not within {limit:?}",
            self.ended_in
        );
    }

    /// Writes one line directly, which bypasses the capture of test output.
    fn report(&self) {
        let (lag, runs) = self.observations.root_spans.p99(GOOD);
        let all = self.finished(GOOD);
        let probe = self.observations.probes.iter().max().copied().unwrap_or_default();
        let _closed = writeln!(
            std::io::stderr(),
            "attack {}: {runs} of {all} spans of good checks, p99 of their lag {:.1} ms, {} missed, at most {} MiB, {} \
             probes in {probe:.0?} at most, {} refused, {} notified, {} beats, ended in {:.1?}; the machine was {:.0?} \
             late at most, p99 {:.1?}, and answered a probe in {:.1?}; complaints: {:?}",
            self.name,
            lag * 1e3,
            self.missed(),
            self.observations.memory >> 20,
            self.observations.probes.len(),
            self.observations.refused,
            self.observations.notified,
            self.observations.pings,
            self.ended_in,
            self.wake_latency.max,
            self.wake_latency.p99,
            self.pace.p50,
            self.observations.issues,
        );
    }

    fn finished(&self, prefix: &str) -> u64 {
        let of = self.records.iter().filter(|(check, _)| check.starts_with(prefix));
        of.map(|(_, record)| record.account.total_finished()).sum()
    }

    fn missed(&self) -> u64 {
        let missed = |check: &Value| sum(&check["account"]["missed"]);
        checks_with_prefix(&self.under_attack, GOOD)
            .map(|check| increase(&self.baseline, check, missed))
            .sum()
    }

    fn good_checks_ran_when_due(&self) {
        if self.wake_latency.max >= HOST_STALLED && configured_duration().is_none() {
            // The report contains the wake-up latency.
            return;
        }
        for check in checks_with_prefix(&self.under_attack, GOOD) {
            let count = |count: fn(&Value) -> u64| increase(&self.baseline, check, count);
            let all = count(|check| sum(&check["account"]["finished"]));
            let passed = count(|check| check["account"]["finished"]["pass"].as_u64().unwrap());
            assert_eq!((all, check["status"].as_str()), (passed, Some("up")), "{check:#}");
        }
        let flapping = checks_with_prefix(&self.under_attack, FLAPPING).map(|check| {
            let missed = |check: &Value| sum(&check["account"]["missed"]);
            increase(&self.baseline, check, missed)
        });
        assert_eq!(
            self.missed() + flapping.sum::<u64>(),
            0,
            "due times were missed: {:#}",
            self.under_attack
        );
        let (lag, _) = self.observations.root_spans.p99(GOOD);
        let most = MAX_LAG_SECONDS + self.wake_latency.p99.as_secs_f64();
        assert!(
            configured_duration().is_none() || lag < most,
            "p99 of the lag is {lag} s, more than {most} s"
        );
    }

    fn hostile_checks_ran(&self) {
        for check in checks_with_prefix(&self.under_attack, BAD) {
            assert!(sum(&check["account"]["finished"]) > 0, "{check:#}");
        }
    }

    fn probes_were_answered(&self) {
        let mut probes = self.observations.probes.clone();
        probes.sort();
        // In a short attack the machine may be busy, so only the median is asserted.
        let (rank, limit) = match configured_duration() {
            Some(_) => (probes.len() - 1, self.probe_limit),
            None => (probes.len() / 2, self.pace.median_limit(self.probe_limit)),
        };
        assert!(
            probes[rank] < limit,
            "/livez took {:?}, more than {limit:?}",
            probes[rank]
        );
        let refused = self.observations.refused;
        assert!(
            self.pace.allows_refused(refused, probes.len()),
            "{refused} probes were refused, {} answered; {:?}",
            probes.len(),
            self.pace
        );
    }

    fn spans_were_delivered(&self) {
        for (check, record) in self.records.iter().filter(|(check, _)| check.starts_with(GOOD)) {
            let (delivered, finished) = (
                self.observations.root_spans.count(check),
                record.account.total_finished(),
            );
            assert_eq!(delivered, finished, "spans of {check}");
            assert!(record.account.is_balanced(0, 0), "{check}: {:?}", record.account);
        }
    }
}

/// The checks in a status whose names have this prefix.
pub(crate) fn checks_with_prefix<'s>(status: &'s Value, prefix: &str) -> impl Iterator<Item = &'s Value> {
    let checks = status["checks"].as_array().unwrap().iter();
    checks.filter(move |check| check["name"].as_str().unwrap().starts_with(prefix))
}

/// The increase of a number of a check since `baseline`, in which the check may be missing.
pub(crate) fn increase(baseline: &Value, check: &Value, number: impl Fn(&Value) -> u64) -> u64 {
    let mut before = baseline["checks"].as_array().unwrap().iter();
    let before = before.find(|before| before["id"] == check["id"]);
    number(check) - before.map_or(0, number)
}

/// The sum of an object's numbers.
pub(crate) fn sum(counts: &Value) -> u64 {
    counts
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum()
}
