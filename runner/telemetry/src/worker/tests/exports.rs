//! Exports of metrics larger than the queue, without a spool.

use std::sync::Mutex;

use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;

use super::*;
use crate::delivery::SignalReport;
use crate::delivery::simulated::{self, Status as Answer};
use crate::settings::Exporter;
use canary_run::outcome::{Measurement, Outcome, VerdictStatus};

const INTERVAL: Duration = Duration::from_secs(10);
/// The memory limit in bytes.
const MEMORY: u64 = 2 << 20;
/// The essential metrics of a check, with their number of points in an export.
const CORE: [(&str, usize); 3] = [
    ("canary.check.runs", 5),
    ("canary.check.up", 1),
    ("canary.check.status", 4),
];

/// A receiver of metrics. Clones are the same one.
#[derive(Debug, Clone, Default)]
struct Receiver(Arc<Mutex<Received>>);

#[derive(Debug, Default)]
struct Received {
    is_away: bool,
    /// The time it needs for a request.
    latency: Duration,
    requests: Vec<Bytes>,
}

impl Receiver {
    fn slow(latency: Duration) -> Self {
        let receiver = Self::default();
        receiver.0.lock().unwrap().latency = latency;
        receiver
    }

    fn exporter(&self) -> Exporter {
        let receiver = self.clone();
        let take = move |_, request| receiver.clone().take(request);
        Exporter::Simulated(simulated::Collector::new(take))
    }

    async fn take(self, request: Bytes) -> Answer {
        let latency = self.0.lock().unwrap().latency;
        sleep(latency).await;
        let mut received = self.0.lock().unwrap();
        if received.is_away {
            return Answer::Refused;
        }
        received.requests.push(request);
        Answer::Http(200, None)
    }

    fn set_away(&self, is_away: bool) {
        self.0.lock().unwrap().is_away = is_away;
    }

    fn bytes(&self) -> u64 {
        let received = self.0.lock().unwrap();
        received.requests.iter().map(|request| request.len() as u64).sum()
    }

    /// The number of exports that contain each check, by check and metric.
    fn counts(&self) -> BTreeMap<(String, &'static str), usize> {
        let mut counts: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
        for request in &self.0.lock().unwrap().requests {
            for (name, point) in points(request) {
                if let Some(check) = check_of(&point) {
                    *counts.entry((check, name)).or_default() += 1;
                }
            }
        }
        for ((_, name), count) in &mut counts {
            let (_, in_one) = CORE.into_iter().find(|(core, _)| core == name).unwrap();
            *count /= in_one;
        }
        counts
    }
}

/// The data points of the essential metrics.
fn points(request: &Bytes) -> Vec<(&'static str, NumberDataPoint)> {
    let request = ExportMetricsServiceRequest::decode(request.clone()).unwrap();
    let scopes = request
        .resource_metrics
        .into_iter()
        .flat_map(|of| of.scope_metrics);
    let mut points = Vec::new();
    for metric in scopes.flat_map(|scope| scope.metrics) {
        let Some((name, _)) = CORE.into_iter().find(|(name, _)| *name == metric.name) else {
            continue;
        };
        let of_metric = match metric.data.unwrap() {
            Data::Gauge(gauge) => gauge.data_points,
            Data::Sum(sum) => sum.data_points,
            other => panic!("{name} is {other:?}"),
        };
        points.extend(of_metric.into_iter().map(|point| (name, point)));
    }
    points
}

fn check_of(point: &NumberDataPoint) -> Option<String> {
    let named = point
        .attributes
        .iter()
        .find(|one| one.key == "canary.check.name")?;
    match named.value.as_ref()?.value.as_ref()? {
        Value::StringValue(name) => Some(name.clone()),
        _ => None,
    }
}

/// Telemetry that exports only metrics.
fn exporting(receiver: &Receiver) -> (Telemetry, MetricsHandle, Worker) {
    let (telemetry, handle, mut worker) = by(Named(Vec::new()));
    worker.delivery.exporters = [(Signal::Metrics, receiver.exporter())].into();
    worker.delivery.memory = MEMORY;
    worker.interval = INTERVAL;
    (telemetry, handle, worker)
}

