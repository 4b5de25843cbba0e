//! `canary:check/http`.

use crate::bindings::v0_2::{http, tls, types};
use crate::host::convert;
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::NetError;
use canary_net::bounded::Bounded;
use canary_net::check::InvalidFields;
use canary_net::http::{
    DigestCredentials, Fields, Request, RequestOptions, Response, UncheckedRequest, endpoint_of,
};
use canary_net::tls::TlsOptions;

use super::tls::invalid;

type Sent = Result<http::Response, types::NetError>;

impl http::Host for State {
    async fn check(&mut self, request: http::Request) -> wasmtime::Result<Vec<types::InvalidField>> {
        let _host = self.meter.host_call(HostFunction::Check);
        let (options, mut fields) = bounded(request.options);
        let request = UncheckedRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            options,
        };
        fields.extend(request.check());
        Ok(invalid(fields))
    }

    async fn endpoint_of(
        &mut self,
        url: String,
        connect_to: Option<String>,
    ) -> wasmtime::Result<Result<types::Endpoint, types::NetError>> {
        let _host = self.meter.host_call(HostFunction::Check);
        let place = connect_to.map(|place| Bounded::new("connect-to", place));
        let arguments = Bounded::new("the url", url).and_then(|url| Ok((url, place.transpose()?)));
        let endpoint = arguments.and_then(|(url, place)| endpoint_of(&url, place.as_ref()));
        let endpoint = endpoint.map(|(host, port)| types::Endpoint { host, port });
        Ok(endpoint.map_err(types::NetError::from))
    }

    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Sent> {
        let _host = self.meter.host_call(HostFunction::Send);
        let sent = match request.try_into() {
            Ok(request) => self.client.send(request).await,
            Err(refused) => Err(refused),
        };
        Ok(sent.map(http::Response::from).map_err(types::NetError::from))
    }

    async fn send_all(&mut self, requests: Vec<http::Request>) -> wasmtime::Result<Vec<Sent>> {
        let _host = self.meter.host_call(HostFunction::SendAll);
        let requests = requests.into_iter().map(Request::try_from);
        let sent = self.client.send_all(requests).await;
        let mut answers = Vec::with_capacity(sent.len());
        for sent in sent {
            answers.push(sent.map(http::Response::from).map_err(types::NetError::from));
        }
        Ok(answers)
    }
}

/// The options whose fields are short enough, and the invalid fields.
fn bounded(options: http::RequestOptions) -> (RequestOptions, InvalidFields) {
    let mut fields = InvalidFields::default();
    fields.check("extra", convert::reject_extra(&options.extra));
    let place = options.connect_to.and_then(|place| {
        let place = Bounded::new("connect-to", place);
        fields.check("connect-to", place)
    });
    let versions = fields.check("versions", convert::versions(&options.versions));
    let source = fields.check("source-address", convert::source_address(options.source_address));
    let address = fields.check("address", convert::address(options.address));
    let proxy = options
        .proxy
        .and_then(|url| fields.check("proxy", Bounded::new("the proxy url", url)));
    let mut bounded_tls = |field: &str, options: Option<tls::Options>| {
        let (options, within) = super::tls::bounded(options?);
        fields.extend_within(field, within);
        Some(options)
    };
    let tls = bounded_tls("tls", options.tls);
    let proxy_tls = bounded_tls("proxy-tls", options.proxy_tls);
    let digest = options
        .digest
        .and_then(|(username, password)| fields.check("digest", DigestCredentials::new(username, password)));
    let options = RequestOptions {
        versions: versions.unwrap_or_default(),
        family: options.ip_family.into(),
        source: source.flatten(),
        address: address.flatten(),
        max_redirects: options.max_redirects,
        max_body: options.max_body,
        read_for: options.read_for.map(convert::milliseconds),
        timeout: options.timeout.map(convert::milliseconds),
        connect_to: place,
        proxy,
        proxy_tls,
        tls,
        propagate_trace: options.propagate_trace,
        digest,
    };
    (options, fields)
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
        convert::reject_extra(&options.extra)?;
        let place = options.connect_to.map(|place| Bounded::new("connect-to", place));
        let proxy = options.proxy.map(|url| Bounded::new("the proxy url", url));
        Ok(Self {
            versions: convert::versions(&options.versions)?,
            family: options.ip_family.into(),
            source: convert::source_address(options.source_address)?,
            address: convert::address(options.address)?,
            max_redirects: options.max_redirects,
            max_body: options.max_body,
            read_for: options.read_for.map(convert::milliseconds),
            timeout: options.timeout.map(convert::milliseconds),
            connect_to: place.transpose()?,
            proxy: proxy.transpose()?,
            proxy_tls: options.proxy_tls.map(TlsOptions::try_from).transpose()?,
            tls: options.tls.map(TlsOptions::try_from).transpose()?,
            propagate_trace: options.propagate_trace,
            digest: options
                .digest
                .map(|(username, password)| DigestCredentials::new(username, password))
                .transpose()?,
        })
    }
}

impl From<Response> for http::Response {
    fn from(response: Response) -> Self {
        let headers = pairs(&response.headers);
        Self {
            url: response.url,
            status: response.status,
            version: response.version.as_str().to_owned(),
            headers,
            body: response.body,
            truncated: response.truncated,
            complete: response.complete,
            body_length: response.body_length,
            peer: response.peer,
            timings: response.timings.into(),
            tls: response.tls.map(tls::Session::from),
            hops: response.hops.into_iter().map(http::Hop::from).collect(),
            authentication_error: response.authentication_error,
            extra: Vec::new(),
        }
    }
}

pub(super) fn pairs(headers: &Fields) -> Vec<(String, Vec<u8>)> {
    let pair = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_vec());
    headers.iter().map(pair).collect()
}
