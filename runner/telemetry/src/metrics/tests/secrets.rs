//! No output shows a secret, wherever it occurs in a run and however it is encoded.
//!
//! Every field of a run is named here, so that a new one has to be covered as well.

use std::net::SocketAddr;

use super::*;
use crate::{logs, spans};
use canary_record::trace::{
    CertificateFacts, ClosedBy, Connection, EndCause, Handshake, Lookup, Request, Step, StepError, StepKind,
    TraceContext, Trail,
};
use canary_record::{Recorder, Section};
use canary_run::outcome::{Assertion, LogLevel, LogLine, Measurement, Usage, Verdict};
use canary_run::publish::{Restored, StatusStore};
use canary_run::report;
use canary_suite::{Check, Secrets};
use canary_system::age::Since;
use canary_tests::texts::{ODD, encodings};

const ADDRESS: &str = "192.0.2.77";

fn check(secret: &str) -> Arc<Check> {
    let check = Check::clone(&sample::check());
    Arc::new(Check {
        secrets: Secrets::new([secret, ADDRESS]),
        ..check
    })
}

/// A run with `written` in each of its texts.
fn run(check: &Arc<Check>, written: &str, outcome: impl Fn(&Recorder) -> Outcome) -> Run {
    let recorder = Recorder::new(check.secrets.clone(), 4 << 20);
    let text = || recorder.text(Section::Trail, format!("<{written}>"));
    Run {
        check: Arc::clone(check),
        plugin_digest: "00ff".into(),
        lag: Duration::ZERO,
        queued: Duration::ZERO,
        started_at: sample::noon(),
        duration: sample::MS,
        attempts: 1,
        outcome: outcome(&recorder),
        usage: Usage::default(),
        log: vec![LogLine {
            level: LogLevel::Error,
            message: text(),
            fields: vec![(text(), text())],
            at: Duration::ZERO,
        }],
        trail: trail(&recorder, written),
        trace: TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            sampled: true,
        },
    }
}

fn trail(recorder: &Recorder, written: &str) -> Trail {
    let text = || recorder.text(Section::Trail, format!("<{written}>"));
    let peer = recorder.peer(SocketAddr::new(ADDRESS.parse().unwrap(), 443));
    let kinds = [
        StepKind::Instantiate,
        StepKind::Lookup(Lookup {
            name: text(),
            addresses: vec![recorder.address(ADDRESS.parse().unwrap())],
        }),
        StepKind::Connect { peer },
        StepKind::Handshake(Box::new(Handshake {
            server_name: text(),
            without_sni: false,
            is_proxy: false,
            peer: Some(peer),
            version: Some("1.3"),
            cipher_suite: Some(text()),
            alpn: Some(text()),
            leaf: Some(CertificateFacts {
                subject: text(),
                issuer: text(),
                not_before: 0,
                not_after: 0,
                fingerprint: text(),
            }),
            chain_not_after: Some(0),
            untrusted: Some(text()),
        })),
        StepKind::Request(Box::new(Request {
            method: text(),
            url: text(),
            scheme: "https",
            host: text(),
            port: Some(443),
            peer: Some(peer),
            version: Some("2"),
            hop: 1,
            request_bytes: 1,
            status: Some(500),
            response_bytes: Some(1),
            send: None,
            wait: None,
            receive: None,
        })),
    ];
    let step = |kind| Step {
        kind,
        span_id: [3; 8],
        attempt: 1,
        started: Duration::ZERO,
        took: sample::MS,
        error: Some(StepError {
            code: "other",
            message: text(),
        }),
    };
    Trail {
        steps: kinds.map(step).into(),
        steps_lost: 0,
        phases: Vec::new(),
        denied: Vec::new(),
        connections: vec![Connection {
            peer,
            opened: Duration::ZERO,
            open_for: sample::MS,
            bytes_in: 0,
            bytes_out: 0,
            closed_by: ClosedBy::Host(EndCause::Returned),
        }],
        conversation: None,
    }
}

