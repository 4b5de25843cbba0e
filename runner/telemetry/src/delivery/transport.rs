//! A signal's connection to its collector: one request and its response at a time.

mod grpc;
mod http1;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};
use hyper::body::Bytes;
use tokio::time::Instant;

use super::export_result::ExportResult;
use crate::settings::{Compression, Destination, Protocol};
use crate::signal::Signal;
use canary_net::ledger::audit::InternalFds;
use canary_outbound::http_client::{
    self, Connection, Endpoint, Failure, FailureCause, HttpRequest, HttpResponse,
};
use canary_suite::{SecretRegistry, Secrets};

/// As required by the OTLP specification: `OTel-OTLP-Exporter-` and a name.
const USER_AGENT_VALUE: &str = concat!("OTel-OTLP-Exporter-Canary/", env!("CARGO_PKG_VERSION"));

/// A destination and its connection, which is reused between requests. Uses at most one descriptor.
#[derive(Debug)]
pub(super) struct Transport {
    signal: Signal,
    destination: Destination,
    endpoint: Endpoint,
    /// Secrets to redact in a response that quotes its request.
    secrets: Secrets,
    internal_fds: InternalFds,
    connection: Option<Connection>,
}

impl Transport {
    pub(super) fn new(
        signal: Signal,
        destination: Destination,
        internal_fds: InternalFds,
        known_secrets: &SecretRegistry,
    ) -> Self {
        let secrets = destination.secrets();
        Self {
            signal,
            endpoint: endpoint(&destination),
            secrets: known_secrets.register(secrets.iter().map(|secret| &**secret)),
            destination,
            internal_fds,
            connection: None,
        }
    }

    /// The maximum duration of [`Transport::export`].
    pub(super) fn timeout(&self) -> Duration {
        self.destination.timeout
    }

    /// Sends a request and classifies the response, within the destination's time-out.
    ///
    /// Cancellation: closes the connection; the collector may have received the request.
    pub(super) async fn export(&mut self, request: Bytes) -> ExportResult {
        let result = self.exchange(&request).await.unwrap_or_else(ExportResult::from);
        result.redacted(&self.secrets)
    }

    async fn exchange(&mut self, request: &Bytes) -> Result<ExportResult, Failure> {
        let deadline = Instant::now() + self.destination.timeout;
        let http_request = self.build_request(request)?;
        let reply = self.send(&http_request, deadline).await?;
        Ok(match self.destination.protocol {
            Protocol::HttpProtobuf => http1::classify(&reply, SystemTime::now()),
            Protocol::Grpc => grpc::classify(&reply, SystemTime::now()),
        })
    }

    /// Sends on the open connection; on a new one if there is none or it turns out to be dead.
    async fn send(&mut self, request: &HttpRequest, deadline: Instant) -> Result<HttpResponse, Failure> {
        if let Some(mut connection) = self.connection.take() {
            match connection.send(request.clone(), deadline).await {
                Ok(reply) => return Ok(self.reuse(connection, reply)),
                Err(failure) if failure.cause == FailureCause::Timeout => return Err(failure),
                // The collector may close an idle connection at any time.
                Err(_) => connection.close().await,
            }
        }
        let mut connection = http_client::open(&self.endpoint, &self.internal_fds, deadline).await?;
        let reply = connection.send(request.clone(), deadline).await?;
        Ok(self.reuse(connection, reply))
    }

    fn reuse(&mut self, connection: Connection, reply: HttpResponse) -> HttpResponse {
        // The unread rest of a truncated response would precede the next one.
        self.connection = reply.is_complete.then_some(connection);
        reply
    }

    fn build_request(&self, request: &Bytes) -> Result<HttpRequest, Failure> {
        let http_request = match self.destination.protocol {
            Protocol::HttpProtobuf => http1::build_request(&self.destination, request),
            Protocol::Grpc => grpc::build_request(&self.destination, self.signal, request),
        };
        // The URL is not shown: its query may contain a token.
        let failure = |error| Failure::new(FailureCause::Settings, format!("cannot make a request: {error}"));
        let mut http_request = http_request.map_err(failure)?;
        let headers = http_request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
        apply_custom_headers(headers, &self.destination);
        Ok(http_request)
    }
}

/// The result of a response without a body.
#[cfg(any(test, feature = "test-util"))]
pub(super) fn classify_status(status: http::StatusCode, after: Option<u64>) -> ExportResult {
    let reply = HttpResponse {
        status,
        headers: canary_outbound::retry_after_headers(after),
        body: Vec::new(),
        trailers: HeaderMap::new(),
        is_complete: true,
    };
    http1::classify(&reply, SystemTime::now())
}

fn endpoint(destination: &Destination) -> Endpoint {
    Endpoint {
        url: destination.url.clone(),
        tls: destination.tls.clone(),
        protocol: match destination.protocol {
            Protocol::HttpProtobuf => http_client::Protocol::Http1,
            Protocol::Grpc => http_client::Protocol::Http2,
        },
    }
}

/// The configured headers replace our own with the same name.
fn apply_custom_headers(headers: &mut HeaderMap, destination: &Destination) {
    for (name, _) in &destination.headers {
        headers.remove(name);
    }
    for (name, value) in &destination.headers {
        headers.append(name, value.clone());
    }
}

/// The encoded body, and the name of its encoding.
fn encode(compression: Compression, request: &Bytes) -> io::Result<(Bytes, Option<HeaderValue>)> {
    match compression {
        Compression::None => Ok((request.clone(), None)),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(request)?;
            let encoded = Bytes::from(encoder.finish()?);
            Ok((encoded, Some(HeaderValue::from_static("gzip"))))
        }
    }
}

/// Why an HTTP request could not be built.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error(transparent)]
    Compress(#[from] io::Error),
    #[error("larger than a gRPC message can be")]
    Size(#[from] std::num::TryFromIntError),
}
