//! How far back a decoder of brotli has to look, which the peer decides and which takes memory before anything comes out.

use std::io::{self, Cursor, Read};

use super::damage::{Damage, Source};
use super::{Encoding, Layer};
use crate::memory::Memory;

/// What the decoder takes besides its window, in bytes.
const TABLES: usize = 7 << 19;

/// The layer, and what is left of the memory beside its window.
///
/// # Errors
/// There is no memory for it.
pub(super) fn reserve(mut source: Source<'_>, memory: Memory) -> io::Result<(Layer<'_>, Memory)> {
    let mut first = [0];
    source.read_exact(&mut first)?;
    let window = window(first[0]).ok_or(Damage::Damaged(Encoding::Br))?;
    let bytes = usize::try_from(window)
        .unwrap_or(usize::MAX)
        .saturating_add(TABLES);
    match memory.has(bytes) {
        true => Ok((Box::new(Cursor::new(first).chain(source)), memory.sparing(bytes))),
        false => Err(Damage::window(Encoding::Br, window, memory).into()),
    }
}

/// Bytes of the window that a stream begins with (RFC 7932, section 9.1).
fn window(first: u8) -> Option<u64> {
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        // A window beyond what the RFC has, up to 1 GiB, which the library would make.
        (_, 0, 1) => return None,
        (_, 0, n) => 8 + n,
        (_, n, _) => 17 + n,
    };
    1_u64.checked_shl(bits.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_beyond_what_the_rfc_has_is_refused() {
        let large = b"\x11\x5e\0\0\0\0".as_slice();
        let refused = Encoding::Br.decoder(Box::new(large), Memory::default());
        let refused = refused.map(drop).map_err(|error| error.to_string());
        assert_eq!(refused, Err("it is not br data, or is damaged".to_owned()));
    }

    #[test]
    fn a_window_is_read_from_the_first_byte() {
        for (first, bits) in [
            (0b0, 16),
            (0b1, 17),
            (0b0011, 18),
            (0b1111, 24),
            (0b010_0001, 10),
            (0b111_0001, 15),
        ] {
            assert_eq!(window(first), Some(1 << bits), "{first:b}");
        }
        assert_eq!(window(0b001_0001), None);
    }
}
