//! Compressed answers (RFC 9110, section 8.4): asked for by name, and decompressed within a bound.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use canary_sdk::http::Response;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OneOrMany;
use crate::text::quote;

/// Most encodings on top of each other: more is no page, but an attempt to keep its reader busy.
const MOST_LAYERS: usize = 3;
/// Bytes that a decoder reads at once.
const BUFFER: usize = 4096;

/// One way to compress an answer.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
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

    fn decoder<'b>(self, layer: Layer<'b>) -> io::Result<Layer<'b>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(layer)),
            Self::Br => Box::new(Decompressor::new(layer, BUFFER)),
            Self::Zstd => Box::new(StreamingDecoder::new(layer).map_err(io::Error::other)?),
            Self::Deflate => inflate(layer)?,
        })
    }
}

/// Whether this is an encoding that can be read.
pub(super) fn is_known(word: &str) -> bool {
    Encoding::parse(word).is_ok()
}

type Layer<'b> = Box<dyn Read + 'b>;

/// With the header of zlib, or without it.
fn inflate(mut layer: Layer<'_>) -> io::Result<Layer<'_>> {
    let mut start = [0; 2];
    layer.read_exact(&mut start)?;
    let has_header = start[0] & 0x0f == 8 && u16::from_be_bytes(start) % 31 == 0;
    let whole = io::Cursor::new(start).chain(layer);
    Ok(match has_header {
        true => Box::new(ZlibDecoder::new(whole)),
        false => Box::new(DeflateDecoder::new(whole)),
    })
}

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

/// Replaces the body by what was compressed, up to `most` bytes of it.
///
/// # Errors
/// It cannot be decompressed. The text is for a person.
pub(crate) fn decompress(response: &mut Response, most: u32) -> Result<(), String> {
    let applied = applied(response);
    if applied.is_empty() || response.body.is_empty() {
        return Ok(());
    }
    if response.truncated {
        return Err(format!(
            "the compressed body is longer than {}, the most that is kept of it",
            crate::text::size(most.into())
        ));
    }
    if applied.len() > MOST_LAYERS {
        return Err(format!("the body is compressed {} times", applied.len()));
    }
    let (body, truncated) = read(&response.body, &applied, most)
        .map_err(|reason| format!("the body cannot be decompressed: {reason}"))?;
    response.body_length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    response.body = body;
    response.truncated = truncated;
    Ok(())
}

/// The first `most` bytes, and whether there are more.
fn read(body: &[u8], applied: &[String], most: u32) -> Result<(Vec<u8>, bool), String> {
    let mut layer: Layer<'_> = Box::new(body);
    for word in applied.iter().rev() {
        let encoding = Encoding::parse(word)?;
        layer = encoding
            .decoder(layer)
            .map_err(|error| format!("{}: {error}", encoding.word()))?;
    }
    let mut text = Vec::new();
    let mut limited = layer.take(u64::from(most) + 1);
    limited
        .read_to_end(&mut text)
        .map_err(|error| format!("{}: {error}", applied.join(", ")))?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let is_cut = text.len() > most;
    text.truncate(most);
    Ok((text, is_cut))
}

#[cfg(test)]
mod tests;
