//! The body of an answer as a text: decompressed where the check asked for that, and decoded by its charset.

mod charset;
mod encoding;

use std::borrow::Cow;

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8};

use crate::effort::{Effort, TooCostly};
use crate::memory::Memory;
use crate::text::quote;
use charset::Charset;
pub(crate) use encoding::{Encodings, Unreadable, decompress};

/// Units to find out the charset of a body, for each byte.
const PER_BYTE: usize = 2;
/// Units to decode one byte.
const PER_DECODED_BYTE: usize = 8;
/// Room for a text that is decoded a part of, in bytes: less is not tried.
const LEAST_DECODED: usize = 64 << 10;

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
    effort.take(response.body.len() * PER_BYTE)?;
    read(response, charset::of_text(response), memory, effort)
}

/// The body as JSON has to be read, whatever the answer says of it.
///
/// # Errors
/// It costs too much.
pub(crate) fn json<'r>(
    response: &'r Response,
    memory: Memory,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    effort.take(response.body.len() * PER_BYTE)?;
    read(response, charset::of_json(response), memory, effort)
}

fn read<'r>(
    response: &'r Response,
    charset: Charset,
    memory: Memory,
    effort: &Effort,
) -> Result<Text<'r>, TooCostly> {
    match charset {
        // What is no text keeps its bytes.
        Charset::Unknown => Ok(Text::raw(&response.body)),
        Charset::Known(encoding) => decode(encoding, &response.body, memory, effort),
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