type Ending = Box<dyn Fn(&Recorder) -> Outcome>;

/// Every outcome with a text.
fn outcomes(written: &str) -> [Ending; 6] {
    let written = format!("<{written}>");
    let fault = |fault: fn(canary_record::Text) -> Fault| -> Ending {
        let written = written.clone();
        Box::new(move |recorder| Outcome::Faulted(fault(recorder.text(Section::Conclusion, &*written))))
    };
    let shown = written.clone();
    let completed = move |recorder: &Recorder| {
        let text = || recorder.text(Section::Verdict, &*shown);
        Outcome::Completed(Verdict {
            status: VerdictStatus::Fail,
            summary: text(),
            assertions: vec![Assertion {
                name: text(),
                status: VerdictStatus::Fail,
                message: text(),
            }],
            measurements: vec![Measurement {
                name: text(),
                value: 1.0,
                unit: text(),
                attributes: vec![(text(), text())],
            }],
            attributes: vec![(text(), text())],
        })
    };
    [
        Box::new(completed),
        fault(Fault::Trap),
        fault(Fault::GaveUp),
        fault(Fault::Limit),
        fault(Fault::Instantiate),
        fault(Fault::Host),
    ]
}

/// The run in each output.
fn outputs(run: &Run) -> Vec<(&'static str, String)> {
    let runs = std::slice::from_ref(run);
    let screen = report::Screen {
        width: usize::MAX,
        colour: false,
    };
    let shared = Arc::new(run.clone());
    let board = StatusStore::default();
    board.apply_suite(
        &[Arc::clone(&run.check)],
        &mut Restored::default(),
        Instant::now(),
    );
    board.schedule(&run.check, Since::at(sample::noon())).unwrap();
    board.start(&run.check.id);
    let standing = board.publish(&shared, sample::noon());
    let mut metrics = metrics();
    metrics.record_run(&shared, &standing, sample::noon());
    metrics.update_gauges();
    let lossy =
        |encoded: Option<crate::Encoded>| String::from_utf8_lossy(&encoded.unwrap().bytes).into_owned();
    let transition = standing.transition.clone().map_or_else(String::new, |change| {
        report::transition(&run.check, &change, false)
    });
    let selection = spans::Selection { failures: true };
    vec![
        ("human", report::human(runs, report::Detail::Everything, screen)),
        ("json", report::json(runs).unwrap()),
        ("junit", report::junit(runs, "host")),
        ("transition", transition),
        ("status", report::run_object(run).unwrap().to_string()),
        (
            "state",
            serde_json::to_string(&board.record(&run.check.id).unwrap()).unwrap(),
        ),
        ("spans", lossy(spans::encode_run(run, selection))),
        ("logs", lossy(logs::encode_run(run, &standing, sample::noon()))),
        ("prometheus", metrics.exposition(Format::Prometheus, &resource())),
        (
            "openmetrics",
            metrics.exposition(Format::OpenMetrics, &resource()),
        ),
        ("metrics", format!("{:?}", requests(&metrics))),
        ("debug", format!("{run:?}")),
    ]
}

#[test]
fn no_output_of_a_run_shows_a_secret_however_it_is_written() {
    for secret in [ODD.to_owned(), ODD.repeat(4096 / ODD.len() + 1)] {
        let (check, detector) = (check(&secret), Secrets::new([secret.as_str(), ADDRESS]));
        for (number, written) in encodings(&secret).iter().enumerate() {
            let [completed, faults @ ..] = outcomes(written);
            let turn = number % faults.len();
            let fault = faults.into_iter().nth(turn).unwrap();
            for outcome in [completed, fault] {
                let run = run(&check, written, outcome);
                for (output, shown) in outputs(&run) {
                    assert!(!shown.contains(written.as_str()), "{output} shows {written}");
                    assert!(
                        !detector.contains_secret(&shown),
                        "{output} of {written}: {shown}"
                    );
                }
            }
        }
    }
}
