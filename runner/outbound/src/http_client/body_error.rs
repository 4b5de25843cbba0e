//! Errors in the body of a successful response: some services, and proxies in front of them, respond with 200 to
//! everything.
//!
//! An HTML page is an error, whatever its contents. JSON is an error if a well-known field says so; if fields
//! contradict each other, a status of 400 or more takes precedence, then a success flag, then an error. Anything else
//! is a success: otherwise a request that a service accepted would be repeated forever.

mod json;
mod page;

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::HeaderMap;

/// The magic number of gzip.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// Maximum number of decompressed bytes that are examined.
const MAX_DECODED: u64 = 64 << 10;

/// An error in the body of a response whose status is a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// An HTML page, such as a login page: not a response of an API.
    HtmlPage,
    /// The body reports a failure, with this message.
    Error(String),
}

impl BodyError {
    /// The code in metrics and statistics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::HtmlPage => "page",
            Self::Error(_) => "denied",
        }
    }
}

/// Detects an error in the body of a successful response: an HTML page, or JSON with `"ok": false` or an error. A
/// truncated body is examined as far as it was read.
#[must_use]
pub fn body_error(headers: &HeaderMap, body: &[u8]) -> Option<BodyError> {
    let decoded = decoded(body);
    let body = decoded.as_deref().unwrap_or(body);
    if page::is_page(headers, body) {
        return Some(BodyError::HtmlPage);
    }
    let is_error = page::is_error(body);
    json::error(page::text(body))
        .or_else(|| is_error.then(String::new))
        .map(BodyError::Error)
}

/// Decompresses a body that is gzip although it was not requested, as far as it can be read.
fn decoded(body: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let is_gzip = body.starts_with(&GZIP);
    // It may be truncated.
    let _result = is_gzip.then(|| GzDecoder::new(body).take(MAX_DECODED).read_to_end(&mut decoded))?;
    Some(decoded)
}

#[cfg(test)]
mod tests;
