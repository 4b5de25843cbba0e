//! HTTP requests of plugins, validated and bounded by type.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::Bytes;
use url::Url;

use super::destination::parse_url;
use super::{DigestCredentials, Versions};
use crate::bounded::{EndpointText, Payload, Token, UrlText, too_long, too_many};
use crate::tls::TlsOptions;
use crate::{Family, NetError};

/// Maximum number of headers in a request.
const MAX_HEADERS: usize = 256;
/// Maximum number of bytes in a request's header names and values together.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Used if the plugin sets no user agent.
const USER_AGENT: &str = concat!("canary/", env!("CARGO_PKG_VERSION"));
/// Headers derived from the body. The plugin's own values could end it prematurely, or never.
const FRAMING: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];
/// Number of headers added by the host: user agent, host, authorization, proxy authorization, trace.
const HOST_HEADERS: usize = 9;

/// An HTTP request of a plugin.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) options: Arc<RequestOptions>,
}

/// Options of a request.
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    /// Acceptable HTTP versions.
    pub versions: Versions,
    /// Which address families to use.
    pub family: Family,
    /// Local address to bind to.
    pub source: Option<IpAddr>,
    /// If set, the only address to use for the URL's host or its connect override; other origins are not affected.
    pub address: Option<IpAddr>,
    /// Maximum number of redirects to follow; 0 returns the redirect itself.
    pub max_redirects: u32,
    /// Maximum number of body bytes to keep; 0 reads no body at all.
    pub max_body: u32,
    /// How long to read the body, from the end of the head; whatever was received by then is the body.
    pub read_for: Option<Duration>,
    /// Total time limit, including redirects.
    pub timeout: Option<Duration>,
    /// `HOST:PORT` to connect to instead of the URL's own; must be granted itself.
    pub connect_to: Option<EndpointText>,
    /// URL of an HTTP or SOCKS5 proxy, or `environment` for the environment's proxies; must be granted itself.
    pub proxy: Option<UrlText>,
    /// For a proxy that is contacted over TLS.
    pub proxy_tls: Option<TlsOptions>,
    /// For `https`.
    pub tls: Option<TlsOptions>,
    /// Adds the run's `traceparent`.
    pub propagate_trace: bool,
    /// Answers challenges for digest authentication.
    pub digest: Option<DigestCredentials>,
}

impl Request {
    /// Creates a request with an absolute `http` or `https` URL; adds `user-agent` if absent.
    ///
    /// # Errors
    /// `Invalid` if a part of it is malformed or too long.
    pub fn new(
        method: Token,
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

pub(super) fn parse_method(method: &Token) -> Result<Method, NetError> {
    Method::from_bytes(method.as_bytes())
        .map_err(|error| NetError::Invalid(format!("method `{}`: {error}", method.escape_debug())))
}

/// Checks the number and total size of headers.
pub(super) fn check_headers(headers: &[(String, Vec<u8>)]) -> Result<(), NetError> {
    if headers.len() > MAX_HEADERS {
        return Err(too_many("headers", MAX_HEADERS));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        Err(too_long("the list of headers", MAX_HEADER_BYTES))
    } else {
        Ok(())
    }
}

pub(super) fn header(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), NetError> {
    let invalid =
        |reason: &dyn Display| NetError::Invalid(format!("header `{}`: {reason}", name.escape_debug()));
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        invalid(&"a name may have letters, digits and some symbols, but no spaces and no colon")
    })?;
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| invalid(&"its value has a line break or another control character"))?;
    Ok((key, value))
}

fn header_map(headers: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, NetError> {
    check_headers(&headers)?;
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
    HeaderMap::try_with_capacity(headers + HOST_HEADERS).map_err(|error| NetError::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: Vec<(String, Vec<u8>)>) -> Result<Request, NetError> {
        let method = Token::new("the method", "GET".to_owned())?;
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
        assert_eq!(
            request(numbered(MAX_HEADERS, 1)).unwrap().headers.len(),
            MAX_HEADERS + 1
        );
        for many in [MAX_HEADERS + 1, 40_000] {
            let refused = request(numbered(many, 1)).unwrap_err();
            assert_eq!(refused.to_string(), "invalid request: more than 256 headers");
        }
    }

    #[test]
    fn headers_are_weighed_together() {
        let refused = request(numbered(MAX_HEADERS, 256)).unwrap_err();
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
