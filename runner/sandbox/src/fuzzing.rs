//! Entry points for the fuzz targets: what a plugin passes to the host functions, and what it returns.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::bindings::v0_2::{http, probe, tls};
use super::cpu::CpuMeter;
use super::cpu_queue::CpuFairQueue;
use super::host;
use super::polls::PollRegistry;
use canary_net::NetError;
use canary_net::http::Request;
use canary_net::ledger::{Budget, Ledger, PageOwner};
use canary_net::tls::TlsOptions;
use canary_record::quota::Quota;
use canary_record::{RecordUsage, Recorder};
use canary_run::outcome::Verdict;
use canary_suite::{CheckId, Secrets};

/// Texts of an HTTP request.
#[derive(Debug, Default)]
pub struct RequestTexts {
    /// Such as `GET`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// `HOST:PORT`.
    pub connect_to: Option<String>,
    /// A URL.
    pub proxy: Option<String>,
}

/// Converts the request of a plugin's `http.send`.
///
/// # Errors
/// Why it is invalid.
pub fn request(texts: RequestTexts) -> Result<Request, NetError> {
    Request::try_from(http::Request {
        method: texts.method,
        url: texts.url,
        headers: texts.headers,
        body: Vec::new(),
        options: http::RequestOptions {
            versions: Vec::new(),
            ip_family: super::bindings::v0_2::types::IpFamily::Any,
            max_redirects: 3,
            max_body: 1024,
            read_for: None,
            timeout: None,
            source_address: None,
            connect_to: texts.connect_to,
            address: None,
            proxy: texts.proxy,
            proxy_tls: None,
            tls: None,
            propagate_trace: true,
            digest: None,
            extra: Vec::new(),
        },
    })
}

/// Texts of a TLS handshake.
#[derive(Debug, Default)]
pub struct Handshake {
    /// Used instead of the host.
    pub server_name: Option<String>,
    /// In order of preference.
    pub alpn: Vec<String>,
    /// PEM.
    pub ca_certificates: Option<String>,
    /// PEM.
    pub client_identity: Option<(String, String)>,
}

/// Converts the options of a plugin's `tcp.start-tls`.
///
/// # Errors
/// Why they are invalid.
pub fn handshake(texts: Handshake) -> Result<TlsOptions, NetError> {
    TlsOptions::try_from(tls::Options {
        server_name: texts.server_name,
        sni: true,
        alpn: texts.alpn,
        min_version: None,
        max_version: None,
        ca_certificates: texts.ca_certificates,
        client_identity: texts.client_identity,
        require_valid: false,
        extra: Vec::new(),
    })
}

/// Records a failing verdict with these texts within `budget` bytes: the first text is the summary, the others are
/// parts of assertions, measurements and attributes.
#[must_use]
pub fn verdict(texts: &[&str], budget: u64, secrets: Secrets) -> (Verdict, RecordUsage) {
    let recorder = Recorder::new(secrets, budget);
    let owner = PageOwner::service("fuzz");
    let page = Ledger::new(Budget::new(1)).open_page(owner, Quota::default(), Arc::clone(&recorder));
    let (summary, texts) = texts
        .split_first()
        .map_or(("", texts), |(first, rest)| (*first, rest));
    let pairs = || {
        texts
            .iter()
            .zip(texts.iter().skip(1))
            .map(|(key, value)| (String::from(*key), String::from(*value)))
    };
    let returned = probe::Verdict {
        status: probe::Status::Fail,
        summary: summary.to_owned(),
        assertions: pairs()
            .map(|(name, message)| probe::Assertion {
                name,
                status: probe::Status::Fail,
                message,
            })
            .collect(),
        measurements: pairs()
            .map(|(name, unit)| probe::Measurement {
                name,
                value: 1.0,
                unit,
                attributes: pairs().take(2).collect(),
            })
            .collect(),
        attributes: pairs().collect(),
        extra: Vec::new(),
    };
    let verdict = poll_to_end(host::record_verdict(&page, &meter(), returned));
    (verdict, recorder.usage())
}

fn meter() -> Arc<CpuMeter> {
    let run_poll = PollRegistry::default().enter(&CheckId::new("fuzzing"));
    Arc::new(CpuMeter::new(
        &Quota::default(),
        CpuFairQueue::for_workers(1).turn(&PageOwner::service("fuzz")),
        run_poll,
    ))
}

/// Polls a future that never waits, though it may yield, to its result.
fn poll_to_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}
