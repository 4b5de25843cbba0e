//! Delivery end to end, against misbehaving collectors on loopback.

mod collector;
mod ending;
mod idle;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;

use super::*;
use crate::settings::{Compression, Destination, Protocol};
use canary_outbound::http_client::TlsFiles;
use collector::{Behaviour, Collector};

/// Time limit for expected events, longer than any test should take.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);
/// Time-out of an attempt that has to time out. Others are given more: what a collector took too late is sent again.
const SHORT_TIMEOUT: Duration = Duration::from_secs(2);

struct Fixture {
    delivery: Delivery,
    notices: mpsc::Receiver<Notice>,
}

fn destination(address: SocketAddr) -> Destination {
    Destination {
        url: format!("http://{address}/v1/traces").parse().unwrap(),
        protocol: Protocol::HttpProtobuf,
        headers: Vec::new(),
        timeout: EVENT_TIMEOUT,
        compression: Compression::None,
        tls: TlsFiles::default(),
    }
}

fn start(exporters: BTreeMap<Signal, Exporter>, folder: Option<&Path>) -> Fixture {
    let (sender, notices) = mpsc::channel(64);
    let delivery = Delivery::start(DeliverySettings {
        internal_fds: InternalFds::default(),
        secrets: SecretRegistry::default(),
        liveness: Registry::default(),
        exporters,
        resource: Resource::default(),
        scope: InstrumentationScope::default(),
        batch_delay: Duration::from_millis(10),
        spool: folder.map(|folder| SpoolSettings {
            folder: folder.to_owned(),
            max_bytes: 64 << 20,
            max_age: Duration::from_secs(3600),
        }),
        memory: MAX_MEMORY,
        console: Box::new(std::io::sink()),
        notices: sender,
    });
    Fixture { delivery, notices }
}

fn start_to(collector: &Collector, signals: &[Signal], folder: Option<&Path>) -> Fixture {
    let exporter = |signal: &Signal| (*signal, Exporter::Otlp(destination(collector.address())));
    start(signals.iter().map(exporter).collect(), folder)
}

/// Sends metrics to a collector that behaves like this at first.
fn start_to_bad(collector: &Collector, behaviour: Behaviour, folder: Option<&Path>) -> Fixture {
    let mut to = destination(collector.address());
    if behaviour == Behaviour::Silent {
        to.timeout = SHORT_TIMEOUT;
    }
    start(BTreeMap::from([(Signal::Metrics, Exporter::Otlp(to))]), folder)
}

fn frame(name: &str) -> Frame {
    let span = Span {
        name: name.to_owned(),
        ..Default::default()
    };
    let scope = ScopeSpans {
        spans: vec![span],
        ..Default::default()
    };
    Frame::new(Owner::RUNNER, scope.encode_to_vec())
}

/// Names of the spans that a collector accepted, in their order.
fn spans(collector: &Collector) -> Vec<String> {
    let requests = collector.accepted();
    requests
        .iter()
        .flat_map(|request| {
            ExportTraceServiceRequest::decode(request.as_slice())
                .unwrap()
                .resource_spans
        })
        .flat_map(|spans| spans.scope_spans)
        .flat_map(|spans| spans.spans)
        .map(|span| span.name)
        .collect()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(EVENT_TIMEOUT, poll).await;
    assert!(came.is_ok(), "{what} did not come");
}

fn soon() -> Instant {
    Instant::now() + EVENT_TIMEOUT
}

#[tokio::test]
async fn frames_arrive_together_and_requests_as_they_are() {
    let collector = Collector::start(Behaviour::Accept).await;
    let fixture = start_to(&collector, &[Signal::Traces, Signal::Metrics], None);
    for name in ["a", "b", "c"] {
        fixture.delivery.append(Signal::Traces, &frame(name));
    }
    until("the batch", || collector.accepted().len() == 1).await;
    assert_eq!(spans(&collector), ["a", "b", "c"]);

    fixture.delivery.push(Signal::Metrics, b"as it is".to_vec());
    until("the request", || collector.accepted().len() == 2).await;
    assert_eq!(collector.accepted()[1], b"as it is");
    let request = &collector.heads()[1];
    assert_eq!(request.headers["content-type"], "application/x-protobuf");
    assert!(
        request.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("OTel-OTLP-Exporter-Canary/")
    );
}

