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
    let read = decompress(
        &mut response,
        1 << 20,
        MemoryBudget::default(),
        &Effort::default(),
    );
    read.map(|()| response.body).map_err(|reason| reason.to_string())
}

#[test]
fn every_encoding_is_read() {
    for (encoding, body) in [
        ("gzip", gzip(TEXT)),
        ("x-gzip", gzip(TEXT)),
        ("GZIP", [gzip(b"hello "), gzip(b"world\n")].concat()),
        ("deflate", zlib(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", BROTLI.to_vec()),
        ("zstd", ZSTD.to_vec()),
        ("identity", TEXT.to_vec()),
        ("none", TEXT.to_vec()),
        ("None, gzip, identity", gzip(TEXT)),
        ("gzip, gzip", gzip(&gzip(TEXT))),
    ] {
        assert_eq!(decompressed(encoding, &body).as_deref(), Ok(TEXT), "{encoding}");
    }
}

/// A zstd frame without a checksum whose header declares the length of [`TEXT`].
const ZSTD_WITH_LENGTH: &[u8] = b"\x28\xb5\x2f\xfd\x20\x0c\x61\0\0hello world\n";
/// The start of such a frame with a window of 2 MiB.
const ZSTD_HEAD: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58";
/// A skippable frame.
const ZSTD_SKIPPED: &[u8] = b"\x50\x2a\x4d\x18\x03\0\0\0abc";

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// [`TEXT`] in every encoding and form.
fn whole() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", BROTLI.to_vec()),
        ("zstd", ZSTD.to_vec()),
        ("zstd", ZSTD_WITH_LENGTH.to_vec()),
        ("gzip, zstd", zstd_stored(&gzip(TEXT))),
    ]
}

/// A zstd frame with its content uncompressed.
fn zstd_stored(content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let block = u16::from(length) << 3 | 1;
    let header = [&ZSTD_WITH_LENGTH[..5], &[length], &block.to_le_bytes(), &[0]];
    [&header.concat(), content].concat()
}

#[test]
fn every_part_of_a_body_is_read() {
    let twice = TEXT.repeat(2);
    for parts in [
        [ZSTD, ZSTD].as_slice(),
        &[ZSTD_WITH_LENGTH, ZSTD],
        &[ZSTD_SKIPPED, ZSTD, ZSTD_SKIPPED, ZSTD_WITH_LENGTH, ZSTD_SKIPPED],
    ] {
        assert_eq!(decompressed("zstd", &parts.concat()).as_deref(), Ok(&*twice));
    }
    assert_eq!(decompressed("zstd", ZSTD_SKIPPED).as_deref(), Ok(&b""[..]));
    let members = [gzip(TEXT), gzip(b""), gzip(TEXT)].concat();
    assert_eq!(decompressed("gzip", &members).as_deref(), Ok(&*twice));
    // More parts than fit a decoder's buffer, or a stack.
    let many = ZSTD.repeat(5_000);
    assert_eq!(decompressed("zstd", &many).as_deref(), Ok(&*TEXT.repeat(5_000)));
    let many = gzip(TEXT).repeat(5_000);
    assert_eq!(decompressed("gzip", &many).as_deref(), Ok(&*TEXT.repeat(5_000)));
}

#[test]
fn a_body_that_is_cut_anywhere_fails() {
    for (encoding, body) in whole() {
        for end in 1..body.len() {
            let error = decompressed(encoding, &body[..end]).unwrap_err();
            assert!(
                error.ends_with("data ends too early"),
                "{encoding} to {end}: {error}"
            );
        }
    }
    for parts in [[ZSTD, ZSTD], [ZSTD, ZSTD_SKIPPED]] {
        let body = parts.concat();
        for end in ZSTD.len() + 1..body.len() {
            let error = decompressed("zstd", &body[..end]).unwrap_err();
            assert_eq!(
                error,
                "the body cannot be decompressed: the zstd data ends too early"
            );
        }
    }
}

#[test]
fn what_follows_a_body_fails() {
    for (encoding, body) in whole() {
        for more in [b"xxxxx".as_slice(), &[b'x'; 10_000], b"\0\0\0\0\0\0"] {
            let error = decompressed(encoding, &[&body, more].concat()).unwrap_err();
            let inner = encoding.rsplit(", ").next().unwrap();
            assert_eq!(
                error,
                format!("the body cannot be decompressed: extra data follows the end of the {inner} data")
            );
        }
    }
    for (encoding, body) in whole().into_iter().filter(|(encoding, _)| *encoding != "deflate") {
        let error = decompressed(encoding, &[body, b"x".to_vec()].concat()).unwrap_err();
        assert!(
            error.contains("extra data follows the end"),
            "{encoding}: {error}"
        );
    }
    // A checksum of another kind, as some servers send it.
    let trailed = [raw_deflate(TEXT), vec![1, 2, 3, 4]].concat();
    assert_eq!(decompressed("deflate", &trailed).as_deref(), Ok(TEXT));
}

#[test]
fn a_checksum_or_a_length_that_is_wrong_fails() {
    let wrong = |body: &[u8], place: usize| {
        let mut body = body.to_vec();
        let place = body.len() - place;
        body[place] ^= 1;
        body
    };
    for (encoding, body, said) in [
        (
            "gzip",
            wrong(&gzip(TEXT), 1),
            "it is not gzip data, or is damaged",
        ),
        (
            "gzip",
            wrong(&gzip(TEXT), 5),
            "it is not gzip data, or is damaged",
        ),
        (
            "deflate",
            wrong(&zlib(TEXT), 1),
            "it is not deflate data, or is damaged",
        ),
        ("zstd", wrong(ZSTD, 1), "the zstd data has the wrong checksum"),
        ("zstd", wrong(ZSTD, 8), "the zstd data has the wrong checksum"),
        (
            "zstd",
            [ZSTD, &wrong(ZSTD, 1)].concat(),
            "the zstd data has the wrong checksum",
        ),
        (
            "zstd",
            wrong(ZSTD_WITH_LENGTH, ZSTD_WITH_LENGTH.len() - 5),
            "the zstd data has the wrong length",
        ),
    ] {
        let error = decompressed(encoding, &body).unwrap_err();
        assert_eq!(error, format!("the body cannot be decompressed: {said}"));
    }
}

