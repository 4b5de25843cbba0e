use std::io::Write;

use canary_sdk::fake;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

const TEXT: &[u8] = b"hello world\n";
/// [`TEXT`], compressed by the reference programs.
const BROTLI: &[u8] = b"\x8b\x05\x80hello world\n\x03";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x61\0\0hello world\n\x8c\x6d\x7d\x20";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn answer(encoding: &str, body: &[u8]) -> Response {
    Response {
        headers: vec![("Content-Encoding".into(), encoding.as_bytes().to_vec())],
        body: body.to_vec(),
        ..fake::response(200)
    }
}

fn decompressed(encoding: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let mut response = answer(encoding, body);
    decompress(&mut response, 1 << 20).map(|()| response.body)
}

#[test]
fn every_encoding_is_read() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(TEXT).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(TEXT).unwrap();
    for (encoding, body) in [
        ("gzip", gzip(TEXT)),
        ("x-gzip", gzip(TEXT)),
        ("GZIP", [gzip(b"hello "), gzip(b"world\n")].concat()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        ("br", BROTLI.to_vec()),
        ("zstd", ZSTD.to_vec()),
        ("identity", TEXT.to_vec()),
        ("gzip, gzip", gzip(&gzip(TEXT))),
    ] {
        assert_eq!(decompressed(encoding, &body).as_deref(), Ok(TEXT), "{encoding}");
    }
}

#[test]
fn what_is_broken_says_so() {
    let cut = gzip(&TEXT.repeat(100));
    let cut = &cut[..cut.len() - 9];
    for (encoding, body) in [
        ("gzip", cut),
        ("gzip", TEXT),
        ("br", b"\xff\xff\xff"),
        ("zstd", TEXT),
        ("deflate", b"\x78"),
        ("compress", TEXT),
        ("gzip, br, zstd, gzip", TEXT),
    ] {
        let error = decompressed(encoding, body).unwrap_err();
        assert!(error.starts_with("the body "), "{encoding}: {error}");
    }
}

#[test]
fn no_more_is_unpacked_than_is_kept() {
    let mut bomb = answer("gzip, gzip", &gzip(&gzip(&vec![0; 64 << 20])));
    decompress(&mut bomb, 1 << 20).unwrap();
    assert_eq!((bomb.body.len(), bomb.truncated), (1 << 20, true));
}