/// A run of a check with as many measurements as possible.
fn measuring(check: &str) -> Run {
    let pair = |number: usize| {
        let key = format!("key {number} {}", "k".repeat(100));
        (key.into(), "v".repeat(128).into())
    };
    let measurement = |number: usize| Measurement {
        name: format!("{number} {}", "m".repeat(120)).into(),
        value: 1.0,
        unit: "u".repeat(128).into(),
        attributes: (0..8).map(pair).collect(),
    };
    let mut verdict = sample::verdict(VerdictStatus::Pass);
    verdict.measurements = (0..256).map(measurement).collect();
    Run {
        outcome: Outcome::Completed(verdict),
        ..run(check)
    }
}

/// Records a run of each good check, and one of a check with as many measurements as possible.
fn begin(telemetry: &Telemetry, good: &[String]) {
    let checks = good.iter().map(|name| run(name).check);
    telemetry.suite_changed(checks.chain([run("loud").check]).collect());
    telemetry.run_finished(&Arc::new(measuring("loud")), &standing());
    for name in good {
        telemetry.run_finished(&Arc::new(run(name)), &standing());
    }
}

fn named(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("check {number}")).collect()
}

/// The last sampled state of the exports of metrics.
fn report(handle: &MetricsHandle) -> SignalReport {
    let reading = handle.delivery_status().unwrap();
    reading.report.signals[&Signal::Metrics].clone()
}

#[tokio::test(start_paused = true)]
async fn an_export_that_is_more_than_may_wait_arrives_whole_and_so_does_the_last_one() {
    let receiver = Receiver::slow(Duration::from_millis(20));
    let (telemetry, handle, worker) = exporting(&receiver);
    let stop = CancellationToken::new();
    let good = named(400);
    begin(&telemetry, &good);
    let story = async {
        sleep(INTERVAL + INTERVAL / 2).await;
        stop.cancel();
    };
    tokio::join!(worker.run(stop.clone()), story);
    assert!(receiver.bytes() > 4 * MEMORY, "{}", receiver.bytes());
    let counts = receiver.counts();
    for check in &good {
        for (metric, _) in CORE {
            let count = counts.get(&(check.clone(), metric));
            assert_eq!(count, Some(&2), "{check}: {metric}");
        }
    }
    assert!(report(&handle).dropped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_slower_than_exports_are_due_has_them_one_after_the_other() {
    let receiver = Receiver::slow(Duration::from_secs(9));
    let (telemetry, handle, worker) = exporting(&receiver);
    let stop = CancellationToken::new();
    begin(&telemetry, &named(400));
    let story = async {
        sleep(30 * INTERVAL).await;
        let report = report(&handle);
        stop.cancel();
        report
    };
    let (report, ()) = tokio::join!(story, worker.run(stop.clone()));
    assert!(report.dropped.is_empty(), "{report:?}");
    assert!(report.memory_bytes < MEMORY / 2, "{report:?}");
    let counts = receiver.counts();
    assert!(
        counts[&("check 0".to_owned(), "canary.check.up")] >= 2,
        "exports go on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_measures_as_much_as_it_can_costs_others_no_metrics_in_an_outage() {
    const EXPORTS: u32 = 6;
    let receiver = Receiver::default();
    receiver.set_away(true);
    let (telemetry, handle, worker) = exporting(&receiver);
    let stop = CancellationToken::new();
    let good = named(12);
    begin(&telemetry, &good);
    let story = async {
        sleep(EXPORTS * INTERVAL + INTERVAL / 2).await;
        receiver.set_away(false);
        sleep(20 * INTERVAL).await;
        stop.cancel();
    };
    tokio::join!(worker.run(stop.clone()), story);
    let report = report(&handle);
    assert!(report.dropped.is_empty(), "{report:?}");
    assert!(report.dropped_items > 0, "there was no room for all: {report:?}");
    let counts = receiver.counts();
    for check in &good {
        for (metric, _) in CORE {
            let count = counts[&(check.clone(), metric)];
            assert!(count > EXPORTS as usize, "{check}: {metric} in {count} exports");
        }
    }
}
