//! Where a redirect leads, and what may go along.

use http::header::{AUTHORIZATION, COOKIE, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method};
use url::Url;

use super::request::LONGEST_URL;
use super::{Request, Response};
use crate::net::NetError;
use crate::net::bounded::URL_BYTES;
use crate::quota::show_bytes;

/// The request that follows `response`, when it is a redirect with a place to go (RFC 9110, section 15.4).
pub(super) fn next(request: &Request, response: &Response) -> Result<Option<Request>, NetError> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers.get(LOCATION) else {
        return Ok(None);
    };
    if location.len() > URL_BYTES {
        return Err(too_far());
    }
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut url = request
        .url
        .join(&location)
        .map_err(|error| NetError::Protocol(format!("redirect to `{location}`: {error}")))?;
    // A path that leads further each time would grow without end.
    if url.as_str().len() > LONGEST_URL {
        return Err(too_far());
    }
    if url.fragment().is_none() {
        url.set_fragment(request.url.fragment());
    }
    let mut next = Request {
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

fn too_far() -> NetError {
    let limit = show_bytes(URL_BYTES as u64);
    NetError::Protocol(format!("redirect to a url longer than {limit}"))
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
