//! Compressed bodies in the formats that servers use.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// Gzip (RFC 1952) at the highest compression level.
#[must_use]
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Raw deflate (RFC 1951) without the zlib header, as many servers send it.
#[must_use]
pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Raw deflate (RFC 1951) with a block and a flush for each byte, as from a streaming server.
#[must_use]
pub fn in_small_blocks(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    for byte in text {
        encoder.write_all(&[*byte]).expect("memory takes everything");
        encoder.flush().expect("memory takes everything");
    }
    encoder.finish().expect("memory takes everything")
}
