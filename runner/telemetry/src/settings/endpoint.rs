//! The URL of a collector. Configured values are not shown in problems: they may contain credentials.

use url::Url;

use super::Protocol;
use crate::signal::Signal;
use canary_settings::{ConfigValue, Problem, Report};

/// The port of a gRPC endpoint without scheme and port.
const GRPC_PORT: u16 = 4317;

/// A configured endpoint.
pub(super) struct Endpoint<'a> {
    pub(super) value: &'a ConfigValue,
    /// Whether it is specific to a signal; then it is used unchanged.
    pub(super) is_signal_specific: bool,
    /// Whether an endpoint without a scheme is reached without TLS.
    pub(super) insecure: bool,
}

/// The default URL (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options>).
pub(super) fn default(signal: Signal, protocol: Protocol) -> Option<Url> {
    match protocol {
        Protocol::Grpc => Url::parse("http://localhost:4317").ok(),
        Protocol::HttpProtobuf => Url::parse(&format!("http://localhost:4318/v1/{}", signal.as_str())).ok(),
    }
}

impl Endpoint<'_> {
    /// The URL of a signal.
    pub(super) fn url(&self, signal: Signal, protocol: Protocol, report: &mut Report) -> Option<Url> {
        let url = match protocol {
            Protocol::Grpc => self.grpc(),
            Protocol::HttpProtobuf => self.http(signal),
        };
        url.map_err(|problem| report.add(problem)).ok()
    }

    fn http(&self, signal: Signal) -> Result<Url, Problem> {
        if !self.value.expose().contains("://") {
            let problem = self.value.problem("the endpoint has no scheme");
            return Err(problem.hint("write `http://HOST:4318` or `https://HOST`"));
        }
        let mut url = self.parsed(self.value.expose())?;
        if self.is_signal_specific {
            return Ok(url);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        for signal in Signal::ALL {
            let end = format!("/v1/{}", signal.as_str());
            if path.ends_with(&end) {
                let problem = self
                    .value
                    .problem(format!("the endpoint of all signals ends in `{end}`"));
                return Err(problem.hint("leave it out: each signal appends its own"));
            }
        }
        url.set_path(&format!("{path}/v1/{}", signal.as_str()));
        Ok(url)
    }

    fn grpc(&self) -> Result<Url, Problem> {
        let text = self.value.expose();
        let url = if text.contains("://") {
            self.parsed(text)?
        } else {
            self.without_scheme(text)?
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            let problem = self
                .value
                .problem("gRPC does not support a path or query in the endpoint");
            return Err(problem.hint("write `http://HOST:4317`, or set the protocol to `http/protobuf`"));
        }
        Ok(url)
    }

    fn without_scheme(&self, text: &str) -> Result<Url, Problem> {
        let scheme = if self.insecure { "http" } else { "https" };
        let mut url = self.parsed(&format!("{scheme}://{text}"))?;
        // `Url` drops the default port of a known scheme, so an unknown scheme is used to detect an explicit port.
        let has_port = Url::parse(&format!("any://{text}")).is_ok_and(|url| url.port().is_some());
        if !has_port && url.set_port(Some(GRPC_PORT)).is_err() {
            return Err(self.value.problem("the endpoint cannot have a port"));
        }
        Ok(url)
    }

    fn parsed(&self, text: &str) -> Result<Url, Problem> {
        let problem = |message: String| self.value.problem(message);
        let url = Url::parse(text).map_err(|error| problem(format!("invalid endpoint URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("unsupported endpoint scheme `{}`", url.scheme());
            return Err(problem(message).hint("write `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "send them as a header, such as `authorization`";
            return Err(problem("the endpoint contains credentials".to_owned()).hint(hint));
        }
        if url.fragment().is_some() {
            return Err(problem("the endpoint contains a `#`".to_owned()).hint("leave out what follows it"));
        }
        if url.port() == Some(0) {
            return Err(problem("the endpoint has port 0".to_owned()).hint("set the collector's port"));
        }
        Ok(url)
    }
}
