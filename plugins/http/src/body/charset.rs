//! The charset of a body.

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How a body becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// By a byte order mark, as the peer says, or by itself.
    Known(&'static Encoding),
    /// Nobody says, and it is no UTF-8.
    Unknown,
}

/// That of a text: by its mark, as the peer says, as a page says itself, or by its bytes. JSON is read as JSON.
pub(super) fn of_text(response: &Response) -> Charset {
    let (body, said) = (response.body.as_slice(), Said::of(response));
    if said.is_json() {
        return of_json(response);
    }
    let may_name_itself = said.is_markup() || said.nothing() && begins_with_tag(body);
    marked(body)
        .or_else(|| said.charset())
        .or_else(|| meta(body).filter(|_| may_name_itself))
        .or_else(|| is_utf8(body).then_some(UTF_8))
        .or_else(|| said.is_text().then_some(WINDOWS_1252))
        .map_or(Charset::Unknown, Charset::Known)
}

/// That of JSON, which is UTF-8 whatever its type says (RFC 8259, sections 8.1 and 11). Some send it in UTF-16, and what is
/// neither may be what they say.
pub(super) fn of_json(response: &Response) -> Charset {
    let (body, said) = (response.body.as_slice(), Said::of(response));
    marked(body)
        .or_else(|| by_zeros(body))
        .or_else(|| is_utf8(body).then_some(UTF_8))
        .or_else(|| said.charset())
        .or_else(|| said.is_text().then_some(WINDOWS_1252))
        .map_or(Charset::Unknown, Charset::Known)
}

/// What the `content-type` says.
struct Said {
    /// In lower case, such as `text/html`; empty where nothing is said.
    kind: String,
    parameters: String,
}

impl Said {
    fn of(response: &Response) -> Self {
        let content_type = response.header("content-type").unwrap_or_default();
        let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        Self {
            kind: kind.trim().to_ascii_lowercase(),
            parameters: parameters.to_owned(),
        }
    }

    fn nothing(&self) -> bool {
        self.kind.is_empty()
    }

    fn is_text(&self) -> bool {
        self.kind.starts_with("text/")
    }

    fn is_json(&self) -> bool {
        self.kind == "application/json" || self.kind.ends_with("+json")
    }

    /// Whether it is HTML or XML, which may name their charset themselves.
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

/// A body that was cut may end within a character.
fn is_utf8(body: &[u8]) -> bool {
    match str::from_utf8(body) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// That of JSON without a mark, whose first characters are ASCII.
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

/// Bytes at the beginning of a page in which browsers look for its charset.
const META: usize = 1024;

/// The charset that a page of HTML or a document of XML names itself.
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
    // What names itself in ASCII is no UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else {
        encoding
    })
}

#[cfg(test)]
mod tests;
