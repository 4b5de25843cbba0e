//! Builds the request that is sent.

use http::header::{CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use url::{Position, Url};

use super::destination::{redact_url, without_user};
use super::proxy::Proxy;
use super::{HttpVersion, Request};
use crate::NetError;

pub(super) struct OutgoingRequest<'a> {
    pub(super) request: &'a Request,
    /// Trace propagation headers, if the check enables them.
    pub(super) trace: Vec<(HeaderName, HeaderValue)>,
    /// The plugin's own cookies, and those set by peers.
    pub(super) cookie: Option<HeaderValue>,
    pub(super) version: HttpVersion,
    /// The forwarding proxy, if the request is sent to one.
    pub(super) via_proxy: Option<&'a Proxy>,
}

pub(super) type HyperRequest = http::Request<Full<Bytes>>;

pub(super) fn build_request(outgoing: &OutgoingRequest<'_>) -> Result<HyperRequest, NetError> {
    let Request {
        method, url, body, ..
    } = outgoing.request;
    let headers = request_headers(outgoing)?;
    let mut request = HyperRequest::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = request_target(outgoing, url)?;
    *request.headers_mut() = headers;
    if outgoing.version == HttpVersion::Http10 {
        *request.version_mut() = Version::HTTP_10;
    }
    if outgoing.version == HttpVersion::Http2 {
        // It is sent as `:authority` (RFC 9113, section 8.3.1).
        request.headers_mut().remove(HOST);
    }
    Ok(request)
}

/// The target in the request line, or in the pseudo-headers of HTTP/2.
fn request_target(outgoing: &OutgoingRequest<'_>, url: &Url) -> Result<Uri, NetError> {
    let url = without_user(url);
    let path = &url[Position::BeforePath..];
    let host = outgoing.request.headers.get(HOST);
    let text = match (outgoing.version, host) {
        // The proxy connects to the host in the URL, which must be the granted one, whatever `host` header the plugin
        // set.
        _ if outgoing.via_proxy.is_some() => url.to_string(),
        (HttpVersion::Http2, Some(host)) => {
            let host = host
                .to_str()
                .map_err(|error| NetError::Invalid(format!("header `host`: {error}")))?;
            format!("{}://{host}{path}", url.scheme())
        }
        (HttpVersion::Http2, None) => url.to_string(),
        _ => path.to_owned(),
    };
    text.parse()
        .map_err(|error| NetError::Invalid(format!("url `{}`: {error}", redact_url(&url))))
}

fn request_headers(outgoing: &OutgoingRequest<'_>) -> Result<HeaderMap, NetError> {
    let Request {
        method,
        url,
        headers,
        body,
        ..
    } = outgoing.request;
    let mut headers = headers.clone();
    // The request's map was allocated with room for these.
    headers.extend(outgoing.trace.iter().cloned());
    if let Some(cookie) = &outgoing.cookie {
        headers.insert(COOKIE, cookie.clone());
    }
    if outgoing.via_proxy.is_some() {
        // A proxy derives it from the URL (RFC 9112, section 3.2.2), but not all of them do.
        headers.remove(HOST);
    }
    if !headers.contains_key(HOST) && outgoing.version != HttpVersion::Http2 {
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let host = HeaderValue::from_str(authority).map_err(|error| NetError::Invalid(error.to_string()))?;
        headers.insert(HOST, host);
    }
    if body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        // RFC 9110, section 8.6: these methods define a meaning for a body, even an empty one.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if outgoing.via_proxy.is_none() {
        // It is meant for a proxy, never for the target behind one.
        headers.remove(PROXY_AUTHORIZATION);
    }
    if let Some(authorization) = outgoing.via_proxy.and_then(|proxy| proxy.authorization.clone()) {
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
    Ok(headers)
}
