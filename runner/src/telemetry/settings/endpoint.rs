//! The URL of a collector. What was written is not shown: it may hold credentials.

use url::Url;

use super::{Protocol, Signal};
use crate::settings::{Problem, Report, Written};

/// Of gRPC, where an endpoint has neither scheme nor port.
const GRPC_PORT: u16 = 4317;

/// How an endpoint was come by.
pub(super) struct Endpoint<'a> {
    pub(super) written: &'a Written,
    /// One of the signal's own is taken as it is.
    pub(super) is_of_signal: bool,
    /// Whether an endpoint without a scheme is reached in the clear.
    pub(super) insecure: bool,
}

/// Where OTLP goes when nothing is said of it
/// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options>).
pub(super) fn default(signal: Signal, protocol: Protocol) -> Option<Url> {
    match protocol {
        Protocol::Grpc => Url::parse("http://localhost:4317").ok(),
        Protocol::HttpProtobuf => Url::parse(&format!("http://localhost:4318/v1/{}", signal.word())).ok(),
    }
}

impl Endpoint<'_> {
    /// The URL for a signal.
    pub(super) fn url(&self, signal: Signal, protocol: Protocol, report: &mut Report) -> Option<Url> {
        let url = match protocol {
            Protocol::Grpc => self.grpc(),
            Protocol::HttpProtobuf => self.http(signal),
        };
        url.map_err(|problem| report.add(problem)).ok()
    }

    fn http(&self, signal: Signal) -> Result<Url, Problem> {
        if !self.written.expose().contains("://") {
            let problem = self.written.problem("the endpoint has no scheme");
            return Err(problem.hint("write `http://HOST:4318` or `https://HOST`"));
        }
        let mut url = self.parsed(self.written.expose())?;
        if self.is_of_signal {
            return Ok(url);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        for signal in Signal::ALL {
            let end = format!("/v1/{}", signal.word());
            if path.ends_with(&end) {
                let problem = self
                    .written
                    .problem(format!("the endpoint of all signals ends in `{end}`"));
                return Err(problem.hint("leave it out: each signal appends its own"));
            }
        }
        url.set_path(&format!("{path}/v1/{}", signal.word()));
        Ok(url)
    }

    fn grpc(&self) -> Result<Url, Problem> {
        let text = self.written.expose();
        let url = match text.contains("://") {
            true => self.parsed(text)?,
            false => self.without_scheme(text)?,
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            let problem = self
                .written
                .problem("the endpoint has a path or a query, and gRPC has none");
            return Err(problem.hint("write `http://HOST:4317`, or set the protocol to `http/protobuf`"));
        }
        Ok(url)
    }

    fn without_scheme(&self, text: &str) -> Result<Url, Problem> {
        let scheme = if self.insecure { "http" } else { "https" };
        let mut url = self.parsed(&format!("{scheme}://{text}"))?;
        // A URL forgets a port that is its scheme's own; one with a scheme of no renown does not.
        let has_port = Url::parse(&format!("any://{text}")).is_ok_and(|url| url.port().is_some());
        if !has_port && url.set_port(Some(GRPC_PORT)).is_err() {
            return Err(self.written.problem("the endpoint can have no port"));
        }
        Ok(url)
    }

    fn parsed(&self, text: &str) -> Result<Url, Problem> {
        let problem = |message: String| self.written.problem(message);
        let url = Url::parse(text).map_err(|error| problem(format!("the endpoint is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("the endpoint has the scheme `{}`", url.scheme());
            return Err(problem(message).hint("write `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "send them as a header, such as `authorization`";
            return Err(problem("the endpoint holds credentials".to_owned()).hint(hint));
        }
        if url.fragment().is_some() {
            return Err(problem("the endpoint holds a `#`".to_owned()).hint("leave out what follows it"));
        }
        if url.port() == Some(0) {
            return Err(problem("the endpoint has the port 0".to_owned()).hint("write the collector's"));
        }
        Ok(url)
    }
}