#[test]
fn what_is_broken_says_so_in_plain_words() {
    for (encoding, body, said) in [
        ("gzip", TEXT, "it is not gzip data, or is damaged"),
        ("br", b"\xff\xff\xff", "it is not br data, or is damaged"),
        ("zstd", TEXT, "it is not zstd data, or is damaged"),
        ("gzip", b"garbage", "it is not gzip data, or is damaged"),
        ("zstd", b"xx", "it is not zstd data, or is damaged"),
        ("gzip", b"\x1f", "the gzip data ends too early"),
        (
            "gzip",
            &[
                b"\x1f\x8b\x08\x08\0\0\0\0\0\xff".as_slice(),
                &[b'n'; 70_000],
                b"\0",
            ]
            .concat(),
            "the gzip data has a file name or a comment of more than 64 KiB",
        ),
        ("zstd", b"\x28\xb5", "the zstd data ends too early"),
        ("deflate", TEXT, "it is not deflate data, or is damaged"),
        (
            "zstd",
            b"\x28\xb5\x2f\xfd\x21\x07\x0c\x61\0\0hello world\n",
            "the zstd data needs a dictionary, which web servers and clients do not share",
        ),
        (
            "zstd",
            b"\x28\xb5\x2f\xfd\x00\xff",
            "the zstd data needs a window of 3840.0 GiB, more than the limit of 8.0 MiB on the web",
        ),
        ("gzip, br", BROTLI, "it is not gzip data, or is damaged"),
        ("compress", TEXT, "`content-encoding` is `compress`"),
    ] {
        let error = decompressed(encoding, body).unwrap_err();
        assert_eq!(
            error,
            format!("the body cannot be decompressed: {said}"),
            "{encoding}"
        );
    }
    assert_eq!(
        decompressed("gzip, br, zstd, gzip", TEXT).unwrap_err(),
        "the body is compressed 4 times"
    );
}

#[test]
fn no_damage_brings_words_of_a_library() {
    for (encoding, body) in whole() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut body = body.clone();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..body.len());
                body[place] = random.u8(..);
            }
            let Err(error) = decompressed(encoding, &body) else {
                continue;
            };
            let known = ["data", "checksum", "window", "dictionary"];
            assert!(known.iter().any(|word| error.contains(word)), "{error}");
            assert!(!error.contains(['{', '_', '"']), "{error}");
        }
    }
}

#[test]
fn no_more_is_unpacked_than_is_kept() {
    let mut bomb = answer("gzip, gzip", &gzip(&gzip(&vec![0; 64 << 20])));
    decompress(&mut bomb, 1 << 20, MemoryBudget::default(), &Effort::default()).unwrap();
    assert_eq!((bomb.body.len(), bomb.truncated), (1 << 20, true));
}

#[test]
fn what_takes_more_than_a_run_has_says_which_quota_to_raise() {
    let body = gzip(&vec![0; 1 << 20]);
    let refused = |memory, effort| {
        let reason = decompress(&mut answer("gzip", &body), 1 << 20, memory, &effort).unwrap_err();
        assert!(reason.is_own());
        reason.to_string()
    };
    assert_eq!(
        refused(MemoryBudget::for_quota(4 << 20), Effort::default()),
        "decompressing the body takes more memory than a run has (raise the quota `memory`)"
    );
    assert_eq!(
        refused(MemoryBudget::default(), Effort::with_units(100_000)),
        "decompressing the body takes more CPU time than a run has (raise the quota `cpu`)"
    );
}

#[test]
fn what_came_of_a_stream_within_its_time_is_read() {
    let text = b"event: ready\n\nevent: done\n\n";
    let gzipped = gzip(text);
    let zstd = [ZSTD_HEAD, b"\x70\0\0event: ready\n\n"].concat();
    for (encoding, body) in [
        ("gzip", &gzipped[..gzipped.len() - 12]),
        ("zstd", &zstd),
        ("zstd", &[&zstd[..], b"\x70\0"].concat()),
        (
            "gzip, zstd",
            &[ZSTD_HEAD, b"\x68\0\0", &gzip(b"")[..10], b"\0\0\0"].concat(),
        ),
    ] {
        let mut cut = answer(encoding, body);
        let read = |cut: &mut Response| decompress(cut, 1 << 20, MemoryBudget::default(), &Effort::default());
        assert!(
            matches!(read(&mut cut.clone()), Err(DecompressError::Damaged(_))),
            "{encoding}"
        );
        cut.complete = false;
        read(&mut cut).unwrap();
        let shown = cut.body.escape_ascii();
        assert!(
            cut.body.is_empty() || cut.body.starts_with(&text[..14]),
            "{encoding}: {shown}"
        );
        assert_eq!(cut.body.is_empty(), encoding.contains(','), "{encoding}: {shown}");
    }
}

#[test]
fn what_was_decompressed_takes_no_more_memory_than_it_has_bytes() {
    let mut response = answer("gzip", &gzip(TEXT));
    decompress(
        &mut response,
        8 << 20,
        MemoryBudget::default(),
        &Effort::default(),
    )
    .unwrap();
    assert!(response.body.capacity() < 2 * TEXT.len());
}
