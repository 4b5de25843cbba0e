//! Builds the request from the configuration.

mod check;

use canary_sdk::http::{Request, RequestOptions};

use crate::auth;
use crate::config::Config;
use crate::expect::RETAINED_BODY;
pub(crate) use check::{check, check_target, is_direct};

/// Builds the request as far as target and configuration are valid; the host had them checked before the run.
pub(crate) fn build(target: &str, config: &Config) -> Request {
    let mut request = Request::new(config.method.as_str(), target);
    for Header { name, value, .. } in headers(config) {
        request = request.header(name, value);
    }
    if let Some(body) = body(config) {
        request = request.body(body);
    }
    request.options = options(config);
    request
}

/// A header, and the configuration keys that it is built from.
struct Header<'a> {
    name: &'a str,
    value: Vec<u8>,
    keys: Vec<String>,
}

impl<'a> Header<'a> {
    fn of(key: &str, name: &'a str, value: String) -> Self {
        Self {
            name,
            value: value.into_bytes(),
            keys: vec![key.to_owned()],
        }
    }
}

/// All headers, in the order in which they are sent.
fn headers(config: &Config) -> Vec<Header<'_>> {
    let mut headers = Vec::new();
    for (name, values) in &config.headers {
        for (index, value) in values.as_slice().iter().enumerate() {
            let keys = ["headers".to_owned(), name.clone()];
            let index = values.is_list().then(|| index.to_string());
            headers.push(Header {
                name,
                value: value.clone().into_bytes(),
                keys: keys.into_iter().chain(index).collect(),
            });
        }
    }
    let encodings = config.accept_encoding.header();
    if !encodings.is_empty() {
        headers.push(Header::of("accept_encoding", "accept-encoding", encodings));
    }
    headers.extend(auth::header(config).map(|(value, keys)| Header {
        name: "authorization",
        value: value.into_bytes(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }));
    if config.body_json.is_some() && !sets_header(config, "content-type") {
        let json = "application/json".to_owned();
        headers.push(Header::of("body_json", "content-type", json));
    }
    headers
}

fn body(config: &Config) -> Option<Vec<u8>> {
    match (&config.body, &config.body_json) {
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(json)) => Some(json.get().as_bytes().to_vec()),
        (None, None) => None,
    }
}

fn options(config: &Config) -> RequestOptions {
    let mut options = RequestOptions::default();
    options.versions = config.version.as_slice().to_vec();
    options.source_address.clone_from(&config.source_address);
    options.ip_family = config.ip_family;
    options.max_redirects = max_redirects(config);
    options.max_body = max_body(config);
    options.read_for = config.read_for.map(canary_sdk::Duration::get);
    options.connect_to = config.connect_to.clone();
    options.proxy = config.proxy.clone();
    options.proxy_tls = config.proxy_tls.as_ref().map(|tls| tls.options());
    options.tls = config.tls.as_ref().map(|tls| tls.options());
    options.propagate_trace = config.propagate_trace;
    options.digest = auth::digest(config);
    options
}

/// The number of redirects to follow.
pub(crate) fn max_redirects(config: &Config) -> u32 {
    if config.follow_redirects {
        config.max_redirects
    } else {
        0
    }
}

/// Bytes of body to retain. A body that is discarded is read in any case.
pub(crate) fn max_body(config: &Config) -> u32 {
    let decompressed = match config.accept_encoding.as_slice() {
        [] => 0,
        _ => RETAINED_BODY,
    };
    match (config.expect.retained_body(), config.read_body) {
        (0, false) => 0,
        (0, true) => decompressed.max(1),
        (kept, _) => kept.max(decompressed),
    }
}

/// A proxy that forwards plain-text requests and may answer instead of the target at `url`. Whether the environment
/// names one is unknown here.
pub(crate) fn forwarder(config: &Config, url: &str) -> Option<&'static str> {
    let speaks = |url: &str, scheme: &str| {
        let prefix = url.get(..scheme.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(scheme))
    };
    // The connection to a `connect_to` endpoint is tunnelled.
    let is_forwarded = speaks(url, "http:") && config.connect_to.is_none();
    match config.proxy.as_deref().filter(|_| is_forwarded)? {
        "environment" => Some("a proxy of the environment"),
        proxy if speaks(proxy, "http:") || speaks(proxy, "https:") => Some("the proxy"),
        _ => None,
    }
}

fn sets_header(config: &Config, name: &str) -> bool {
    config
        .headers
        .keys()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
