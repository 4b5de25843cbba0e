//! Streams of gzip, deflate and brotli, read to their very end: trailing data is not ignored.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::decode_error::{DecodeError, Source};
use super::{Encoding, Layer};

/// Bytes that a decoder reads at once.
const BUFFER: usize = 4096;
/// Magic number of a gzip member (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that may follow deflate without the zlib header: servers that omit the header get the checksum at the end
/// wrong as well. curl tolerates as many.
const UNKNOWN_TRAILER: u64 = 4;

/// All members of a gzip body in sequence.
pub(super) struct Members<'b> {
    /// `None` after an error.
    decoder: Option<GzDecoder<BufReader<Source<'b>>>>,
}

impl<'b> Members<'b> {
    pub(super) fn new(source: Source<'b>) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(BUFFER, source);
        if begins(&mut source)? {
            Ok(Self {
                decoder: Some(GzDecoder::new(source)),
            })
        } else {
            Err(DecodeError::Damaged(Encoding::Gzip).into())
        }
    }
}

/// Whether a member can begin here, as far as the buffered bytes show.
fn begins(source: &mut BufReader<Source<'_>>) -> io::Result<bool> {
    let mut start = source.fill_buf()?.iter().zip(GZIP);
    Ok(start.all(|(byte, magic)| *byte == magic))
}

/// Names an error of the library that says nothing about damage.
fn named(error: io::Error) -> io::Error {
    if error.to_string().contains("header field too long") {
        DecodeError::LongHeader.into()
    } else {
        error
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut decoder) = self.decoder.take() {
            let read = decoder.read(buffer).map_err(named)?;
            if read > 0 || buffer.is_empty() || decoder.get_mut().fill_buf()?.is_empty() {
                self.decoder = Some(decoder);
                return Ok(read);
            }
            let mut source = decoder.into_inner();
            if !begins(&mut source)? {
                return Err(DecodeError::Trailing(Encoding::Gzip).into());
            }
            self.decoder = Some(GzDecoder::new(source));
        }
        Ok(0)
    }
}

type Deflated<'b> = BufReader<Chain<Cursor<[u8; 2]>, Source<'b>>>;

/// Deflate with or without the zlib header.
pub(super) fn inflate(mut source: Source<'_>) -> io::Result<Layer<'_>> {
    let mut start = [0; 2];
    source.read_exact(&mut start)?;
    let has_header = start[0] & 0x0f == 8 && u16::from_be_bytes(start) % 31 == 0;
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(source));
    Ok(if has_header {
        Box::new(Single {
            decoder: ZlibDecoder::new(whole),
            rest: ZlibDecoder::get_mut,
            spare: 0,
        })
    } else {
        Box::new(Single {
            decoder: DeflateDecoder::new(whole),
            rest: DeflateDecoder::get_mut,
            spare: UNKNOWN_TRAILER,
        })
    })
}

/// One deflate stream, which so many bytes may follow.
struct Single<'b, D> {
    decoder: D,
    rest: fn(&mut D) -> &mut Deflated<'b>,
    spare: u64,
}

impl<D: Read> Read for Single<'_, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            let mut rest = (self.rest)(&mut self.decoder).take(self.spare.saturating_add(1));
            if io::copy(&mut rest, &mut io::sink())? > self.spare {
                return Err(DecodeError::Trailing(Encoding::Deflate).into());
            }
        }
        Ok(read)
    }
}

/// One brotli stream.
pub(super) struct Brotli<'b>(Decompressor<Layer<'b>>);

impl<'b> Brotli<'b> {
    pub(super) fn new(source: Layer<'b>) -> Self {
        Self(Decompressor::new(source, BUFFER))
    }
}

impl Read for Brotli<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            let trailing = DecodeError::Trailing(Encoding::Br);
            // When called once more at its end, the library checks the bytes that it has already read.
            self.0.read(buffer).map_err(|_| trailing)?;
            if self.0.get_mut().read(&mut [0])? > 0 {
                return Err(trailing.into());
            }
        }
        Ok(read)
    }
}
