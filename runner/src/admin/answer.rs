//! Answers: a status, a body, and what it is.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::{Parts, accept};
use crate::report::inside::Declined;
use crate::report::safe_json;
use crate::telemetry::Format;

/// A whole answer.
pub(super) type Page = Response<Body>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Bytes; shorter texts are sent as they are.
const WORTH_SQUEEZING: usize = 1_024;

/// A value as JSON, squeezed for those who take that.
pub(super) fn json(asked: &HeaderMap, status: StatusCode, value: &impl Serialize) -> Page {
    let Ok(text) = safe_json(value) else {
        return declined(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer cannot be written as JSON",
        );
    };
    let mut page = squeezed(asked, text);
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    page
}

/// JSON that is made while it is sent, squeezed for those who take that.
pub(super) fn json_parts(asked: &HeaderMap, parts: Parts) -> Page {
    let is_gzip = accept::is_gzip_wanted(asked);
    let mut page = Page::new(Body::parts(parts, is_gzip));
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    page
}

const BUSY: &str = "too many answers are being sent; try again in a second";

/// Too many answers are under way.
pub(super) fn busy() -> Page {
    let mut page = declined(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    page.headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    page
}

/// The same as it goes over the wire, for a connection that no more is spent on.
pub(super) fn busy_in_full() -> String {
    let body = format!("{{\"error\":\"{BUSY}\"}}\n");
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// A document that is JSON already.
pub(super) fn document(asked: &HeaderMap, text: &'static str) -> Page {
    let mut page = squeezed(asked, text.to_owned());
    page.headers_mut().insert(CONTENT_TYPE, JSON);
    page
}

/// No answer, and why.
pub(super) fn declined(status: StatusCode, error: impl Into<String>) -> Page {
    let declined = Declined { error: error.into() };
    // A text is always JSON.
    let mut page = Page::new(Body::from(safe_json(&declined).unwrap_or_default()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, JSON);
    page
}

/// For whom the method is another one.
pub(super) fn not_allowed(allowed: &'static str) -> Page {
    let mut page = declined(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed}"));
    page.headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    page
}

/// For whom has to prove his right.
pub(super) fn unauthorized(error: &str) -> Page {
    let mut page = declined(StatusCode::UNAUTHORIZED, error);
    let scheme = HeaderValue::from_static("Bearer realm=\"canary\"");
    page.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    page
}

/// A text for people.
pub(super) fn plain(text: &'static str) -> Page {
    let mut page = Page::new(Body::from(text));
    page.headers_mut().insert(CONTENT_TYPE, PLAIN);
    page
}

/// The metrics, in the format that is asked for, squeezed for those who take that.
pub(super) fn scrape(asked: &HeaderMap, metrics: &dyn Fn(Format) -> Parts) -> Page {
    let format = accept::format(asked);
    let is_gzip = accept::is_gzip_wanted(asked);
    let mut page = Page::new(Body::parts(metrics(format), is_gzip));
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    page
}

fn squeezed(asked: &HeaderMap, text: String) -> Page {
    let wanted = text.len() >= WORTH_SQUEEZING && accept::is_gzip_wanted(asked);
    match wanted.then(|| gzipped(&text)) {
        Some(Ok(page)) => page,
        Some(Err(_)) | None => Page::new(Body::from(text)),
    }
}

fn gzipped(text: &str) -> io::Result<Page> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    let mut page = Page::new(Body::from(encoder.finish()?));
    page.headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn those_who_are_turned_away_get_the_answer_that_the_others_get() {
        let page = busy();
        let text = busy_in_full();
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
