//! Observations of the service while attacks run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::active_attack::ActiveAttack;
use crate::attack::Attack;
use crate::checks::{BAD, GOOD};
use crate::promises::{checks_with_prefix, increase, sum};
use crate::root_spans::RootSpans;
use crate::service::{LIMIT, POLL_INTERVAL, Service, World};

/// Runs of each good check in a short attack.
const ROUNDS: u64 = 4;
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// How many success pings, and how many notifications, must arrive during an attack.
pub(crate) const MIN_MESSAGES: usize = 2;

/// The configured duration of an attack (`CANARY_ATTACK_MINUTES`).
pub(crate) fn configured_duration() -> Option<Duration> {
    let minutes = std::env::var_os("CANARY_ATTACK_MINUTES")?;
    let minutes: u64 = minutes
        .to_str()
        .and_then(|text| text.parse().ok())
        .expect("a number of minutes");
    Some(Duration::from_secs(60 * minutes))
}

/// What was observed of a service.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    /// Latencies of `/livez`, until it answered 200.
    pub(crate) probes: Vec<Duration>,
    /// Requests of `/livez` that were not answered.
    pub(crate) refused: usize,
    /// Peak resident memory in bytes.
    pub(crate) memory: u64,
    /// Problems reported by `/readyz`, each with its last message.
    pub(crate) issues: BTreeMap<String, String>,
    pub(crate) root_spans: RootSpans,
    /// Success pings, and notifications at the healthy receiver.
    pub(crate) pings: usize,
    pub(crate) notified: usize,
}

impl Observations {
    pub(crate) async fn sample(&mut self, service: &Service, world: &World) {
        self.probe(service).await;
        self.memory = self.memory.max(service.process.peak_resident());
        for (what, message) in service.problems().await {
            let name = message.split('`').nth(1).unwrap_or_default();
            self.issues.insert(format!("{what} {name}"), message);
        }
        self.root_spans.add(&world.collector.arrivals());
    }

    /// Requests `/livez` until it answers 200.
    ///
    /// In an attack of minutes the first request must succeed. In a short one the machine may be busy, so a few may be
    /// refused.
    async fn probe(&mut self, service: &Service) {
        let asked = Instant::now();
        while let Err(failure) = service.admin.probe() {
            let may_retry = configured_duration().is_none() && asked.elapsed() < LIMIT;
            assert!(may_retry, "/livez: {failure}");
            self.refused += 1;
            sleep(POLL_INTERVAL).await;
        }
        self.probes.push(asked.elapsed());
    }

    fn has_reported(&self, attack: &Attack) -> bool {
        attack.expected_issue.is_none_or(|issue| {
            let is_meant = |(what, message): (&String, &String)| {
                what.starts_with(issue.code) && message.contains(issue.message)
            };
            issue.takes_long && configured_duration().is_none() || self.issues.iter().any(is_meant)
        })
    }

    /// Samples until the attacks have lasted long enough, and returns the final status.
    pub(crate) async fn observe(
        &mut self,
        (service, world): (&Service, &World),
        attacks: &[Attack],
        active: &mut [ActiveAttack<'_>],
    ) -> Value {
        let (began, baseline) = (Instant::now(), service.status().await);
        let (pings, notified) = (world.pings(), world.healthy.delivered().len());
        let (mut samples, mut last) = (0, Instant::now());
        loop {
            active.iter_mut().for_each(|attack| attack.step(samples));
            self.sample(service, world).await;
            let status = service.status().await;
            self.pings = world.pings() - pings;
            self.notified = world.healthy.delivered().len() - notified;
            let is_enough = configured_duration().is_none_or(|duration| began.elapsed() >= duration);
            if is_enough && active.iter().all(ActiveAttack::is_complete) {
                let pending = self.pending(&baseline, &status, attacks);
                if pending.is_empty() {
                    return status;
                }
                assert!(last.elapsed() < LIMIT, "not seen: {pending:?}; {:?}", self.issues);
            } else {
                last = Instant::now();
            }
            samples += 1;
            sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// What has not been observed yet.
    fn pending(&self, baseline: &Value, status: &Value, attacks: &[Attack]) -> Vec<String> {
        let unreported = attacks.iter().filter(|attack| !self.has_reported(attack));
        let mut pending: Vec<String> = unreported
            .map(|attack| format!("{:?}", attack.expected_issue))
            .collect();
        for (prefix, enough) in [(GOOD, ROUNDS), (BAD, 1)] {
            let few = checks_with_prefix(status, prefix).filter(|check| {
                let runs = increase(baseline, check, |check| sum(&check["account"]["finished"]));
                runs < enough
            });
            pending.extend(few.map(|check| format!("{enough} runs of {}", check["name"])));
        }
        for (what, count) in [("notifications", self.notified), ("pings", self.pings)] {
            if count < MIN_MESSAGES {
                pending.push(format!("{MIN_MESSAGES} {what}"));
            }
        }
        // One that is just handed over between two owners counts as well. One that leaked stays.
        let unaccounted = &status["descriptors"]["unaccounted"];
        if unaccounted != 0 {
            pending.push(format!("the owners of {unaccounted} descriptors"));
        }
        pending
    }
}