#[tokio::test]
async fn what_a_collector_refuses_for_now_arrives_in_order_when_it_is_back() {
    let bad = [
        Behaviour::Silent,
        Behaviour::Status(500),
        Behaviour::Status(401),
        Behaviour::Status(404),
        Behaviour::Garbage,
        Behaviour::CloseInTheMiddle,
        Behaviour::CloseAtOnce,
    ];
    for behaviour in bad {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::start(behaviour).await;
        let fixture = start_to_bad(&collector, behaviour, Some(folder.path()));
        for request in [b"1", b"2", b"3"] {
            fixture.delivery.push(Signal::Metrics, request.to_vec());
        }
        let is_failing = || {
            fixture.delivery.report().signals[&Signal::Metrics]
                .failing_for
                .is_some()
        };
        until("a failure", is_failing).await;
        let report = &fixture.delivery.report().signals[&Signal::Metrics];
        assert_eq!(
            (report.waiting, report.spool_bytes, report.memory_bytes),
            (3, 3, 0)
        );

        collector.behave(Behaviour::Accept);
        until("the backlog", || collector.accepted().len() == 3).await;
        assert_eq!(collector.accepted(), [b"1", b"2", b"3"], "{behaviour:?}");
        let is_empty = || fixture.delivery.report().signals[&Signal::Metrics].waiting == 0;
        until("an empty queue", is_empty).await;
    }
}

#[tokio::test]
async fn each_misbehaviour_has_its_word() {
    let words = [
        (Behaviour::Silent, "timeout"),
        (Behaviour::Status(503), "http_503"),
        (Behaviour::Garbage, "garbage"),
        (Behaviour::CloseInTheMiddle, "closed"),
        (Behaviour::CloseAtOnce, "closed"),
        (Behaviour::Endless, "http_500"),
    ];
    for (behaviour, word) in words {
        let collector = Collector::start(behaviour).await;
        let fixture = start_to_bad(&collector, behaviour, None);
        fixture.delivery.push(Signal::Metrics, b"1".to_vec());
        let counted = || {
            fixture.delivery.report().signals[&Signal::Metrics]
                .exports
                .contains_key(word)
        };
        until(word, counted).await;
    }
    // Bound and not listening, so that nobody else gets the port.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let destination = destination(nobody.local_addr().unwrap());
    let exporters = BTreeMap::from([(Signal::Metrics, Exporter::Otlp(destination))]);
    let fixture = start(exporters, None);
    fixture.delivery.push(Signal::Metrics, b"1".to_vec());
    let counted = || {
        fixture.delivery.report().signals[&Signal::Metrics]
            .exports
            .contains_key("connect")
    };
    until("connect", counted).await;
}

