//! Zstandard (RFC 8878): all frames of a body in sequence, each verified against its declared length and checksum.

use std::io::{self, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Encoding;
use super::block::{self, Block};
use super::decode_error::{DecodeError, Source};
use crate::memory::MemoryBudget;

/// Magic numbers of a frame (RFC 8878, section 3.1.1) and of a skippable one (section 3.1.2).
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPED: [u8; 3] = [0x2a, 0x4d, 0x18];
/// Maximum window of zstd on the web, in bytes (RFC 9659).
const MAX_WINDOW: u64 = 8 << 20;
/// Bytes that are decompressed at once: the decoder buffers them besides its window.
const PIECE: usize = 16 << 10;

/// All frames of a body.
pub(super) struct Frames<'b> {
    source: Source<'b>,
    decoder: FrameDecoder,
    memory: MemoryBudget,
    /// Bytes that the decoder has allocated for its history.
    history: usize,
    frame: Option<Frame>,
    has_begun: bool,
    /// Whether the data ended within a frame.
    is_cut: bool,
}

/// The frame that is being read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Window size in bytes.
    window: u64,
    /// Bytes of content, if declared.
    length: Option<u64>,
    /// Bytes of content that were read.
    read: u64,
}

impl<'b> Frames<'b> {
    pub(super) fn new(source: Source<'b>, memory: MemoryBudget) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            memory,
            history: 0,
            frame: None,
            has_begun: false,
            is_cut: false,
        }
    }

    /// Begins the next frame; returns whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        let foreign = if has_begun {
            DecodeError::Trailing(Encoding::Zstd)
        } else {
            DecodeError::Damaged(Encoding::Zstd)
        };
        let mut magic = [0; 4];
        let [first, rest @ ..] = &mut magic;
        match self.source.read(std::slice::from_mut(first))? {
            0 if has_begun => return Ok(false),
            0 => return Err(DecodeError::Cut(Encoding::Zstd).into()),
            _ => {}
        }
        if !matches!(first, 0x28 | 0x50..=0x5f) {
            return Err(foreign.into());
        }
        self.source.read_exact(rest)?;
        match magic {
            FRAME => self.open().map(|()| true),
            [0x50..=0x5f, rest @ ..] if rest == SKIPPED => self.skip().map(|()| true),
            _ => Err(foreign.into()),
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let header = Header::read(&mut self.source)?;
        if header.window > MAX_WINDOW {
            return Err(DecodeError::TooWide {
                window: header.window,
                most: MAX_WINDOW,
            }
            .into());
        }
        if header.needs_dictionary {
            return Err(DecodeError::Dictionary(Encoding::Zstd).into());
        }
        // A decoder that is used for a second frame allocates the whole window at once.
        (self.decoder, self.history) = (FrameDecoder::new(), 0);
        self.decoder
            .init(header.bytes.as_slice())
            .map_err(io::Error::other)?;
        self.frame = Some(Frame {
            window: header.window,
            length: header.length,
            read: 0,
        });
        Ok(())
    }

    fn skip(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.source.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        if skipped == length {
            Ok(())
        } else {
            Err(DecodeError::Cut(Encoding::Zstd).into())
        }
    }

    /// Reads from the current frame; 0 at its end.
    fn read_frame(&mut self, frame: &mut Frame, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.decoder.is_finished() && self.decoder.can_collect() < buffer.len() {
            let block = match Block::read(&mut self.source) {
                // Bytes that were already decoded are returned first.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.is_cut = true;
                    Block::last()
                }
                read => read?,
            };
            self.make_room(frame.window)?;
            let source = block.bytes().chain(&mut self.source);
            let one = BlockDecodingStrategy::UptoBlocks(1);
            self.decoder
                .decode_blocks(source, one)
                .map_err(io::Error::other)?;
        }
        let read = self.decoder.read(buffer)?;
        frame.read = frame.read.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }

    /// Reserves the memory that the decoder needs for one more block: its history grows to twice its size each time,
    /// and the old buffer exists until it was copied.
    fn make_room(&mut self, window: u64) -> Result<(), DecodeError> {
        let decoded = self.decoder.blocks_decoded().saturating_mul(block::MAX_BLOCK);
        let window_bytes = usize::try_from(window).unwrap_or(usize::MAX);
        let kept = window_bytes.saturating_add(PIECE).min(decoded);
        // A block that becomes too large is noticed only after the copy that makes it so, and two more blocks fit in
        // any case.
        let history = (kept + block::MAX_BLOCK + PIECE).next_power_of_two() + 2 * block::MAX_BLOCK;
        if history > self.history {
            if !self.memory.has(history) {
                return Err(DecodeError::window(Encoding::Zstd, window, self.memory));
            }
            self.history = history;
        }
        Ok(())
    }

    fn end(&self, frame: Frame) -> Result<(), DecodeError> {
        if self.is_cut {
            return Err(DecodeError::Cut(Encoding::Zstd));
        }
        let named = self.decoder.get_checksum_from_data();
        if named.is_some() && named != self.decoder.get_calculated_checksum() {
            return Err(DecodeError::Checksum(Encoding::Zstd));
        }
        if frame.length.is_none_or(|length| length == frame.read) {
            Ok(())
        } else {
            Err(DecodeError::Length(Encoding::Zstd))
        }
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = buffer.len().min(PIECE);
        let buffer = buffer.get_mut(..piece).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(mut frame) = self.frame.take() else {
                if self.begin()? {
                    continue;
                }
                return Ok(0);
            };
            match self.read_frame(&mut frame, buffer)? {
                0 => self.end(frame)?,
                read => {
                    self.frame = Some(frame);
                    return Ok(read);
                }
            }
        }
    }
}

