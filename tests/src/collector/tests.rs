use std::net::TcpStream;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use rustls::ALL_VERSIONS;
use serde_json::json;

use super::*;
use crate::certificate::Authority;
use crate::otlp::{Sender, TRACE_ID, gauge, histogram, logs, metrics, span, sum, traces};

const BOTH: [Protocol; 2] = [Protocol::Http, Protocol::Grpc];

fn run() -> Message {
    traces(vec![
        span("check home", 1, 0),
        span("tcp connect", 3, 1),
        span("dns lookup", 2, 1),
    ])
}

/// How often a request must have arrived that was sent once.
fn requests(arrivals: &Arrivals) -> usize {
    arrivals.requests.len()
}

#[test]
fn every_signal_arrives_in_order_over_both_protocols_plain_and_compressed() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let sender = Sender::new(protocol, collector.address());
        let sent = [
            run(),
            metrics(vec![gauge("canary.check.up", "", 1.0)]),
            logs("change", "down"),
        ];
        for sender in [sender.clone(), sender.gzip()] {
            for message in &sent {
                let answer = sender.send(message).unwrap();
                assert_eq!(answer.status, 200);
                let status = (protocol == Protocol::Grpc).then_some("0");
                assert_eq!(answer.header("grpc-status"), status, "{protocol:?}");
            }
        }
        let arrivals = collector.wait_for(LIMIT, |arrivals| requests(arrivals) == 6);
        assert_eq!(arrivals.problems, Vec::<String>::new());
        for (number, arrival) in arrivals.requests.iter().enumerate() {
            assert_eq!((arrival.number, arrival.accepted), (number as u64, true));
            assert_eq!(arrival.message, sent[number % 3], "{protocol:?} {number}");
            let encoding = match protocol {
                Protocol::Http => "content-encoding",
                Protocol::Grpc => "grpc-encoding",
            };
            assert_eq!(arrival.header(encoding), (number >= 3).then_some("gzip"));
        }
        let (plain, compressed) = (&arrivals.requests[0], &arrivals.requests[3]);
        assert_eq!(plain.bytes, compressed.bytes);
        assert!(compressed.wire_bytes < plain.wire_bytes);
    }
}

#[test]
fn spans_are_found_by_name_parent_and_trace() {
    let collector = Collector::start(Protocol::Http);
    let sender = Sender::new(Protocol::Http, collector.address());
    sender.send(&run()).unwrap();
    let spans = collector.arrivals().spans();
    let root = spans.one("check home");
    assert_eq!(root.resource["service.name"], "canary");
    assert_eq!(root.scope, "canary");
    assert_eq!(root.attributes["canary.check.name"], "home");
    assert!((root.seconds() - 1.0).abs() < 1e-9);
    assert_eq!(root.trace_id, TRACE_ID);
    assert_eq!(spans.roots().names(), ["check home"]);
    // The clock moved on between them.
    assert_eq!(spans.children_of(root).names(), ["tcp connect", "dns lookup"]);
    assert_eq!(spans.trace_of(root).len(), 3);
    assert!(spans.named("GET").is_empty());
}

#[test]
fn points_are_found_by_metric_and_attributes() {
    let collector = Collector::start(Protocol::Grpc);
    let sender = Sender::new(Protocol::Grpc, collector.address());
    let mut gone = gauge("canary.check.up", "", 1.0);
    if let Some(Data::Gauge(gauge)) = &mut gone.data {
        gauge.data_points[0].flags = 1;
    }
    for (runs, up) in [(1.0, gauge("canary.check.up", "", 1.0)), (2.0, gone)] {
        let sent = [
            sum("canary.check.runs", "{run}", runs),
            histogram("canary.check.run.duration", "s"),
            up,
        ];
        sender.send(&metrics(sent.into())).unwrap();
    }
    let metrics = collector.arrivals().metrics();
    assert_eq!(
        metrics.names(),
        [
            "canary.check.run.duration",
            "canary.check.runs",
            "canary.check.up"
        ]
    );
    let home: &[_] = &[("canary.check.name", "home")];
    assert_eq!(metrics.sum("canary.check.runs", home), Some(2.0));
    assert_eq!(
        metrics.sum("canary.check.runs", &[("canary.check.name", "x")]),
        None
    );
    assert_eq!(metrics.sum("canary.check.run.duration", home), Some(2.0));
    let runs = metrics.named("canary.check.runs");
    assert_eq!(
        (runs.len(), runs[0].kind, runs[0].unit.as_str()),
        (2, "sum", "{run}")
    );
    let up = metrics.latest("canary.check.up");
    assert_eq!(json!(up[0].0), json!({ "canary.check.name": "home" }));
    assert_eq!(*up[0].1, Measured::Gone);
}

