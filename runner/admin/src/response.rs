//! Builders of responses.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::{TextChunks, negotiation};
use canary_run::report::admin_api::ErrorBody;
use canary_run::report::safe_json;
use canary_telemetry::Format;

/// A response of the admin server.
pub(super) type Response = http::Response<Body>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Minimum size in bytes for compression.
const MIN_GZIP_BYTES: usize = 1_024;

/// A value as JSON, compressed if the client accepts gzip.
pub(super) fn json(request_headers: &HeaderMap, status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(text) = safe_json(value) else {
        return error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot encode the response as JSON",
        );
    };
    let mut page = gzip_if_accepted(request_headers, text);
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    page
}

/// JSON that is produced while it is sent, compressed if the client accepts gzip.
pub(super) fn json_chunks(request_headers: &HeaderMap, chunks: TextChunks) -> Response {
    let is_gzip = negotiation::accepts_gzip(request_headers);
    let mut page = Response::new(Body::chunks(chunks, is_gzip));
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    page
}

const BUSY: &str = "too many responses are being sent; try again in a second";

/// 503: too many responses are being sent.
pub(super) fn overloaded() -> Response {
    let mut page = error_response(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    page.headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    page
}

/// The bytes of [`overloaded`], for a connection that is rejected before it is served.
pub(super) fn overloaded_bytes() -> String {
    let body = format!("{{\"error\":\"{BUSY}\"}}\n");
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// A static JSON document.
pub(super) fn json_document(request_headers: &HeaderMap, text: &'static str) -> Response {
    let mut page = gzip_if_accepted(request_headers, text.to_owned());
    page.headers_mut().insert(CONTENT_TYPE, JSON);
    page
}

/// An error with its reason as JSON.
pub(super) fn error_response(status: StatusCode, error: impl Into<String>) -> Response {
    let error_response = ErrorBody { error: error.into() };
    // A string can always be serialised.
    let mut page = Response::new(Body::from(safe_json(&error_response).unwrap_or_default()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, JSON);
    page
}

/// 405 with the allowed methods.
pub(super) fn method_not_allowed(allowed: &'static str) -> Response {
    let mut page = error_response(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("method not allowed; use {allowed}"),
    );
    page.headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    page
}

/// 401 with the authentication scheme.
pub(super) fn unauthorized(error: &str) -> Response {
    let mut page = error_response(StatusCode::UNAUTHORIZED, error);
    let scheme = HeaderValue::from_static("Bearer realm=\"canary\"");
    page.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    page
}

/// A plain text for people.
pub(super) fn plain_text(text: String) -> Response {
    let mut page = Response::new(Body::from(text));
    page.headers_mut().insert(CONTENT_TYPE, PLAIN);
    page
}

/// The metrics in the format that the client prefers, compressed if it accepts gzip.
pub(super) fn metrics(request_headers: &HeaderMap, metrics: &dyn Fn(Format) -> TextChunks) -> Response {
    let format = negotiation::metrics_format(request_headers);
    let is_gzip = negotiation::accepts_gzip(request_headers);
    let mut page = Response::new(Body::chunks(metrics(format), is_gzip));
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    page
}

fn gzip_if_accepted(request_headers: &HeaderMap, text: String) -> Response {
    let wanted = text.len() >= MIN_GZIP_BYTES && negotiation::accepts_gzip(request_headers);
    match wanted.then(|| gzipped(&text)) {
        Some(Ok(page)) => page,
        Some(Err(_)) | None => Response::new(Body::from(text)),
    }
}

fn gzipped(text: &str) -> io::Result<Response> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    let mut page = Response::new(Body::from(encoder.finish()?));
    page.headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn rejected_connections_get_the_same_response_as_served_ones() {
        let page = overloaded();
        let text = overloaded_bytes();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {}\r\n", page.status())));
        for (name, value) in page.headers() {
            let line = format!("\r\n{name}: {}", value.to_str().unwrap());
            assert!(head.contains(&line), "{line}");
        }
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
        assert_eq!(page.into_body().collect().await.unwrap().to_bytes(), body);
    }
}
