//! One block of Zstandard (RFC 8878, section 3.1.1.2), examined before it is decoded.
//!
//! The decoder allocates what a block announces, and compares that with the maximum only afterwards. A few bytes can
//! announce a megabyte.

use std::io::{self, Read};

use super::Encoding;
use super::decode_error::DecodeError;

/// Maximum bytes of a decoded block (RFC 8878, section 3.1.1.2.4).
pub(super) const MAX_BLOCK: usize = 128 << 10;
/// Minimum decoded bytes of one sequence: the shortest match (RFC 8878, section 3.1.1.3.2.1.1).
const SEQUENCE: usize = 3;
/// Block type "compressed", in two bits of the header.
const COMPRESSED: u32 = 2;

/// The header of a block, with its content if that is compressed.
#[derive(Debug)]
pub(super) struct Block(Vec<u8>);

impl Block {
    /// Reads as much as is needed to decide whether the block may be decoded.
    pub(super) fn read(source: &mut impl Read) -> io::Result<Self> {
        let mut header = [0; 4];
        let [first, second, third, _] = &mut header;
        for byte in [first, second, third] {
            source.read_exact(std::slice::from_mut(byte))?;
        }
        let fields = u32::from_le_bytes(header);
        let [bytes @ .., _] = header;
        let mut block = bytes.to_vec();
        let size = usize::try_from(fields >> 3).unwrap_or(usize::MAX);
        // The decoder itself limits the size of the other types.
        if (fields >> 1) & 3 == COMPRESSED && size <= MAX_BLOCK {
            let content = block.len();
            block.resize(content + size, 0);
            let content = block.get_mut(content..).unwrap_or_default();
            source.read_exact(content)?;
            if least(content).is_some_and(|least| least > MAX_BLOCK) {
                return Err(DecodeError::Damaged(Encoding::Zstd).into());
            }
        }
        Ok(Self(block))
    }

    /// An empty block that ends a frame, with zeros for its checksum.
    pub(super) fn last() -> Self {
        Self(vec![1, 0, 0, 0, 0, 0, 0])
    }

    /// The bytes that were read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Minimum decoded bytes of compressed content, by what it announces; `None` if it ends too early.
fn least(content: &[u8]) -> Option<usize> {
    let literals = Literals::of(content)?;
    let rest = content.get(literals.bytes..)?;
    let sequences = match *rest {
        [few @ ..=127, ..] => usize::from(few),
        [high @ ..=254, low, ..] => usize::from(high - 128) << 8 | usize::from(low),
        [255, low, high, ..] => 0x7f00 + usize::from(u16::from_le_bytes([low, high])),
        _ => return None,
    };
    Some(literals.become_bytes + sequences * SEQUENCE)
}

/// The literals section of a block (RFC 8878, section 3.1.1.3.1).
#[derive(Debug, PartialEq, Eq)]
struct Literals {
    /// Bytes of the section, its header included.
    bytes: usize,
    become_bytes: usize,
}

impl Literals {
    fn of(content: &[u8]) -> Option<Self> {
        let first = *content.first()?;
        let (kind, format) = (first & 3, first >> 2 & 3);
        // Bytes of the header, and bits of each size in it.
        let (header, bits) = match (kind, format) {
            (0 | 1, 0 | 2) => (1, 5),
            (0 | 1, 1) => (2, 12),
            (0 | 1, _) => (3, 20),
            (_, 0 | 1) => (3, 10),
            (_, 2) => (4, 14),
            _ => (5, 18),
        };
        let mut fields = [0; 8];
        fields.get_mut(..header)?.copy_from_slice(content.get(..header)?);
        // In the shortest form, one bit of the format belongs to the size.
        let sizes = u64::from_le_bytes(fields) >> if bits == 5 { 3 } else { 4 };
        let size = |number: u32| usize::try_from(sizes >> (number * bits) & ((1 << bits) - 1)).ok();
        let become_bytes = size(0)?;
        let compressed = match kind {
            0 => become_bytes,
            1 => 1,
            _ => size(1)?,
        };
        Some(Self {
            bytes: header + compressed,
            become_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(content: &[u8]) -> Option<(usize, usize)> {
        Literals::of(content).map(|literals| (literals.bytes, literals.become_bytes))
    }

    #[test]
    fn literals_have_headers_of_six_forms() {
        for (content, expected) in [
            (b"\xf8".as_slice(), (1 + 31, 31)),
            (b"\xf9", (1 + 1, 31)),
            (b"\xf4\xff", (2 + 4095, 4095)),
            (b"\xfd\xff\xff", (3 + 1, (1 << 20) - 1)),
            (b"\xf2\x7f\x00", (3 + 1, 1023)),
            (b"\x16\x80\x00", (3 + 2, 1)),
            (b"\xfa\xff\x07\x00", (4 + 1, (1 << 14) - 1)),
            (b"\xff\xff\xff\x00\x00", (5 + 3, (1 << 18) - 1)),
        ] {
            assert_eq!(literals(content), Some(expected), "{content:x?}");
            assert_eq!(literals(&content[..content.len() - 1]), None, "{content:x?}");
        }
    }

    #[test]
    fn a_block_that_announces_more_than_one_may_become_is_refused() {
        let read = |content: &[u8]| {
            let fields = u32::try_from(content.len()).unwrap() << 3 | COMPRESSED << 1 | 1;
            let block = [&fields.to_le_bytes()[..3], content].concat();
            Block::read(&mut block.as_slice()).is_ok()
        };
        // One byte repeated so many times, and no sequences.
        let repeated = |times: u32| {
            let fields = times << 4 | 0b1101;
            let mut content = fields.to_le_bytes()[..3].to_vec();
            content.extend(b"x\0");
            content
        };
        assert!(read(&repeated(128 << 10)));
        assert!(!read(&repeated((128 << 10) + 1)));
        // No literals, and this many sequences.
        let sequences = |count: u16| {
            let [low, high] = (count - 0x7f00).to_le_bytes();
            [0, 255, low, high, 0x54, 0, 0, 0]
        };
        assert!(read(&sequences(43_690)));
        assert!(!read(&sequences(43_691)));
    }
}