#[tokio::test]
async fn a_collector_that_wants_to_be_left_alone_is() {
    let collector = Collector::start(Behaviour::RetryAfter(2)).await;
    let fixture = start_to(&collector, &[Signal::Metrics], None);
    // Before the answer: this test may see the attempt some time after it.
    let began = Instant::now();
    fixture.delivery.push(Signal::Metrics, b"1".to_vec());
    until("the first attempt", || collector.heads().len() == 1).await;
    collector.behave(Behaviour::Accept);
    // Neither time nor new requests shorten the delay.
    for _ in 0..3 {
        fixture.delivery.push(Signal::Metrics, b"2".to_vec());
    }
    until("the next attempt", || collector.heads().len() > 1).await;
    assert!(
        began.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_request_that_is_refused_for_good_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(Behaviour::Status(400)).await;
    let mut fixture = start_to(&collector, &[Signal::Metrics], Some(folder.path()));
    fixture.delivery.push(Signal::Metrics, b"bad".to_vec());
    let refused = || fixture.delivery.report().signals[&Signal::Metrics].dead_letters == 1;
    until("the refusal", refused).await;
    collector.behave(Behaviour::Accept);
    fixture.delivery.push(Signal::Metrics, b"good".to_vec());
    until("the next", || collector.accepted() == [b"good"]).await;
    assert_eq!(fs::read_dir(folder.path().join("dead")).unwrap().count(), 1);
    let notice = fixture.notices.try_recv().unwrap();
    assert!(
        matches!(
            notice,
            Notice::Refused {
                signal: Signal::Metrics,
                ..
            }
        ),
        "{notice}"
    );
}

#[tokio::test]
async fn a_signal_whose_collector_hangs_does_not_hold_up_another() {
    let (hung, good) = tokio::join!(
        Collector::start(Behaviour::Silent),
        Collector::start(Behaviour::Accept)
    );
    let exporters = [(Signal::Traces, &hung), (Signal::Metrics, &good)]
        .map(|(signal, collector)| (signal, Exporter::Otlp(destination(collector.address()))));
    let fixture = start(exporters.into(), None);
    fixture.delivery.append(Signal::Traces, &frame("a"));
    until("the hung attempt", || hung.connections() == 1).await;
    for _ in 0..3 {
        fixture.delivery.push(Signal::Metrics, b"1".to_vec());
    }
    until("the others", || good.accepted().len() == 3).await;
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_a_dead_one_is_replaced_at_once() {
    let collector = Collector::start(Behaviour::Accept).await;
    let fixture = start_to(&collector, &[Signal::Metrics], None);
    for sent in 1..=3 {
        fixture.delivery.push(Signal::Metrics, b"1".to_vec());
        until("the request", || collector.accepted().len() == sent).await;
    }
    assert_eq!(collector.connections(), 1);
    // It closes the idle connection when the next request arrives.
    collector.behave(Behaviour::CloseOnce);
    fixture.delivery.push(Signal::Metrics, b"2".to_vec());
    until("the request", || collector.accepted().len() == 4).await;
    assert_eq!(collector.connections(), 2);
    let is_counted = || fixture.delivery.report().signals[&Signal::Metrics].exports["success"] == 4;
    until("its count", is_counted).await;
    assert_eq!(
        fixture.delivery.report().signals[&Signal::Metrics].exports.len(),
        1
    );
}

/// A writer whose output the test reads.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_console_has_a_line_of_json_for_each_request_and_none_goes_nowhere() {
    let page = Page::default();
    let (sender, _notices) = mpsc::channel(1);
    let delivery = Delivery::start(DeliverySettings {
        internal_fds: InternalFds::default(),
        secrets: SecretRegistry::default(),
        liveness: Registry::default(),
        exporters: BTreeMap::from([
            (Signal::Traces, Exporter::Console),
            (Signal::Logs, Exporter::None),
        ]),
        resource: Resource::default(),
        scope: InstrumentationScope::default(),
        batch_delay: Duration::from_secs(1),
        spool: None,
        memory: MAX_MEMORY,
        console: Box::new(page.clone()),
        notices: sender,
    });
    let exported = Signal::ALL.map(|signal| delivery.exports(signal));
    assert_eq!(exported, [true, false, false]);
    delivery.append(Signal::Traces, &frame("shown"));
    delivery.append(Signal::Logs, &frame("dropped"));
    delivery.push(Signal::Metrics, b"dropped".to_vec());
    let report = delivery.finish(soon()).await;
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let json: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        json["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"],
        "shown"
    );
    assert_eq!(report.signals.keys().collect::<Vec<_>>(), [&Signal::Traces]);
    assert_eq!(report.signals[&Signal::Traces].exports["success"], 1);
}

#[tokio::test]
async fn a_header_of_the_operator_is_sent_and_never_written_to_disk() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(Behaviour::Status(StatusCode::UNAUTHORIZED.as_u16())).await;
    let mut to = destination(collector.address());
    let value = http::HeaderValue::from_static("Bearer s3cret-token");
    to.headers = vec![(http::header::AUTHORIZATION, value)];
    let exporters = BTreeMap::from([(Signal::Metrics, Exporter::Otlp(to))]);
    let fixture = start(exporters, Some(folder.path()));
    fixture.delivery.push(Signal::Metrics, b"request".to_vec());
    let is_spooled = || fixture.delivery.report().signals[&Signal::Metrics].spool_bytes == 7;
    until("the file", is_spooled).await;
    assert_eq!(
        collector.heads()[0].headers["authorization"],
        "Bearer s3cret-token"
    );
    let files = fs::read_dir(folder.path().join("metrics")).unwrap();
    let files: Vec<_> = files
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(files, [b"request"]);
}
