//! Bodies as servers compress them.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// RFC 1952, as small as it gets.
#[must_use]
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// RFC 1951, without the header of zlib, as many servers send it.
#[must_use]
pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// RFC 1951, with a block for each byte and an empty one behind it, as by a server that sends what it has.
#[must_use]
pub fn in_small_blocks(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    for byte in text {
        encoder.write_all(&[*byte]).expect("memory takes everything");
        encoder.flush().expect("memory takes everything");
    }
    encoder.finish().expect("memory takes everything")
}
