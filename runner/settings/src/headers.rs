//! Headers of outgoing requests. Neither their values nor invalid names are ever shown.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::{ConfigValue, Report};

/// Maximum number of headers of one destination.
const MAX_HEADERS: usize = 64;
/// Maximum length of a value in bytes.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// Headers that the exporter sets itself.
const RESERVED: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// Prefix of headers that gRPC sets itself.
const RESERVED_PREFIX: &str = "grpc-";

/// Whether the values of a header are common protocol tokens, which would be masked wherever they occur.
pub fn is_public(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("accept") || matches!(name.as_str(), "cache-control" | "user-agent")
}

/// Validates headers. Of several with the same name, the last one is used.
pub fn headers(pairs: &[(Arc<str>, ConfigValue)], report: &mut Report) -> Vec<(HeaderName, HeaderValue)> {
    if let Some((_, value)) = pairs.get(MAX_HEADERS) {
        let message = format!("{} headers; allowed: up to {MAX_HEADERS}", pairs.len());
        report.add(value.problem(message));
    }
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in pairs.iter().take(MAX_HEADERS) {
        if let Some((name, value)) = header(name, value, report) {
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
        }
    }
    headers
}

fn header(name: &str, value: &ConfigValue, report: &mut Report) -> Option<(HeaderName, HeaderValue)> {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        let problem = value.problem("invalid header name");
        report.add(problem.hint("use letters, digits and `-`, such as `authorization`"));
        return None;
    };
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with(RESERVED_PREFIX) {
        report.add(
            value
                .problem(format!("the header `{name}` is set by Canary"))
                .hint("leave it out"),
        );
        return None;
    }
    if value.expose().len() > MAX_VALUE_BYTES {
        let message = format!("the value of the header `{name}` is longer than {MAX_VALUE_BYTES} bytes");
        report.add(value.problem(message));
        return None;
    }
    // `HeaderValue` accepts bytes beyond ASCII; gRPC does not.
    let content = HeaderValue::from_str(value.expose()).ok();
    let Some(mut content) = content.filter(|_| value.expose().is_ascii()) else {
        let problem = value.problem(format!(
            "the value of the header `{name}` contains characters that are not allowed"
        ));
        report.add(problem.hint("use printable ASCII characters, in one line"));
        return None;
    };
    content.set_sensitive(true);
    Some((name, content))
}
