//! A request as it is sent.

use http::header::{CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use url::{Position, Url};

use super::hop::bare;
use super::proxy::Proxy;
use super::redirect::without_user;
use super::{HttpVersion, Request};
use crate::net::NetError;

pub(super) struct Asked<'a> {
    pub(super) request: &'a Request,
    /// Carries the run's trace to the target, where the check asks for that.
    pub(super) trace: Vec<(HeaderName, HeaderValue)>,
    /// What the plugin wrote, and what peers set on the way.
    pub(super) cookie: Option<HeaderValue>,
    pub(super) version: HttpVersion,
    /// Set when the request goes to a proxy that forwards it.
    pub(super) via_proxy: Option<&'a Proxy>,
}

pub(super) type Wire = http::Request<Full<Bytes>>;

pub(super) fn wire_request(asked: &Asked<'_>) -> Result<Wire, NetError> {
    let Request {
        method, url, body, ..
    } = asked.request;
    let headers = wire_headers(asked)?;
    let mut request = Wire::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = wire_target(asked, url)?;
    *request.headers_mut() = headers;
    if asked.version == HttpVersion::Http10 {
        *request.version_mut() = Version::HTTP_10;
    }
    if asked.version == HttpVersion::Http2 {
        // Its place is the authority (RFC 9113, section 8.3.1).
        request.headers_mut().remove(HOST);
    }
    Ok(request)
}

/// What stands in the request line, or in the pseudo-headers of HTTP/2.
fn wire_target(asked: &Asked<'_>, url: &Url) -> Result<Uri, NetError> {
    let url = without_user(url);
    let path = &url[Position::BeforePath..];
    let host = asked.request.headers.get(HOST);
    let text = match (asked.version, host) {
        // The proxy goes where it says: to the place that was granted, whatever the plugin calls its host.
        _ if asked.via_proxy.is_some() => url.to_string(),
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
        .map_err(|error| NetError::Invalid(format!("url `{}`: {error}", bare(&url))))
}

fn wire_headers(asked: &Asked<'_>) -> Result<HeaderMap, NetError> {
    let Request {
        method,
        url,
        headers,
        body,
        ..
    } = asked.request;
    let mut headers = headers.clone();
    // The request's list has room for a few more.
    headers.extend(asked.trace.iter().cloned());
    if let Some(cookie) = &asked.cookie {
        headers.insert(COOKIE, cookie.clone());
    }
    if asked.via_proxy.is_some() {
        // A proxy takes it from the URL (RFC 9112, section 3.2.2), and not all of them do.
        headers.remove(HOST);
    }
    if !headers.contains_key(HOST) && asked.version != HttpVersion::Http2 {
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let host = HeaderValue::from_str(authority).map_err(|error| NetError::Invalid(error.to_string()))?;
        headers.insert(HOST, host);
    }
    if body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        // RFC 9110, section 8.6: these methods mean something by a body, also by an empty one.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if asked.via_proxy.is_none() {
        // It is for a proxy, and never for the target behind one.
        headers.remove(PROXY_AUTHORIZATION);
    }
    if let Some(authorization) = asked.via_proxy.and_then(|proxy| proxy.authorization.clone()) {
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
    Ok(headers)
}
