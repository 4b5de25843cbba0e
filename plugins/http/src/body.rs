//! The body of a response as text: decompressed if the check asked for an encoding, and decoded by its charset.

mod charset;
mod encoding;

use std::borrow::Cow;

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8};

use crate::effort::{Effort, TooCostly};
use crate::memory::MemoryBudget;
use crate::text::quote;
use charset::Charset;
pub(crate) use encoding::{DecompressError, Encodings, decompress};

/// Effort units per byte to detect the charset of a body.
const PER_BYTE: usize = 2;
/// Effort units to decode one byte.
const PER_DECODED_BYTE: usize = 8;
/// Minimum buffer, in bytes, for a text that is decoded in part: with less it is not tried.
const MIN_DECODED: usize = 64 << 10;

/// A body as text.
pub(crate) struct Text<'b> {
    /// UTF-8 without a byte order mark. Bytes that are invalid in the charset are replaced.
    pub(crate) bytes: Cow<'b, [u8]>,
    /// Bytes of the body that were decoded; if the body has more, there was no memory for the rest.
    pub(crate) read: usize,
}

impl<'b> Text<'b> {
    /// The body as received.
    pub(crate) fn raw(body: &'b [u8]) -> Self {
        Self {
            bytes: Cow::Borrowed(body),
            read: body.len(),
        }
    }

    /// Memory that the text takes in addition to the body, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match &self.bytes {
            Cow::Borrowed(_) => 0,
            Cow::Owned(bytes) => bytes.capacity(),
        }
    }
}

/// Decodes the body, as far as there is memory for it.
///
/// # Errors
/// It costs too much effort.
pub(crate) fn text<'r>(
    response: &'r Response,
    memory: MemoryBudget,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    effort.charge(response.body.len() * PER_BYTE)?;
    read(response, charset::of_text(response), memory, effort)
}

/// Decodes the body as JSON, whatever its `content-type` says.
///
/// # Errors
/// It costs too much effort.
pub(crate) fn json<'r>(
    response: &'r Response,
    memory: MemoryBudget,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    effort.charge(response.body.len() * PER_BYTE)?;
    read(response, charset::of_json(response), memory, effort)
}

fn read<'r>(
    response: &'r Response,
    charset: Charset,
    memory: MemoryBudget,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    match charset {
        // A body that is not text keeps its bytes.
        Charset::Unknown => Ok(Text::raw(&response.body)),
        Charset::Known(encoding) => decode(encoding, &response.body, memory, effort),
    }
}

/// How the body is still compressed and which setting decompresses it; `None` if it is not compressed.
pub(crate) fn compression_hint(response: &Response) -> Option<String> {
    let applied = encoding::applied(response);
    let word = applied.first()?;
    let shown = quote(word.as_bytes());
    Some(if encoding::is_known(word) {
        format!("compressed with {shown}, which `accept_encoding: {word}` decompresses")
    } else {
        format!("compressed with {shown}")
    })
}

fn decode<'b>(
    encoding: &'static Encoding,
    body: &'b [u8],
    memory: MemoryBudget,
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
    effort.charge(bare.len() * PER_DECODED_BYTE)?;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let longest = decoder.max_utf8_buffer_length(bare.len()).unwrap_or(usize::MAX);
    let mut text = room(longest, memory);
    let (_, read, written, _) = decoder.decode_to_utf8(bare, &mut text, true);
    text.truncate(written);
    // A byte can become up to three bytes, but rarely does.
    text.shrink_to_fit();
    Ok(Text {
        bytes: Cow::Owned(text),
        read: mark + read,
    })
}

/// A zeroed buffer of `longest` bytes, or of as many as there is memory for.
fn room(longest: usize, memory: MemoryBudget) -> Vec<u8> {
    let mut bytes = longest.min(memory.left());
    loop {
        match memory.list(bytes) {
            Ok(mut room) => {
                room.resize(bytes, 0);
                return room;
            }
            Err(_) if bytes > MIN_DECODED => bytes /= 2,
            Err(_) => return Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use canary_sdk::fake;

    use super::*;

    #[test]
    fn a_text_that_grows_beyond_a_runs_memory_is_cut() {
        let response = Response {
            headers: vec![("Content-Type".to_owned(), b"text/html; charset=utf-8".to_vec())],
            body: vec![0x80; 8 << 20],
            ..fake::response(200)
        };
        let memory = MemoryBudget::for_quota(16 << 20);
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
        let decoded = text(&response, MemoryBudget::default(), &Effort::with_units(9 << 20));
        assert_eq!(decoded.map(drop), Err(TooCostly));
    }
}
