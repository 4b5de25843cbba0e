//! The window of a brotli decoder, which the peer chooses and which takes memory before any output.

use std::io::{self, Cursor, Read};

use super::decode_error::{DecodeError, Source};
use super::{Encoding, Layer};
use crate::memory::MemoryBudget;

/// Bytes that the decoder takes besides its window.
const TABLES: usize = 7 << 19;

/// Returns the layer, and the memory that is left besides its window.
///
/// # Errors
/// There is no memory for the window.
pub(super) fn reserve(mut source: Source<'_>, memory: MemoryBudget) -> io::Result<(Layer<'_>, MemoryBudget)> {
    let mut first = [0];
    source.read_exact(&mut first)?;
    let window = window(first[0]).ok_or(DecodeError::Damaged(Encoding::Br))?;
    let bytes = usize::try_from(window)
        .unwrap_or(usize::MAX)
        .saturating_add(TABLES);
    if memory.has(bytes) {
        Ok((
            Box::new(Cursor::new(first).chain(source)),
            memory.reserving(bytes),
        ))
    } else {
        Err(DecodeError::window(Encoding::Br, window, memory).into())
    }
}

/// Window size in bytes, from the first byte of a stream (RFC 7932, section 9.1).
fn window(first: u8) -> Option<u64> {
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        // A window beyond the RFC's maximum, up to 1 GiB, which the library would allocate.
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
        let refused = Encoding::Br.decoder(Box::new(large), MemoryBudget::default());
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
