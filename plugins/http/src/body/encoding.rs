//! Compressed answers (RFC 9110, section 8.4): asked for by name, and decompressed within a bound.

mod block;
mod damage;
mod frames;
mod streams;
mod window;

use std::io::{self, Read};

use canary_sdk::http::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OneOrMany;
use crate::effort::{Effort, TooCostly};
use crate::memory::{Memory, OutOfMemory};
use crate::text::quote;
use damage::{Damage, Decoder};

/// Most encodings on top of each other: more is no page, but an attempt to keep its reader busy.
const MOST_LAYERS: usize = 3;
/// Most bytes that a layer below another may have: what grows and shrinks again costs time and shows nothing.
const MOST_BETWEEN: u64 = 16 << 20;
/// Units of effort for one byte that goes into a decoder, or comes out.
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
    fn word(self) -> &'static str {
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

    /// A decoder, and what is left of the memory beside what it takes from the beginning.
    fn decoder<'b>(self, layer: Layer<'b>, memory: Memory) -> io::Result<(Layer<'b>, Memory)> {
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

/// Whether this is an encoding that can be read.
pub(super) fn is_known(word: &str) -> bool {
    Encoding::parse(word).is_ok()
}

type Layer<'b> = Box<dyn Read + 'b>;

impl Encodings {
    /// The value of `accept-encoding`.
    pub(crate) fn header(&self) -> String {
        let words: Vec<_> = self.as_slice().iter().map(|encoding| encoding.word()).collect();
        words.join(", ")
    }
}

/// The encodings of an answer, in the order in which they were applied.
pub(crate) fn applied(response: &Response) -> Vec<String> {
    let values = response.header_values("content-encoding");
    let words = values.flat_map(|value| {
        value
            .split(',')
            .map(|word| word.trim().to_owned())
            .collect::<Vec<_>>()
    });
    words
        .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("identity"))
        .collect()
}

/// Why a body cannot be decompressed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the compressed body is longer than {}, the most that is kept of it (see `max_size`)", crate::text::size((*.0).into()))]
    NotKept(u32),
    #[error("to decompress the body takes {0}")]
    OutOfMemory(#[from] OutOfMemory),
    #[error("to decompress the body {0}")]
    TooCostly(#[from] TooCostly),
    #[error("the body cannot be decompressed: {0}")]
    Window(String),
    #[error("the body is compressed {0} times")]
    TooDeep(usize),
    #[error("the body cannot be decompressed: {0}")]
    Damaged(String),
}

impl Unreadable {
    /// Whether it says nothing about the target, since the check itself lacks something.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(self, Self::TooDeep(_) | Self::Damaged(_))
    }

    fn of(error: &io::Error, effort: &Effort) -> Self {
        match Damage::find(error) {
            _ if effort.is_used_up() => Self::TooCostly(TooCostly),
            Some(damage @ Damage::Window { .. }) => Self::Window(damage.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// Replaces the body by what was compressed, up to `most` bytes of it.
///
/// # Errors
/// It cannot be decompressed.
pub(crate) fn decompress(
    response: &mut Response,
    most: u32,
    memory: Memory,
    effort: &Effort,
) -> Result<(), Unreadable> {
    let applied = applied(response);
    if applied.is_empty() || response.body.is_empty() {
        return Ok(());
    }
    if response.truncated {
        return Err(Unreadable::NotKept(most));
    }
    if applied.len() > MOST_LAYERS {
        return Err(Unreadable::TooDeep(applied.len()));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let memory = memory.without(response.body.capacity());
    let mut text = memory.list(most)?;
    let layer = layers(&response.body, &applied, memory.without(most), effort);
    let truncated = match layer.and_then(|layer| fill(layer, &mut text, most)) {
        Ok(truncated) => truncated,
        // What came within the time that there was is judged as far as it goes.
        Err(error) if !response.complete && matches!(Damage::find(&error), Some(Damage::Cut(_))) => false,
        Err(error) => return Err(Unreadable::of(&error, effort)),
    };
    // What was reserved and not needed is for what is made of it.
    text.shrink_to_fit();
    response.body_length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    response.body = text;
    response.truncated = truncated;
    Ok(())
}

/// Decoders on top of each other, for which there is memory.
fn layers<'b>(
    body: &'b [u8],
    applied: &[String],
    mut memory: Memory,
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

/// Adds what comes, up to `most` bytes, and says whether there is more. All of it is read where there is not, to its very end.
fn fill(mut layer: Layer<'_>, text: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    layer.by_ref().take(limit).read_to_end(text)?;
    Ok(layer.read(&mut [0])? > 0)
}

/// A layer whose bytes are paid for.
struct Metered<'b, L> {
    layer: L,
    effort: &'b Effort,
}

impl<L: Read> Read for Metered<'_, L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.layer.read(buffer)?;
        let paid = self.effort.take(count * PER_BYTE);
        // A few bytes may be a table to build, and no text.
        paid.and_then(|()| self.effort.look()).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
