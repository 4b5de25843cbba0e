//! `canary:check/http`.

use crate::net::http::{Hop, HttpVersion, Request, RequestOptions, Response};
use crate::net::tls::TlsOptions;
use crate::sandbox::bindings::{http, tls, types};
use crate::sandbox::state::State;

type Sent = Result<http::Response, types::NetError>;

impl http::Host for State {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Sent> {
        let _host = self.meter.host_call();
        let sent = self.client.send(request.into()).await;
        Ok(sent.map(http::Response::from).map_err(types::NetError::from))
    }

    async fn send_all(&mut self, requests: Vec<http::Request>) -> wasmtime::Result<Vec<Sent>> {
        let _host = self.meter.host_call();
        let sent = self
            .client
            .send_all(requests.into_iter().map(Request::from).collect())
            .await;
        let results = sent
            .into_iter()
            .map(|sent| sent.map(http::Response::from).map_err(types::NetError::from));
        Ok(results.collect())
    }
}

impl From<http::Request> for Request {
    fn from(request: http::Request) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            options: request.options.into(),
        }
    }
}

impl From<http::RequestOptions> for RequestOptions {
    fn from(options: http::RequestOptions) -> Self {
        Self {
            version: options.version.map(HttpVersion::from),
            family: options.ip_family.into(),
            max_redirects: options.max_redirects,
            max_body: options.max_body,
            connect_to: options.connect_to,
            proxy: options.proxy,
            tls: options.tls.map(TlsOptions::from),
            propagate_trace: options.propagate_trace,
        }
    }
}

impl From<http::Version> for HttpVersion {
    fn from(version: http::Version) -> Self {
        match version {
            http::Version::Http10 => Self::Http10,
            http::Version::Http11 => Self::Http11,
            http::Version::Http2 => Self::Http2,
        }
    }
}

impl From<Response> for http::Response {
    fn from(response: Response) -> Self {
        let headers = response.headers.iter();
        Self {
            url: response.url,
            status: response.status,
            version: match response.version {
                HttpVersion::Http10 => http::Version::Http10,
                HttpVersion::Http11 => http::Version::Http11,
                HttpVersion::Http2 => http::Version::Http2,
            },
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: response.body,
            truncated: response.truncated,
            body_length: response.body_length,
            peer: response.peer,
            timings: response.timings.into(),
            tls: response.tls.map(tls::Session::from),
            hops: response.hops.into_iter().map(http::Hop::from).collect(),
        }
    }
}

impl From<Hop> for http::Hop {
    fn from(hop: Hop) -> Self {
        Self {
            url: hop.url,
            status: hop.status,
            peer: hop.peer,
            timings: hop.timings.into(),
        }
    }
}