#[test]
fn a_record_is_found_by_its_event() {
    let collector = Collector::start(Protocol::Http);
    let sender = Sender::new(Protocol::Http, collector.address());
    sender
        .send(&logs("canary.check.transition", "home is down"))
        .unwrap();
    let logs = collector.arrivals().logs();
    let log = &logs.named("canary.check.transition")[0];
    assert_eq!(log.text, "home is down");
    assert_eq!(log.attributes["canary.check.name"], "home");
    assert!(logs.named("other").is_empty());
}

#[test]
fn a_refusal_says_its_status_and_is_not_taken() {
    let collector = Collector::start(Protocol::Http);
    let sender = Sender::new(Protocol::Http, collector.address());
    collector.set(Mode::Status {
        code: 429,
        retry_after: Some(7),
    });
    let answer = sender.send(&run()).unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (429, Some("7"))
    );
    collector.set(Mode::Answer);
    sender.send(&run()).unwrap();
    let arrivals = collector.arrivals();
    let taken: Vec<bool> = arrivals.requests.iter().map(|arrival| arrival.accepted).collect();
    assert_eq!(taken, [false, true]);
    assert_eq!(arrivals.spans().len(), 3);
}

#[test]
fn a_grpc_refusal_carries_the_delay_to_wait() {
    let collector = Collector::start(Protocol::Grpc);
    let sender = Sender::new(Protocol::Grpc, collector.address());
    collector.set(Mode::Grpc {
        code: 8,
        retry_after: Some(Duration::from_millis(1500)),
    });
    let answer = sender.send(&run()).unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("grpc-status")),
        (200, Some("8"))
    );
    // Code 8, the message, and a RetryInfo of 1 s and 500,000,000 ns.
    let details = answer.header("grpc-status-details-bin").unwrap();
    assert_eq!(
        details,
        "CAgSFHRoZSB0ZXN0IHdhbnRzIGl0IHNvGjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICAEQgMq17gE"
    );
    collector.set(Mode::Grpc {
        code: 14,
        retry_after: None,
    });
    let answer = sender.send(&run()).unwrap();
    assert_eq!(answer.header("grpc-status"), Some("14"));
    assert_eq!(answer.header("grpc-status-details-bin"), None);
}

#[test]
fn a_partial_success_says_how_many_were_no_good() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        collector.set(Mode::PartialSuccess(2));
        let answer = Sender::new(protocol, collector.address()).send(&run()).unwrap();
        // Field 1 is the message, its field 1 the number, its field 2 the reason.
        let body = b"\x0a\x18\x08\x02\x12\x14the test wants it so";
        assert!(answer.body.ends_with(body), "{:?}", answer.body);
        assert_eq!(collector.arrivals().spans().len(), 3);
    }
}

#[test]
fn garbage_and_a_close_in_the_middle_are_no_answers() {
    for protocol in BOTH {
        for (mode, arrives) in [
            (Mode::Garbage, protocol == Protocol::Http),
            (Mode::Close(ClosePoint::Response), true),
            (Mode::Close(ClosePoint::Request), false),
        ] {
            let collector = Collector::start(protocol);
            collector.set(mode);
            let sender = Sender::new(protocol, collector.address());
            let failure = sender.send(&run()).unwrap_err();
            assert!(
                !failure.to_string().contains("deadline"),
                "{protocol:?} {mode:?}: {failure}"
            );
            let arrivals = collector.arrivals();
            assert_eq!(requests(&arrivals), usize::from(arrives), "{protocol:?} {mode:?}");
            assert_eq!(arrivals.spans().len(), 0, "{protocol:?} {mode:?}");
            collector.set(Mode::Answer);
            sender.send(&run()).unwrap();
        }
    }
}

#[test]
fn a_silent_collector_reads_and_never_answers() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        collector.set(Mode::Silent);
        let address = collector.address();
        let asked = std::thread::spawn(move || Sender::new(protocol, address).send(&run()));
        collector.wait_for(LIMIT, |arrivals| requests(arrivals) == 1);
        assert_eq!(collector.open(), 1);
        assert!(!asked.is_finished());
        drop(collector);
        asked.join().unwrap().unwrap_err();
    }
}

