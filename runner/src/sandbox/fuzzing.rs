//! For the fuzz targets: what a plugin hands to the host functions, and what it returns.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::bindings::v0_2::{http, probe, tls};
use super::cpu::CpuMeter;
use super::host;
use super::line::Line;
use super::polls::PollRegistry;
use crate::net::NetError;
use crate::net::http::Request;
use crate::net::tls::TlsOptions;
use crate::outcome::Verdict;
use crate::quota::Quota;
use crate::record::{RecordUsage, Recorder};
use crate::suite::{CheckId, Secrets};

/// Texts of a request.
#[derive(Debug, Default)]
pub struct Asked {
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

/// What a plugin asks of `http.send`.
///
/// # Errors
/// Why it is not sent.
pub fn request(asked: Asked) -> Result<Request, NetError> {
    Request::try_from(http::Request {
        method: asked.method,
        url: asked.url,
        headers: asked.headers,
        body: Vec::new(),
        options: http::RequestOptions {
            versions: Vec::new(),
            ip_family: super::bindings::v0_2::types::IpFamily::Any,
            max_redirects: 3,
            max_body: 1024,
            read_for: None,
            timeout: None,
            source_address: None,
            connect_to: asked.connect_to,
            address: None,
            proxy: asked.proxy,
            tls: None,
            propagate_trace: true,
            extra: Vec::new(),
        },
    })
}

/// Texts of a handshake.
#[derive(Debug, Default)]
pub struct Handshake {
    /// In place of the host.
    pub server_name: Option<String>,
    /// In order of preference.
    pub alpn: Vec<String>,
    /// PEM.
    pub ca_certificates: Option<String>,
    /// PEM.
    pub client_identity: Option<(String, String)>,
}

/// What a plugin asks of `tcp.start-tls`.
///
/// # Errors
/// Why there is no handshake.
pub fn handshake(asked: Handshake) -> Result<TlsOptions, NetError> {
    TlsOptions::try_from(tls::Options {
        server_name: asked.server_name,
        alpn: asked.alpn,
        min_version: None,
        max_version: None,
        ca_certificates: asked.ca_certificates,
        client_identity: asked.client_identity,
        require_valid: false,
        extra: Vec::new(),
    })
}

/// A failing verdict of these texts as it is recorded within `budget` bytes: the first is the summary, the others are
/// parts of assertions, measurements and attributes.
#[must_use]
pub fn verdict(texts: &[&str], budget: u64, secrets: Secrets) -> (Verdict, RecordUsage) {
    let recorder: Arc<Recorder> = Recorder::new(secrets, budget);
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
    let verdict = at_once(host::verdict(&recorder, &meter(), returned));
    (verdict, recorder.usage())
}

fn meter() -> Arc<CpuMeter> {
    let shown = PollRegistry::default().enter(&CheckId::new("fuzzing"));
    Arc::new(CpuMeter::new(
        &Quota::default(),
        Line::beside(1).place(&CheckId::new("fuzz")),
        shown,
    ))
}

/// The result of a future that waits for nobody, though it lets others go first.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}
