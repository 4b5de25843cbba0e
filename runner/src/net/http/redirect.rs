//! Where a redirect leads, and what may go along.

use http::header::{AUTHORIZATION, COOKIE, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method};
use url::Url;

use super::{Prepared, Response};
use crate::net::NetError;

/// The request that follows `response`, when it is a redirect with a place to go (RFC 9110, section 15.4).
pub(super) fn next(request: &Prepared, response: &Response) -> Result<Option<Prepared>, NetError> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers.get(LOCATION) else {
        return Ok(None);
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut url = request
        .url
        .join(&location)
        .map_err(|error| NetError::Protocol(format!("redirect to `{location}`: {error}")))?;
    if url.fragment().is_none() {
        url.set_fragment(request.url.fragment());
    }
    let mut next = Prepared {
        url,
        ..request.clone()
    };
    if becomes_get(&request.method, response.status) {
        next.method = Method::GET;
        next.body.clear();
        drop_content_headers(&mut next.headers);
    }
    if is_elsewhere(&request.url, &next.url) {
        for secret in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            next.headers.remove(secret);
        }
        next.headers.remove(http::header::HOST);
    }
    Ok(Some(next))
}

fn becomes_get(method: &Method, status: u16) -> bool {
    match status {
        303 => *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

fn drop_content_headers(headers: &mut HeaderMap) {
    let names: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("content-"))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Credentials stay with the origin that the suite named.
fn is_elsewhere(from: &Url, to: &Url) -> bool {
    from.origin() != to.origin()
}