#[test]
fn a_slow_collector_answers_when_its_time_is_over() {
    let collector = Collector::start(Protocol::Grpc);
    collector.set(Mode::Slow(Duration::from_millis(100)));
    Sender::new(Protocol::Grpc, collector.address())
        .send(&run())
        .unwrap();
    let arrivals = collector.arrivals();
    assert!(arrivals.requests[0].at.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_collector_that_is_away_refuses_and_comes_back_to_its_port() {
    let mut collector = Collector::start(Protocol::Http);
    let address = collector.address();
    let sender = Sender::new(Protocol::Http, address);
    sender.send(&run()).unwrap();
    for _ in 0..20 {
        collector.stop_listening();
        TcpStream::connect(address).unwrap_err();
        collector.listen();
        sender.send(&run()).unwrap();
    }
    assert_eq!(requests(&collector.arrivals()), 21);
    // Keeps the port when the collector is gone, so that no other test gets it meanwhile.
    collector.stop_listening();
    let port = TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind(address).unwrap();
    collector.listen();
    drop(collector);
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn a_client_certificate_is_demanded_where_the_test_wants_it() {
    let authority = Authority::new("Test Root");
    let certificate = authority.leaf(&["localhost"]).issue();
    for protocol in BOTH {
        let config = certificate.server_config_with(ALL_VERSIONS, Some(&authority));
        let collector = Collector::start_tls(protocol, config);
        let sender = Sender::new(protocol, collector.address());
        let shown = authority.client_config_with(&authority.leaf(&["client"]).issue());
        assert_eq!(sender.clone().tls(shown).send(&run()).unwrap().status, 200);
        sender.tls(authority.client_config()).send(&run()).unwrap_err();
        assert_eq!(requests(&collector.arrivals()), 1);
        let problems = collector.wait_for(LIMIT, |arrivals| !arrivals.problems.is_empty());
        assert!(problems.problems[0].contains("handshake"), "{problems:?}");
    }
}

#[test]
fn what_is_no_otlp_is_refused_and_told() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let sender = Sender::new(protocol, collector.address());
        for body in [&b"\xff\xff"[..], b"\x38\x01"] {
            let answer = sender.post(Signal::Traces, body).unwrap();
            match protocol {
                Protocol::Http => assert_eq!(answer.status, 400),
                Protocol::Grpc => assert_eq!(answer.header("grpc-status"), Some("3")),
            }
        }
        let answer = sender.below("/wrong").send(&run()).unwrap();
        let refused = usize::from(protocol == Protocol::Http);
        assert_eq!(answer.status.as_u16(), if refused == 1 { 400 } else { 200 });
        let arrivals = collector.arrivals();
        assert_eq!(arrivals.problems.len(), 2 + refused, "{:?}", arrivals.problems);
        assert_eq!(requests(&arrivals), 1 - refused);
    }
}

#[test]
fn older_requests_are_forgotten_and_counted_when_they_are_too_many() {
    let inbox = arrivals::ArrivalLog::default();
    let arrive = |number| Arrival {
        number,
        at: tokio::time::Instant::now(),
        headers: hyper::HeaderMap::new(),
        wire_bytes: 0,
        bytes: MAX_ARRIVAL_BYTES / 4,
        message: logs("one", "of many"),
        accepted: true,
    };
    for _ in 0..6 {
        inbox.push(arrive);
    }
    let arrivals = inbox.snapshot();
    assert_eq!((arrivals.requests.len(), arrivals.forgotten), (4, 2));
    assert_eq!(arrivals.requests[0].number, 2);
}

#[tokio::test]
async fn a_test_may_wait_without_blocking_its_thread() {
    let collector = Collector::start(Protocol::Http);
    let address = collector.address();
    let sent = tokio::task::spawn_blocking(move || {
        Sender::new(Protocol::Http, address)
            .send(&run())
            .map(|answer| answer.status)
    });
    let waited = tokio::time::timeout(LIMIT, collector.until(|arrivals| requests(arrivals) == 1));
    assert_eq!(waited.await.unwrap().spans().len(), 3);
    assert_eq!(sent.await.unwrap().unwrap(), 200);
}
