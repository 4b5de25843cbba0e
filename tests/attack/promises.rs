//! What has to hold under every attack.

use std::io::Write as _;
use std::time::Duration;

use canary::publish::Record;
use serde_json::Value;

use crate::checks::{BAD, FLAPPING, GOOD};
use crate::hold::{Seen, minutes};
use crate::service::GRACE;
use crate::witness::Lateness;

/// Resident bytes of a runner under attack.
const MEMORY: u64 = 256 << 20;
/// How long the end may take after the grace period.
const END: Duration = Duration::from_secs(15);
/// The lag in seconds that one in a hundred runs may exceed, apart from what the machine itself is late.
const LAG: f64 = 0.1;
/// Where one who sleeps is woken so late, others have taken the machine for themselves, and the runner is late as well.
const STOOD_STILL: Duration = Duration::from_millis(250);

/// What is known of a service that was attacked and has ended.
pub(crate) struct Evidence {
    pub(crate) name: &'static str,
    /// The status before the attack, and at its end.
    pub(crate) calm: Value,
    pub(crate) held: Value,
    pub(crate) seen: Seen,
    /// How long a probe may wait.
    pub(crate) probe: Duration,
    pub(crate) machine: Lateness,
    pub(crate) ended_in: Duration,
    pub(crate) code: i32,
    pub(crate) records: Vec<(String, Record)>,
    /// Processes that were killed for want of memory.
    pub(crate) kills: u64,
}

impl Evidence {
    /// Says what was seen, and asserts every promise.
    pub(crate) fn shows_that_all_promises_hold(&self) {
        self.report();
        self.good_checks_ran_when_due();
        self.hostile_checks_ran();
        self.probes_were_answered();
        self.spans_were_delivered();
        assert!(self.seen.notified >= 2, "alerts stand still");
        assert!(self.seen.beats >= 2, "the heart stands still");
        let unaccounted = &self.held["descriptors"]["unaccounted"];
        assert_eq!(unaccounted, 0, "descriptors that nobody owns");
        assert!(self.seen.memory < MEMORY, "{} bytes of memory", self.seen.memory);
        assert_eq!((self.code, self.kills), (0, 0), "its end");
        assert!(self.ended_in < GRACE + END, "it ended after {:?}", self.ended_in);
    }

    /// One line, past the capture of test output.
    fn report(&self) {
        let (lag, runs) = self.seen.roots.p99(GOOD);
        let all = self.finished(GOOD);
        let probe = self.seen.probes.iter().max().copied().unwrap_or_default();
        let _closed = writeln!(
            std::io::stderr(),
            "attack {}: {runs} of {all} spans of good checks, p99 of their lag {:.1} ms, {} missed, at most {} MiB, {} \
             probes in {probe:.0?} at most, {} notified, {} beats, ended in {:.1?}; the machine was {:.0?} late at \
             most, p99 {:.1?}; complaints: {:?}",
            self.name,
            lag * 1e3,
            self.missed(),
            self.seen.memory >> 20,
            self.seen.probes.len(),
            self.seen.notified,
            self.seen.beats,
            self.ended_in,
            self.machine.most,
            self.machine.p99,
            self.seen.complaints,
        );
    }

    fn finished(&self, beginning: &str) -> u64 {
        let of = self
            .records
            .iter()
            .filter(|(check, _)| check.starts_with(beginning));
        of.map(|(_, record)| record.account.finished_in_all()).sum()
    }

    fn missed(&self) -> u64 {
        let missed = |check: &Value| sum(&check["account"]["missed"]);
        named(&self.held, GOOD)
            .map(|check| changed(&self.calm, check, missed))
            .sum()
    }

    fn good_checks_ran_when_due(&self) {
        if self.machine.most >= STOOD_STILL && minutes().is_none() {
            // It says how late the machine was.
            return;
        }
        for check in named(&self.held, GOOD) {
            let count = |count: fn(&Value) -> u64| changed(&self.calm, check, count);
            let all = count(|check| sum(&check["account"]["finished"]));
            let passed = count(|check| check["account"]["finished"]["pass"].as_u64().unwrap());
            assert_eq!((all, check["status"].as_str()), (passed, Some("up")), "{check:#}");
        }
        let flapping = named(&self.held, FLAPPING).map(|check| {
            let missed = |check: &Value| sum(&check["account"]["missed"]);
            changed(&self.calm, check, missed)
        });
        assert_eq!(
            self.missed() + flapping.sum::<u64>(),
            0,
            "due times were missed: {:#}",
            self.held
        );
        let (lag, _) = self.seen.roots.p99(GOOD);
        let most = LAG + self.machine.p99.as_secs_f64();
        assert!(
            minutes().is_none() || lag < most,
            "p99 of the lag is {lag} s, more than {most} s"
        );
    }

    fn hostile_checks_ran(&self) {
        for check in named(&self.held, BAD) {
            assert!(sum(&check["account"]["finished"]) > 0, "{check:#}");
        }
    }

    fn probes_were_answered(&self) {
        let mut probes = self.seen.probes.clone();
        probes.sort();
        // A short attack is beside whatever else this machine does.
        let counts = minutes().map_or(probes.len() / 2, |_| probes.len() - 1);
        assert!(probes[counts] < self.probe, "/livez took {:?}", probes[counts]);
    }

    fn spans_were_delivered(&self) {
        for (check, record) in self.records.iter().filter(|(check, _)| check.starts_with(GOOD)) {
            let (delivered, finished) = (self.seen.roots.of(check), record.account.finished_in_all());
            assert_eq!(delivered, finished, "spans of {check}");
            assert!(record.account.holds(0, 0), "{check}: {:?}", record.account);
        }
    }
}

/// The checks of a status whose names begin so.
pub(crate) fn named<'s>(status: &'s Value, beginning: &str) -> impl Iterator<Item = &'s Value> {
    let checks = status["checks"].as_array().unwrap().iter();
    checks.filter(move |check| check["name"].as_str().unwrap().starts_with(beginning))
}

/// How much more a number of a check is than it was at `calm`, where the check may not have been there.
pub(crate) fn changed(calm: &Value, check: &Value, number: impl Fn(&Value) -> u64) -> u64 {
    let mut before = calm["checks"].as_array().unwrap().iter();
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
