//! What a plugin asks for, right and bounded by type.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::Bytes;
use url::Url;

use super::Versions;
use super::redirect::url_fault;
use crate::net::bounded::{Payload, PlaceText, URL_BYTES, UrlText, Word, too_long, too_many};
use crate::net::tls::TlsOptions;
use crate::net::{Family, NetError};
use crate::suite::public_url;

/// Most headers of a request.
const HEADERS: usize = 256;
/// Most bytes of a request's header names and values together.
const HEADER_BYTES: usize = 64 << 10;

/// Longest URL in its own form, in bytes: percent-encoding makes a text three times as long.
pub(super) const LONGEST_URL: usize = 3 * URL_BYTES;

/// Sent when the plugin names no user agent.
const USER_AGENT: &str = concat!("canary/", env!("CARGO_PKG_VERSION"));
/// Headers that follow from the body. Others than those would end it too early, or never.
const FRAMING: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];
/// Headers that the host adds: user agent, host, the proxy's authorization, the trace.
const OWN_HEADERS: usize = 8;

/// What a plugin asks for.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) options: Arc<RequestOptions>,
}

/// How to go about a request.
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    /// Versions to speak.
    pub versions: Versions,
    /// Which addresses to use.
    pub family: Family,
    /// Local address to connect from.
    pub source: Option<IpAddr>,
    /// The only address of the URL's host to use, or of what stands in for it; other origins are not bound by it.
    pub address: Option<IpAddr>,
    /// 0 hands the redirect itself to the plugin.
    pub max_redirects: u32,
    /// Bytes of body to keep; 0 reads no body at all.
    pub max_body: u32,
    /// How long to read a body for, from the end of the head; what came by then is the body.
    pub read_for: Option<Duration>,
    /// For all of it, redirects included.
    pub timeout: Option<Duration>,
    /// `HOST:PORT` to connect to in place of the URL's; must be granted itself.
    pub connect_to: Option<PlaceText>,
    /// URL of an HTTP or SOCKS5 proxy, or `environment` for those that the environment names; must be granted itself.
    pub proxy: Option<UrlText>,
    /// For `https`.
    pub tls: Option<TlsOptions>,
    /// Adds the run's `traceparent`.
    pub propagate_trace: bool,
}

impl Request {
    /// A request with an absolute `http` or `https` URL; `user-agent` is filled in when absent.
    ///
    /// # Errors
    /// `Invalid` when a part of it is malformed or too long.
    pub fn new(
        method: Word,
        url: &UrlText,
        headers: Vec<(String, Vec<u8>)>,
        body: Payload,
        options: RequestOptions,
    ) -> Result<Self, NetError> {
        Ok(Self {
            method: parse_method(&method)?,
            url: parse_url(url)?,
            headers: header_map(headers)?,
            body: body.into_inner().into(),
            options: Arc::new(options),
        })
    }
}

pub(super) fn parse_method(method: &Word) -> Result<Method, NetError> {
    Method::from_bytes(method.as_bytes())
        .map_err(|error| NetError::Invalid(format!("method `{}`: {error}", method.escape_debug())))
}

pub(super) fn parse_url(url: &UrlText) -> Result<Url, NetError> {
    let parsed = Url::parse(url).map_err(|error| {
        let (url, fault) = (public_url(url), url_fault(error));
        NetError::Invalid(format!("url `{}`: {fault}", url.escape_debug()))
    })?;
    match parsed.as_str().len() > LONGEST_URL {
        true => Err(too_long("the url", URL_BYTES)),
        false => Ok(parsed),
    }
}

/// Whether headers are few and short enough.
pub(super) fn fit(headers: &[(String, Vec<u8>)]) -> Result<(), NetError> {
    if headers.len() > HEADERS {
        return Err(too_many("headers", HEADERS));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    match bytes > HEADER_BYTES {
        true => Err(too_long("the list of headers", HEADER_BYTES)),
        false => Ok(()),
    }
}

pub(super) fn header(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), NetError> {
    let invalid =
        |reason: &dyn Display| NetError::Invalid(format!("header `{}`: {reason}", name.escape_debug()));
    let key = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid(&"a name has letters, digits and some signs, no blank and no colon"))?;
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| invalid(&"its value has a line break or another control character"))?;
    Ok((key, value))
}

fn header_map(headers: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, NetError> {
    fit(&headers)?;
    let mut map = empty(headers.len())?;
    for (name, value) in headers {
        let (key, value) = header(&name, &value)?;
        if FRAMING.contains(&key) {
            continue;
        }
        map.try_append(key, value)
            .map_err(|error| NetError::Invalid(format!("header `{}`: {error}", name.escape_debug())))?;
    }
    if !map.contains_key(http::header::USER_AGENT) {
        let _before = map.try_insert(http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    }
    Ok(map)
}

fn empty(headers: usize) -> Result<HeaderMap, NetError> {
    HeaderMap::try_with_capacity(headers + OWN_HEADERS).map_err(|error| NetError::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: Vec<(String, Vec<u8>)>) -> Result<Request, NetError> {
        let method = Word::new("the method", "GET".to_owned())?;
        let url = UrlText::new("the url", "http://a.test/".to_owned())?;
        let body = Payload::new("the body", Vec::new())?;
        Request::new(method, &url, headers, body, RequestOptions::default())
    }

    fn numbered(count: usize, value: usize) -> Vec<(String, Vec<u8>)> {
        let header = |number| (format!("x-{number}"), vec![b'v'; value]);
        (0..count).map(header).collect()
    }

    #[test]
    fn as_many_headers_as_allowed_are_taken_and_one_more_is_refused() {
        assert_eq!(request(numbered(HEADERS, 1)).unwrap().headers.len(), HEADERS + 1);
        for many in [HEADERS + 1, 40_000] {
            let refused = request(numbered(many, 1)).unwrap_err();
            assert_eq!(refused.to_string(), "invalid request: more than 256 headers");
        }
    }

    #[test]
    fn headers_are_weighed_together() {
        let refused = request(numbered(HEADERS, 256)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid request: the list of headers is longer than 64 KiB"
        );
    }

    #[test]
    fn no_header_says_where_the_body_ends() {
        let wrong = ["Content-Length", "transfer-encoding"].map(|name| (name.to_owned(), b"2".to_vec()));
        let sent = request(wrong.to_vec()).unwrap();
        let names: Vec<_> = sent.headers.keys().collect();
        assert_eq!(names, [http::header::USER_AGENT]);
    }

    #[test]
    fn a_header_that_is_given_twice_is_sent_twice() {
        let twice = vec![
            ("x-a".to_owned(), b"1".to_vec()),
            ("X-A".to_owned(), b"2".to_vec()),
        ];
        let sent = request(twice).unwrap();
        let values: Vec<_> = sent.headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "2"]);
    }
}
