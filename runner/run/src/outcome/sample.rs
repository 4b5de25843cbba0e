//! Sample runs, for tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Assertion, Measurement, Outcome, Run, Usage, Verdict, VerdictStatus};
use canary_record::Peer;
use canary_record::quota::{QuotaKind, QuotaUsage};
use canary_record::trace::{
    CertificateFacts, ClosedBy, Connection, Denied, EndCause, Handshake, Lookup, Phase, PhaseTime, Request,
    Step, StepError, StepKind, TraceContext, Trail,
};
use canary_suite::{Check, Target};

/// A millisecond.
pub const MS: Duration = Duration::from_millis(1);

/// Noon of a fixed day.
pub fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

/// An HTTP check with a secret in its target.
pub fn check() -> Arc<Check> {
    Arc::new(Check {
        plugin: "http".to_owned(),
        target: Target::new("https://user:pass@example.com/shop?card=4111#top"),
        timeout: Duration::from_secs(5),
        retries: 1,
        labels: BTreeMap::from([("team".to_owned(), "web".to_owned())]).into(),
        ..Check::minimal("website", Duration::from_secs(30))
    })
}

/// A run with one attempt: lookup, connect, TLS handshake, request, and a response of 503.
pub fn run() -> Run {
    Run {
        check: check(),
        plugin_digest: "00ff".into(),
        lag: 7 * MS,
        queued: 5 * MS,
        started_at: noon(),
        duration: 100 * MS,
        attempts: 1,
        outcome: Outcome::Completed(verdict(VerdictStatus::Fail)),
        usage: usage(),
        log: Vec::new(),
        trail: trail(),
        trace: TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            sampled: true,
        },
    }
}

/// A verdict with everything that a plugin can report.
pub fn verdict(status: VerdictStatus) -> Verdict {
    Verdict {
        status,
        summary: "503 Service Unavailable".into(),
        assertions: vec![Assertion {
            name: "status".into(),
            status,
            message: "503, expected 200".into(),
        }],
        measurements: vec![Measurement {
            name: "certificate.days_left".into(),
            value: 12.5,
            unit: "d".into(),
            attributes: Vec::new(),
        }],
        attributes: vec![("http.server".into(), "nginx".into())],
    }
}

fn usage() -> Usage {
    Usage {
        used: QuotaUsage {
            sockets_peak: 1,
            fds_peak: 1,
            connections: 1,
            lookups: 1,
            bytes_in: 2_048,
            bytes_out: 512,
            memory_peak: 1 << 20,
            cpu: MS,
            ..QuotaUsage::default()
        },
        opened: BTreeMap::from([(None, 1)]),
        closed: BTreeMap::from([(ClosedBy::Host(EndCause::Returned), 1)]),
        denials: BTreeMap::from([(QuotaKind::Sockets, 1)]),
        reclaimed: 1,
        ..Usage::default()
    }
}

fn trail() -> Trail {
    let peer = SocketAddr::from(([192, 0, 2, 7], 443)).into();
    let lookup = Lookup {
        name: "example.com".into(),
        addresses: vec![IpAddr::from([192, 0, 2, 7]).into()],
    };
    Trail {
        steps: vec![
            step(1, StepKind::Instantiate, 0, 1, None),
            step(2, StepKind::Lookup(lookup), 2, 10, None),
            step(3, StepKind::Connect { peer }, 12, 8, None),
            step(4, StepKind::Handshake(Box::new(handshake(peer))), 20, 20, None),
            step(5, StepKind::Request(Box::new(request(peer))), 40, 33, None),
        ],
        steps_lost: 0,
        phases: phases(),
        denied: vec![Denied {
            at: 80 * MS,
            quota: QuotaKind::Sockets,
            limit: 4,
        }],
        connections: vec![Connection {
            peer,
            opened: 12 * MS,
            open_for: 88 * MS,
            bytes_in: 2_048,
            bytes_out: 512,
            closed_by: ClosedBy::Host(EndCause::Returned),
        }],
        conversation: None,
    }
}

fn handshake(peer: Peer) -> Handshake {
    Handshake {
        without_sni: false,
        is_proxy: false,
        server_name: "example.com".into(),
        peer: Some(peer),
        version: Some("1.3"),
        cipher_suite: Some("TLS13_AES_128_GCM_SHA256".into()),
        alpn: Some("h2".into()),
        leaf: Some(CertificateFacts {
            subject: "CN=example.com".into(),
            issuer: "CN=Test Root".into(),
            not_before: 1_790_000_000,
            not_after: 1_801_000_000,
            fingerprint: "ab".repeat(32).into(),
        }),
        chain_not_after: Some(1_850_000_000),
        untrusted: None,
    }
}

fn request(peer: Peer) -> Request {
    Request {
        method: "GET".into(),
        url: "https://example.com/shop".into(),
        scheme: "https",
        host: "example.com".into(),
        port: Some(443),
        peer: Some(peer),
        version: Some("2"),
        status: Some(503),
        response_bytes: Some(11),
        send: Some(MS),
        wait: Some(30 * MS),
        receive: Some(2 * MS),
        ..Request::default()
    }
}

fn phases() -> Vec<PhaseTime> {
    let times = [
        (Phase::Instantiate, 1),
        (Phase::Resolve, 10),
        (Phase::Connect, 8),
        (Phase::Handshake, 20),
        (Phase::Send, 1),
        (Phase::Wait, 30),
        (Phase::Receive, 2),
    ];
    let time = |(phase, millis)| PhaseTime {
        attempt: 1,
        phase,
        took: millis * MS,
        error: None,
    };
    times.into_iter().map(time).collect()
}

/// A step of the first attempt that began and took so many milliseconds.
pub fn step(
    number: u8,
    kind: StepKind,
    started: u32,
    took: u32,
    error: Option<(&'static str, &str)>,
) -> Step {
    Step {
        kind,
        span_id: [number; 8],
        attempt: 1,
        started: started * MS,
        took: took * MS,
        error: error.map(|(word, message)| StepError {
            code: word,
            message: message.into(),
        }),
    }
}

impl Run {
    /// A run of one attempt that took no time and used nothing.
    pub fn plain(check: Arc<Check>, outcome: Outcome, started_at: SystemTime) -> Self {
        Self {
            check,
            plugin_digest: "00ff".into(),
            lag: Duration::ZERO,
            queued: Duration::ZERO,
            started_at,
            duration: Duration::ZERO,
            attempts: 1,
            outcome,
            usage: Usage::default(),
            log: Vec::new(),
            trail: Trail::default(),
            trace: TraceContext {
                trace_id: [1; 16],
                span_id: [2; 8],
                sampled: true,
            },
        }
    }
}