/// The header of a frame (RFC 8878, section 3.1.1.1).
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// The header's bytes, magic number included.
    bytes: Vec<u8>,
    /// Bytes of history that the decoder needs.
    window: u64,
    /// Bytes of content, if declared.
    length: Option<u64>,
    needs_dictionary: bool,
}

impl Header {
    /// Reads what follows the magic number, and nothing more.
    fn read(source: &mut impl Read) -> io::Result<Self> {
        let [flags] = bytes(source)?;
        let is_single_segment = flags & 0x20 != 0;
        let descriptor = if is_single_segment {
            None
        } else {
            Some(bytes::<1>(source)?)
        };
        let dictionary = number(source, [0, 1, 2, 4], flags & 3)?;
        let widths = [usize::from(is_single_segment), 2, 4, 8];
        let length = number(source, widths, flags >> 6)?;
        let bytes = [
            &FRAME[..],
            &[flags],
            descriptor.as_slice().as_flattened(),
            &dictionary.bytes,
            &length.bytes,
        ];
        let length = (!length.bytes.is_empty()).then(|| match length.bytes.len() {
            // Smaller sizes have one byte.
            2 => length.value + 256,
            _ => length.value,
        });
        let window = descriptor.map_or(length.unwrap_or_default(), |[descriptor]| {
            let base = 1_u64 << (10 + (descriptor >> 3));
            base + base / 8 * u64::from(descriptor & 7)
        });
        Ok(Self {
            bytes: bytes.concat(),
            window,
            length,
            needs_dictionary: dictionary.value != 0,
        })
    }
}

struct Number {
    bytes: Vec<u8>,
    value: u64,
}

/// Reads a little-endian number of one of four widths.
fn number(source: &mut impl Read, widths: [usize; 4], width: u8) -> io::Result<Number> {
    let width = widths.get(usize::from(width)).copied().unwrap_or_default();
    let mut all = [0; 8];
    let bytes = all.get_mut(..width).unwrap_or_default();
    source.read_exact(bytes)?;
    Ok(Number {
        bytes: bytes.to_vec(),
        value: u64::from_le_bytes(all),
    })
}

fn bytes<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_and_the_length_are_read_from_a_header() {
        for (header, window, length) in [
            (b"\x00\x58".as_slice(), 2 << 20, None),
            (b"\x00\xff", 15 << 38, None),
            (b"\x20\x6e", 110, Some(110)),
            (b"\x61\x01\x00\x01", 512, Some(512)),
            (b"\x20\x00", 0, Some(0)),
            (b"\xe0\xff\xff\xff\xff\xff\xff\xff\xff", u64::MAX, Some(u64::MAX)),
            (b"\x40\x58\x00\x00", 2 << 20, Some(256)),
        ] {
            let mut rest = header;
            let read = Header::read(&mut rest).unwrap();
            assert_eq!((read.window, read.length), (window, length), "{header:x?}");
            assert_eq!(read.bytes, [FRAME.as_slice(), header].concat());
            assert!(rest.is_empty());
        }
        assert!(Header::read(&mut [0x61_u8, 1].as_slice()).is_err());
        assert!(
            Header::read(&mut [0x21_u8, 7, 5].as_slice())
                .unwrap()
                .needs_dictionary
        );
    }

    /// A frame with a window of 8 MiB in which one byte is repeated for so many blocks.
    fn repeating(blocks: u8) -> Vec<u8> {
        let mut frame = [FRAME.as_slice(), b"\x00\x68"].concat();
        for block in 1..=blocks {
            let header = u32::try_from(block::MAX_BLOCK << 3).unwrap() | 2 | u32::from(block == blocks);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(b'x');
        }
        frame
    }

    #[test]
    fn what_is_looked_back_to_grows_as_far_as_there_is_memory() {
        let length = |blocks, memory| {
            let frame = repeating(blocks);
            let (mut decoder, _) = Encoding::Zstd
                .decoder(Box::new(frame.as_slice()), memory)
                .unwrap();
            let mut text = Vec::new();
            let read = decoder.read_to_end(&mut text);
            read.map_err(|error| error.to_string())
        };
        let small = MemoryBudget::with_bytes(4 << 20);
        assert_eq!(length(10, small), Ok(10 * block::MAX_BLOCK));
        assert_eq!(
            length(80, small),
            Err(
                "the zstd data needs a window of 8.0 MiB, and a run has memory for 4.0 MiB (raise the quota `memory`)"
                    .to_owned()
            )
        );
        assert_eq!(
            length(80, MemoryBudget::with_bytes(17 << 20)),
            Ok(80 * block::MAX_BLOCK)
        );
    }
}
