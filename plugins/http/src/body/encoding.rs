//! Compressed responses (RFC 9110, section 8.4): requested by name, and decompressed within limits.

mod block;
mod decode_error;
mod frames;
mod streams;
mod window;

use std::io::{self, Read};

use canary_sdk::http::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::effort::{Effort, TooCostly};
use crate::memory::{MemoryBudget, OutOfMemory};
use crate::one_or_many::OneOrMany;
use crate::text::quote;
use decode_error::{DecodeError, Decoder};

/// Maximum number of stacked encodings: more occur only in attacks.
const MAX_LAYERS: usize = 3;
/// Maximum bytes of an intermediate layer: what expands and shrinks again costs time and shows nothing.
const MAX_BETWEEN: u64 = 16 << 20;
/// Effort units per byte that goes into a decoder or comes out.
const PER_BYTE: usize = 7;

/// One way to compress an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// RFC 1952.
    Gzip,
    /// Brotli, RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
    /// RFC 1950, or RFC 1951 as some servers send it.
    Deflate,
}

/// The encodings that a check asks for.
pub(crate) type Encodings = OneOrMany<Encoding>;

impl Encoding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }

    fn parse(word: &str) -> Result<Self, String> {
        match word.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "br" => Ok(Self::Br),
            "zstd" => Ok(Self::Zstd),
            "deflate" => Ok(Self::Deflate),
            _ => Err(format!("`content-encoding` is {}", quote(word.as_bytes()))),
        }
    }

    /// Creates the decoder, and returns the memory that is left besides its fixed buffers.
    fn decoder<'b>(self, layer: Layer<'b>, memory: MemoryBudget) -> io::Result<(Layer<'b>, MemoryBudget)> {
        let mut left = memory;
        let decoder = Decoder::new(self, layer, |source| {
            Ok(match self {
                Self::Gzip => Box::new(streams::Members::new(source)?),
                Self::Br => {
                    let (source, beside) = window::reserve(source, memory)?;
                    left = beside;
                    Box::new(streams::Brotli::new(source))
                }
                Self::Zstd => Box::new(frames::Frames::new(source, memory)),
                Self::Deflate => streams::inflate(source)?,
            })
        });
        Ok((Box::new(decoder?), left))
    }
}

/// Whether this encoding can be decompressed.
pub(super) fn is_known(word: &str) -> bool {
    Encoding::parse(word).is_ok()
}

type Layer<'b> = Box<dyn Read + 'b>;

impl Encodings {
    /// The value of `accept-encoding`.
    pub(crate) fn header(&self) -> String {
        let words: Vec<_> = self.as_slice().iter().map(|encoding| encoding.as_str()).collect();
        words.join(", ")
    }
}

/// The encodings of a response, in the order in which they were applied.
pub(crate) fn applied(response: &Response) -> Vec<String> {
    let values = response.header_values("content-encoding");
    let words = values.flat_map(|value| {
        value
            .split(',')
            .map(|word| word.trim().to_owned())
            .collect::<Vec<_>>()
    });
    words.filter(|word| !is_nothing(word)).collect()
}

/// Whether it means no encoding at all: some servers say `none`, which curl takes for `identity` as well.
fn is_nothing(word: &str) -> bool {
    ["", "identity", "none"]
        .iter()
        .any(|nothing| word.eq_ignore_ascii_case(nothing))
}

/// Why a body cannot be decompressed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecompressError {
    #[error("the compressed body is longer than the limit of {} (see `max_size`)", crate::text::size((*.0).into()))]
    NotKept(u32),
    #[error("decompressing the body takes {0}")]
    OutOfMemory(#[from] OutOfMemory),
    #[error("decompressing the body {0}")]
    TooCostly(#[from] TooCostly),
    #[error("the body cannot be decompressed: {0}")]
    Window(String),
    #[error("the body is compressed {0} times")]
    TooDeep(usize),
    #[error("the body cannot be decompressed: {0}")]
    Damaged(String),
}

impl DecompressError {
    /// Whether the check itself lacks a resource, which says nothing about the target.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(self, Self::TooDeep(_) | Self::Damaged(_))
    }

    fn of(error: &io::Error, effort: &Effort) -> Self {
        match DecodeError::find(error) {
            _ if effort.is_used_up() => Self::TooCostly(TooCostly),
            Some(decode_error @ DecodeError::Window { .. }) => Self::Window(decode_error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// Replaces the body by its decompressed content, up to `most` bytes.
///
/// # Errors
/// It cannot be decompressed.
pub(crate) fn decompress(
    response: &mut Response,
    most: u32,
    memory: MemoryBudget,
    effort: &Effort,
) -> Result<(), DecompressError> {
    let applied = applied(response);
    if applied.is_empty() || response.body.is_empty() {
        return Ok(());
    }
    if response.truncated {
        return Err(DecompressError::NotKept(most));
    }
    if applied.len() > MAX_LAYERS {
        return Err(DecompressError::TooDeep(applied.len()));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let memory = memory.without(response.body.capacity());
    let mut text = memory.list(most)?;
    let layer = layers(&response.body, &applied, memory.without(most), effort);
    let truncated = match layer.and_then(|layer| fill(layer, &mut text, most)) {
        Ok(truncated) => truncated,
        // What was received within the time limit is evaluated as far as it goes.
        Err(error)
            if !response.complete && matches!(DecodeError::find(&error), Some(DecodeError::Cut(_))) =>
        {
            false
        }
        Err(error) => return Err(DecompressError::of(&error, effort)),
    };
    // Unused capacity is returned for what is built from the body.
    text.shrink_to_fit();
    response.body_length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    response.body = text;
    response.truncated = truncated;
    Ok(())
}

/// Stacks the decoders, if there is memory for them.
fn layers<'b>(
    body: &'b [u8],
    applied: &[String],
    mut memory: MemoryBudget,
    effort: &'b Effort,
) -> io::Result<Layer<'b>> {
    let mut layer: Layer<'b> = Box::new(Metered { layer: body, effort });
    for word in applied.iter().rev() {
        let decoder;
        let encoding = Encoding::parse(word).map_err(io::Error::other)?;
        (decoder, memory) = encoding.decoder(layer, memory)?;
        layer = Box::new(Metered {
            layer: decoder,
            effort,
        });
    }
    Ok(layer)
}

/// Appends up to `most` bytes, and returns whether there is more. If there is not, the layer was read to its very
/// end.
fn fill(mut layer: Layer<'_>, text: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    layer.by_ref().take(limit).read_to_end(text)?;
    Ok(layer.read(&mut [0])? > 0)
}

/// A layer whose bytes are charged to the effort.
struct Metered<'b, L> {
    layer: L,
    effort: &'b Effort,
}

impl<L: Read> Read for Metered<'_, L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.layer.read(buffer)?;
        let paid = self.effort.charge(count * PER_BYTE);
        // A few input bytes may build a table and produce no output.
        paid.and_then(|()| self.effort.check_time())
            .map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
