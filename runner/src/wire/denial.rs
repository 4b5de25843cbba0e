//! What the body of an answer says against its status: some services, and whatever stands before them, answer 200 to
//! everything.
//!
//! A page for people is a denial, whatever is on it. JSON is one where a field that is known to say so does; where several
//! contradict each other, a status of 400 or more counts first, then what says success, then an error. Everything else
//! is none: what a service took would be sent to it again and again.

mod json;
mod page;

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::HeaderMap;

/// How GZIP begins.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// Bytes of a body that are looked at after decompression.
const MAX_DECODED: u64 = 64 << 10;

/// Why an answer with a status of success is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// A page for people, such as a login: no service answers a program so.
    Page,
    /// It says that it failed, with the words that it has for that.
    Error(String),
}

/// What a body says against a status of success, as far as its form is known: a page of HTML, or JSON that says
/// `"ok": false` or has an error. Of a body that was not read to its end, what there is counts.
#[must_use]
pub fn denial(headers: &HeaderMap, body: &[u8]) -> Option<Denial> {
    let decoded = decoded(body);
    let body = decoded.as_deref().unwrap_or(body);
    if page::is_page(headers, body) {
        return Some(Denial::Page);
    }
    let is_error = page::is_error(body);
    json::error(page::text(body))
        .or_else(|| is_error.then(String::new))
        .map(Denial::Error)
}

/// What was compressed, though nobody asked for that: as much of it as can be read.
fn decoded(body: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let is_gzip = body.starts_with(&GZIP);
    // It may be cut.
    let _as_far_as_it_goes =
        is_gzip.then(|| GzDecoder::new(body).take(MAX_DECODED).read_to_end(&mut decoded))?;
    Some(decoded)
}

#[cfg(test)]
mod tests;
