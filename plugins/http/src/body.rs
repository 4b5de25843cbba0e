//! The body of an answer as a text: decompressed where the check asked for that, and decoded by its charset.

mod encoding;

use std::borrow::Cow;

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::effort::{Effort, TooCostly};
use crate::memory::Memory;
use crate::text::quote;
pub(crate) use encoding::{Encodings, Unreadable, decompress};

/// Units to find out the charset of a body, for each byte.
const PER_BYTE: usize = 2;
/// Units to decode one byte.
const PER_DECODED_BYTE: usize = 8;
/// Room for a text that is decoded a part of, in bytes: less is not tried.
const LEAST_DECODED: usize = 64 << 10;

/// How a body becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// By a byte order mark, or as the peer says.
    Known(&'static Encoding),
    /// Nobody says, and it is no UTF-8.
    Unknown,
}

/// A body as text.
pub(crate) struct Text<'b> {
    /// In UTF-8, without a byte order mark. Each byte that its charset does not have is replaced.
    pub(crate) bytes: Cow<'b, [u8]>,
    /// Bytes of the body that it was made of; where there are more, there was no memory for the text.
    pub(crate) read: usize,
}

impl<'b> Text<'b> {
    /// As it came.
    pub(crate) fn raw(body: &'b [u8]) -> Self {
        Self {
            bytes: Cow::Borrowed(body),
            read: body.len(),
        }
    }

    /// Memory that it takes besides the body, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match &self.bytes {
            Cow::Borrowed(_) => 0,
            Cow::Owned(bytes) => bytes.capacity(),
        }
    }
}

/// The body decoded, as far as there is memory for it.
///
/// # Errors
/// It costs too much.
pub(crate) fn text<'r>(
    response: &'r Response,
    memory: Memory,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    let body = response.body.as_slice();
    effort.take(body.len() * PER_BYTE)?;
    match charset(response) {
        // What is no text keeps its bytes.
        Charset::Unknown => Ok(Text::raw(body)),
        Charset::Known(encoding) => decode(encoding, body, memory, effort),
    }
}

/// The body as [`text`] has it, or by the zeros of UTF-16, which JSON always has in its first characters.
///
/// # Errors
/// It costs too much.
pub(crate) fn json<'r>(
    response: &'r Response,
    memory: Memory,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    let body = response.body.as_slice();
    match charset_of_json(body) {
        Some(encoding) => decode(encoding, body, memory, effort),
        None => text(response, memory, effort),
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

fn decode<'b>(
    encoding: &'static Encoding,
    body: &'b [u8],
    memory: Memory,
    effort: &Effort,
) -> Result<Text<'b>, TooCostly> {
    let (bare, mark) = match Encoding::for_bom(body) {
        Some((marked, mark)) if marked == encoding => (body.get(mark..).unwrap_or_default(), mark),
        _ => (body, 0),
    };
    let is_utf8 = encoding == UTF_8 && str::from_utf8(bare).is_ok();
    if is_utf8 || encoding.is_ascii_compatible() && Encoding::ascii_valid_up_to(bare) == bare.len() {
        return Ok(Text {
            read: body.len(),
            ..Text::raw(bare)
        });
    }
    effort.take(bare.len() * PER_DECODED_BYTE)?;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let longest = decoder.max_utf8_buffer_length(bare.len()).unwrap_or(usize::MAX);
    let mut text = room(longest, memory);
    let (_, read, written, _) = decoder.decode_to_utf8(bare, &mut text, true);
    text.truncate(written);
    // A byte becomes up to three, and few do.
    text.shrink_to_fit();
    Ok(Text {
        bytes: Cow::Owned(text),
        read: mark + read,
    })
}

/// Zeros to write into: so many, or as many as there is memory for.
fn room(longest: usize, memory: Memory) -> Vec<u8> {
    let mut bytes = longest.min(memory.left());
    loop {
        match memory.list(bytes) {
            Ok(mut room) => {
                room.resize(bytes, 0);
                return room;
            }
            Err(_) if bytes > LEAST_DECODED => bytes /= 2,
            Err(_) => return Vec::new(),
        }
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

/// That of JSON without a mark, whose first characters are ASCII.
fn charset_of_json(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [0, high, ..] if *high != 0 => Some(UTF_16BE),
        [low, 0, ..] if *low != 0 => Some(UTF_16LE),
        _ => None,
    }
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
        text(&response, Memory::default(), &Effort::default())
            .unwrap()
            .bytes
            .into_owned()
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
        let text = json(&response, Memory::default(), &Effort::default()).unwrap();
        assert_eq!(&*text.bytes, b"{\"a\":1}");
    }

    #[test]
    fn a_text_that_grows_beyond_a_runs_memory_is_cut() {
        let response = Response {
            headers: vec![("Content-Type".to_owned(), b"text/html; charset=utf-8".to_vec())],
            body: vec![0x80; 8 << 20],
            ..fake::response(200)
        };
        let memory = Memory::within(16 << 20);
        let text = text(&response, memory, &Effort::default()).unwrap();
        assert!(text.bytes.len() <= memory.left(), "{}", text.bytes.len());
        assert!((3 << 20..5 << 20).contains(&text.read), "{}", text.read);
    }

    #[test]
    fn a_text_that_costs_too_much_is_not_decoded() {
        let response = Response {
            headers: vec![("Content-Type".to_owned(), b"text/html".to_vec())],
            body: vec![0x80; 1 << 20],
            ..fake::response(200)
        };
        let decoded = text(&response, Memory::default(), &Effort::of(9 << 20));
        assert_eq!(decoded.map(drop), Err(TooCostly));
    }
}
