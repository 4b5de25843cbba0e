//! One signal's connection to its collector, and one request and its answer on it.

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

use super::answer::Answer;
use crate::ledger::audit::Reserve;
use crate::suite::{KnownSecrets, Secrets};
use crate::telemetry::settings::{Compression, Destination, Protocol, Signal};
use crate::wire::{self, Cause, Failure, Link, Place, Reply, Wire};

/// As the OTLP specification wants it: `OTel-OTLP-Exporter-` and who it is.
const AGENT: &str = concat!("OTel-OTLP-Exporter-Canary/", env!("CARGO_PKG_VERSION"));

/// A destination and the connection to it, kept from one request to the next. At most one descriptor.
#[derive(Debug)]
pub(super) struct Transport {
    signal: Signal,
    destination: Destination,
    place: Place,
    /// What must not be told of an answer that quotes its request.
    secrets: Secrets,
    reserve: Reserve,
    link: Option<Link>,
}

impl Transport {
    pub(super) fn new(
        signal: Signal,
        destination: Destination,
        reserve: Reserve,
        known: &KnownSecrets,
    ) -> Self {
        let secrets = destination.secrets();
        Self {
            signal,
            place: place(&destination),
            secrets: known.hold(secrets.iter().map(|secret| &**secret)),
            destination,
            reserve,
            link: None,
        }
    }

    /// The longest that [`Transport::export`] takes.
    pub(super) fn timeout(&self) -> Duration {
        self.destination.timeout
    }

    /// Sends a request and judges the answer, all within the destination's time-out.
    ///
    /// Cancellation: closes the connection; the collector may have the request.
    pub(super) async fn export(&mut self, request: Bytes) -> Answer {
        let answer = self.exchange(&request).await.unwrap_or_else(Answer::from);
        answer.readable(&self.secrets)
    }

    async fn exchange(&mut self, request: &Bytes) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.destination.timeout;
        let wire = self.wire(request)?;
        let reply = self.ask(&wire, deadline).await?;
        Ok(match self.destination.protocol {
            Protocol::HttpProtobuf => http1::judge(&reply, SystemTime::now()),
            Protocol::Grpc => grpc::judge(&reply, SystemTime::now()),
        })
    }

    /// Asks on the connection that is there; on a new one when there is none or it turns out to be dead.
    async fn ask(&mut self, wire: &Wire, deadline: Instant) -> Result<Reply, Failure> {
        if let Some(mut link) = self.link.take() {
            match link.ask(wire.clone(), deadline).await {
                Ok(reply) => return Ok(self.keep(link, reply)),
                Err(failure) if failure.cause == Cause::Timeout => return Err(failure),
                // The collector closed it while nothing was asked, as it may.
                Err(_) => link.close().await,
            }
        }
        let mut link = wire::open(&self.place, &self.reserve, deadline).await?;
        let reply = link.ask(wire.clone(), deadline).await?;
        Ok(self.keep(link, reply))
    }

    fn keep(&mut self, link: Link, reply: Reply) -> Reply {
        // Of an answer that was not read to its end, the rest would come before the next answer.
        self.link = reply.is_whole.then_some(link);
        reply
    }

    fn wire(&self, request: &Bytes) -> Result<Wire, Failure> {
        let wire = match self.destination.protocol {
            Protocol::HttpProtobuf => http1::wire(&self.destination, request),
            Protocol::Grpc => grpc::wire(&self.destination, self.signal, request),
        };
        // The URL itself may have a token in its query.
        let failure = |error| Failure::new(Cause::Settings, format!("cannot make a request: {error}"));
        let mut wire = wire.map_err(failure)?;
        let headers = wire.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        put_headers(headers, &self.destination);
        Ok(wire)
    }
}

/// What an answer without a body means.
#[cfg(test)]
pub(super) fn judged(status: http::StatusCode, after: Option<u64>) -> Answer {
    let after = after.map(|seconds| (http::header::RETRY_AFTER, HeaderValue::from(seconds)));
    let reply = Reply {
        status,
        headers: HeaderMap::from_iter(after),
        body: Vec::new(),
        trailers: HeaderMap::new(),
        is_whole: true,
    };
    http1::judge(&reply, SystemTime::now())
}

fn place(destination: &Destination) -> Place {
    Place {
        url: destination.url.clone(),
        tls: destination.tls.clone(),
        protocol: match destination.protocol {
            Protocol::HttpProtobuf => wire::Protocol::Http1,
            Protocol::Grpc => wire::Protocol::Http2,
        },
    }
}

/// The operator's headers, instead of our own where they have the same name.
fn put_headers(headers: &mut HeaderMap, destination: &Destination) {
    for (name, _) in &destination.headers {
        headers.remove(name);
    }
    for (name, value) in &destination.headers {
        headers.append(name, value.clone());
    }
}

/// The body as it goes out, and the name of its encoding.
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

/// Why a wire request could not be made.
#[derive(Debug, thiserror::Error)]
enum WireError {
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error(transparent)]
    Compress(#[from] io::Error),
    #[error("it is larger than a message can be")]
    Size(#[from] std::num::TryFromIntError),
}
