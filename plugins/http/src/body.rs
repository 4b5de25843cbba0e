//! The body of an answer as a text: decompressed where the check asked for that, and decoded by its charset.

mod encoding;

use std::borrow::Cow;

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::text::quote;
pub(crate) use encoding::{Encodings, decompress};

/// How a body becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// By a byte order mark, or as the peer says.
    Known(&'static Encoding),
    /// Nobody says, and it is no UTF-8.
    Unknown,
}

/// The body in UTF-8, without a byte order mark. Each byte that its charset does not have is replaced.
pub(crate) fn text(response: &Response) -> Cow<'_, [u8]> {
    let body = response.body.as_slice();
    match charset(response) {
        // What is no text keeps its bytes.
        Charset::Unknown => Cow::Borrowed(body),
        Charset::Known(encoding) => decode(encoding, body),
    }
}

/// The body as [`text`] has it, or by the zeros of UTF-16, which JSON always has in its first characters.
pub(crate) fn json(response: &Response) -> Cow<'_, [u8]> {
    let body = response.body.as_slice();
    match (charset(response), body) {
        (_, [0, high, ..]) if *high != 0 => decode(UTF_16BE, body),
        (_, [low, 0, ..]) if *low != 0 => decode(UTF_16LE, body),
        _ => text(response),
    }
}

/// How the body is compressed still, and what reads it; nothing where it is not.
pub(crate) fn compression_hint(response: &Response) -> Option<String> {
    let applied = encoding::applied(response);
    let word = applied.first()?;
    let shown = quote(word.as_bytes());
    Some(match encoding::is_known(word) {
        true => format!("compressed with {shown}, which `accept_encoding: {word}` reads"),
        false => format!("compressed with {shown}"),
    })
}

fn decode<'b>(encoding: &'static Encoding, body: &'b [u8]) -> Cow<'b, [u8]> {
    match encoding.decode_with_bom_removal(body).0 {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn charset(response: &Response) -> Charset {
    if let Some((encoding, _)) = Encoding::for_bom(&response.body) {
        return Charset::Known(encoding);
    }
    let declared = response.header("content-type");
    if let Some(encoding) = declared.as_deref().and_then(declared_charset) {
        return Charset::Known(encoding);
    }
    if let Some(encoding) = meta_charset(&response.body) {
        return Charset::Known(encoding);
    }
    match str::from_utf8(&response.body) {
        Ok(_) => Charset::Known(UTF_8),
        // A body that was cut may end within a character.
        Err(error) if error.error_len().is_none() => Charset::Known(UTF_8),
        Err(_) if declared.is_some_and(|kind| kind.trim_start().starts_with("text/")) => {
            Charset::Known(WINDOWS_1252)
        }
        Err(_) => Charset::Unknown,
    }
}

/// Whether a text is in the body, as it was decoded or as it came.
pub(crate) fn holds(response: &Response, decoded: &[u8], text: &str) -> bool {
    let finder = memchr::memmem::Finder::new(text);
    finder.find(decoded).is_some() || finder.find(&response.body).is_some()
}

/// The charset of a `content-type`.
fn declared_charset(content_type: &str) -> Option<&'static Encoding> {
    let parameters = content_type.split(';').skip(1);
    let mut named = parameters.filter_map(|parameter| parameter.split_once('='));
    let (_, label) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Encoding::for_label(label.trim().trim_matches(['"', '\'']).as_bytes())
}

/// Bytes at the beginning of a page in which browsers look for its charset.
const META: usize = 1024;

/// The charset that a page of HTML or a document of XML names itself.
fn meta_charset(body: &[u8]) -> Option<&'static Encoding> {
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
mod tests {
    use canary_sdk::fake;

    use super::*;

    fn shown(content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
        let headers = content_type.map(|kind| ("Content-Type".to_owned(), kind.as_bytes().to_vec()));
        let response = Response {
            headers: headers.into_iter().collect(),
            body: body.to_vec(),
            ..fake::response(200)
        };
        text(&response).into_owned()
    }

    #[test]
    fn a_text_is_decoded_by_its_mark_its_header_or_itself() {
        let word = "Größe".as_bytes();
        let latin: &[u8] = b"Gr\xf6\xdfe";
        let utf16: Vec<u8> = "Größe".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [b"\xff\xfe".as_slice(), &utf16].concat();
        for (content_type, body) in [
            (None, word),
            (None, "\u{feff}Größe".as_bytes()),
            (Some("text/html; charset=iso-8859-1"), latin),
            (Some("text/html;Charset=\"ISO-8859-15\""), latin),
            (Some("text/plain"), latin),
            (Some("text/plain; charset=utf-16le"), &utf16),
            (Some("text/plain; charset=utf-8"), &marked),
        ] {
            assert_eq!(shown(content_type, body), word, "{content_type:?}");
        }
        let page = b"<html><head><META charset='windows-1252'></head>Gr\xf6\xdfe";
        assert!(shown(Some("text/html"), page).ends_with(word));
    }

    #[test]
    fn what_is_no_text_keeps_its_bytes() {
        let image = b"\x89PNG\x0d\x0a\xff";
        assert_eq!(shown(Some("image/png"), image), image);
        assert_eq!(shown(None, image), image);
    }

    #[test]
    fn json_in_utf16_needs_no_mark() {
        let body: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let response = Response {
            body,
            ..fake::response(200)
        };
        assert_eq!(&*json(&response), b"{\"a\":1}");
    }
}
