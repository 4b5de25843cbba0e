//! Detection of the charset of a body.

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How a body is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Determined by a byte order mark, the `content-type`, or the body itself.
    Known(&'static Encoding),
    /// Undeclared, and not UTF-8.
    Unknown,
}

/// The charset of a text: by its byte order mark, its `content-type`, a declaration in the page, or its bytes. JSON
/// is treated as JSON.
pub(super) fn of_text(response: &Response) -> Charset {
    let (body, declared) = (response.body.as_slice(), DeclaredType::from_response(response));
    if declared.is_json() {
        return of_json(response);
    }
    let may_name_itself = declared.is_markup() || declared.is_empty() && begins_with_tag(body);
    marked(body)
        .or_else(|| declared.charset())
        .or_else(|| meta(body).filter(|_| may_name_itself))
        .or_else(|| is_utf8(body).then_some(UTF_8))
        .or_else(|| declared.is_text().then_some(WINDOWS_1252))
        .map_or(Charset::Unknown, Charset::Known)
}

/// The charset of JSON, which is UTF-8 whatever its type declares (RFC 8259, sections 8.1 and 11). Some servers send
/// UTF-16; if it is neither, the declared charset is used.
pub(super) fn of_json(response: &Response) -> Charset {
    let (body, declared) = (response.body.as_slice(), DeclaredType::from_response(response));
    marked(body)
        .or_else(|| by_zeros(body))
        .or_else(|| is_utf8(body).then_some(UTF_8))
        .or_else(|| declared.charset())
        .or_else(|| declared.is_text().then_some(WINDOWS_1252))
        .map_or(Charset::Unknown, Charset::Known)
}

/// The media type and charset that the `content-type` declares.
struct DeclaredType {
    /// In lower case, such as `text/html`; empty if nothing is declared.
    kind: String,
    parameters: String,
}

impl DeclaredType {
    fn from_response(response: &Response) -> Self {
        let content_type = response.header("content-type").unwrap_or_default();
        let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        Self {
            kind: kind.trim().to_ascii_lowercase(),
            parameters: parameters.to_owned(),
        }
    }

    fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    fn is_text(&self) -> bool {
        self.kind.starts_with("text/")
    }

    fn is_json(&self) -> bool {
        self.kind == "application/json" || self.kind.ends_with("+json")
    }

    /// Whether it is HTML or XML, which may declare their charset themselves.
    fn is_markup(&self) -> bool {
        matches!(self.kind.as_str(), "text/html" | "text/xml" | "application/xml")
            || self.kind.ends_with("+xml")
    }

    fn charset(&self) -> Option<&'static Encoding> {
        let mut named = self
            .parameters
            .split(';')
            .filter_map(|parameter| parameter.split_once('='));
        let (_, label) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
        Encoding::for_label(label.trim().trim_matches(['"', '\'']).as_bytes())
    }
}

fn marked(body: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(body).map(|(encoding, _)| encoding)
}

/// A truncated body may end within a character.
fn is_utf8(body: &[u8]) -> bool {
    match str::from_utf8(body) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// The charset of JSON without a byte order mark; its first characters are ASCII.
fn by_zeros(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [0, high, ..] if *high != 0 => Some(UTF_16BE),
        [low, 0, ..] if *low != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// Whether it looks like HTML or XML.
fn begins_with_tag(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    matches!(start, [b'<', next, ..] if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'))
}

/// Bytes at the start of a page in which browsers look for its charset.
const META: usize = 1024;

/// The charset that an HTML page or XML document declares itself.
fn meta(body: &[u8]) -> Option<&'static Encoding> {
    let start = body.get(..META).unwrap_or(body);
    let start = start.to_ascii_lowercase();
    let tag = [b"<meta".as_slice(), b"<?xml"]
        .into_iter()
        .find_map(|tag| memchr::memmem::find(&start, tag))?;
    let rest = start.get(tag..)?;
    let (at, word) = [b"charset=".as_slice(), b"encoding="]
        .into_iter()
        .find_map(|word| Some((memchr::memmem::find(rest, word)?, word)))?;
    let label = rest.get(at + word.len()..)?;
    let label = label.trim_ascii_start();
    let label = label
        .strip_prefix(b"\"")
        .or(label.strip_prefix(b"'"))
        .unwrap_or(label);
    let end = label
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.')))
        .unwrap_or(label.len());
    let encoding = Encoding::for_label(label.get(..end)?)?;
    // A declaration in ASCII cannot be in UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else {
        encoding
    })
}

#[cfg(test)]
mod tests;
