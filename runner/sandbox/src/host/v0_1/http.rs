//! `canary:check/http`.

use crate::bindings::v0_1::{http, tls, types};
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::NetError;
use canary_net::bounded::Bounded;
use canary_net::http::{HttpVersion, Request, RequestOptions, Response};
use canary_net::tls::TlsOptions;

type Sent = Result<http::Response, types::NetError>;

impl http::Host for State {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Sent> {
        let _host = self.meter.host_call(HostFunction::Send);
        let sent = match request.try_into() {
            Ok(request) => self.client.send(request).await,
            Err(refused) => Err(refused),
        };
        Ok(answer(sent))
    }

    async fn send_all(&mut self, requests: Vec<http::Request>) -> wasmtime::Result<Vec<Sent>> {
        let _host = self.meter.host_call(HostFunction::SendAll);
        let requests = requests.into_iter().map(Request::try_from);
        let sent = self.client.send_all(requests).await;
        Ok(sent.into_iter().map(answer).collect())
    }
}

fn answer(sent: Result<Response, NetError>) -> Sent {
    sent.map(http::Response::from).map_err(types::NetError::from)
}

impl TryFrom<http::Request> for Request {
    type Error = NetError;

    fn try_from(request: http::Request) -> Result<Self, NetError> {
        Self::new(
            Bounded::new("the method", request.method)?,
            &Bounded::new("the url", request.url)?,
            request.headers,
            Bounded::new("the body", request.body)?,
            request.options.try_into()?,
        )
    }
}

impl TryFrom<http::RequestOptions> for RequestOptions {
    type Error = NetError;

    fn try_from(options: http::RequestOptions) -> Result<Self, NetError> {
        let place = options.connect_to.map(|place| Bounded::new("connect-to", place));
        let proxy = options.proxy.map(|url| Bounded::new("the proxy url", url));
        Ok(Self {
            versions: options.version.map(HttpVersion::from).into_iter().collect(),
            family: options.ip_family.into(),
            max_redirects: options.max_redirects,
            max_body: options.max_body,
            read_for: None,
            timeout: None,
            connect_to: place.transpose()?,
            proxy: proxy.transpose()?,
            tls: options.tls.map(TlsOptions::try_from).transpose()?,
            propagate_trace: options.propagate_trace,
            ..Self::default()
        })
    }
}

impl From<Response> for http::Response {
    fn from(response: Response) -> Self {
        let headers = response.headers.iter();
        Self {
            url: response.url,
            status: response.status,
            version: response.version.into(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_vec()))
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

impl From<http::Version> for HttpVersion {
    fn from(version: http::Version) -> Self {
        match version {
            http::Version::Http10 => Self::Http10,
            http::Version::Http11 => Self::Http11,
            http::Version::Http2 => Self::Http2,
        }
    }
}

impl From<HttpVersion> for http::Version {
    fn from(version: HttpVersion) -> Self {
        match version {
            HttpVersion::Http10 => Self::Http10,
            HttpVersion::Http11 => Self::Http11,
            HttpVersion::Http2 => Self::Http2,
        }
    }
}
