//! Finds pseudo-header fields in a response over HTTP/2 that none may have, and that the HTTP library ignores: those of
//! requests, any in trailers, and the status 101 (RFC 9113, sections 8.1, 8.3 and 8.6).
//!
//! They begin a header block, and encoders name them by their index in the static table (RFC 7541, appendix A), so that
//! the start of a block shows them without decoding it.

use super::frame_error::FrameError;

/// Indices of the pseudo-header fields of requests in the static table.
const OF_REQUESTS: std::ops::RangeInclusive<u8> = 1..=7;
/// Indices of `:status`.
const STATUS: std::ops::RangeInclusive<u8> = 8..=14;
/// The status 101 as text and in the Huffman code (RFC 7541, appendix B).
const SWITCHING_PROTOCOLS: [&[u8]; 2] = [b"101", &[0x08, 0x03]];

/// Checks the start of a header block, which may be cut anywhere.
///
/// # Errors
/// It has a pseudo-header field that it must not have.
pub(super) fn check(start: &[u8], is_trailer: bool) -> Result<(), FrameError> {
    let mut rest = start;
    while let Some((index, value, next)) = next_field(rest) {
        let is_status = STATUS.contains(&index);
        if OF_REQUESTS.contains(&index) || is_status && is_trailer {
            return Err(FrameError::PseudoField);
        }
        if !is_status {
            break;
        }
        if SWITCHING_PROTOCOLS.contains(&value) {
            return Err(FrameError::SwitchingProtocols);
        }
        rest = next;
    }
    Ok(())
}

/// The index of the first field's name, its value if it is a literal, and what follows it (RFC 7541, section 6). `None`
/// if it is cut, or neither its index nor the length of its value fits into one byte.
fn next_field(block: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = after_size_updates(block)?.split_first()?;
    if first & 0x80 != 0 {
        return Some((first & 0x7f, b"".as_slice(), rest));
    }
    let mask = if first & 0x40 != 0 { 0x3f } else { 0x0f };
    let index = first & mask;
    let (length, rest) = rest.split_first()?;
    let length = Some(length & 0x7f).filter(|length| *length < 0x7f && index < mask)?;
    let (value, rest) = rest.split_at_checked(length.into())?;
    Some((index, value, rest))
}

/// The block after its changes of the table's size, which can only begin it.
fn after_size_updates(mut block: &[u8]) -> Option<&[u8]> {
    while let Some((first, rest)) = block.split_first()
        && first & 0xe0 == 0x20
    {
        let is_long = first & 0x1f == 0x1f;
        let end = rest.iter().position(|byte| byte & 0x80 == 0);
        block = if is_long { rest.get(end? + 1..)? } else { rest };
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: u8 = 0x88;

    #[test]
    fn a_field_that_no_response_may_have_is_found_in_each_of_its_forms() {
        use FrameError::{PseudoField, SwitchingProtocols};
        for (block, is_trailer, error) in [
            (&[OK, 0x84][..], false, PseudoField),
            (b"\x88\x44\x04/abc", false, PseudoField),
            (b"\x02\x03GET\x88", false, PseudoField),
            (&[OK], true, PseudoField),
            (b"\x48\x03404", true, PseudoField),
            (b"\x48\x03101", false, SwitchingProtocols),
            (b"\x08\x82\x08\x03", false, SwitchingProtocols),
            (b"\x1e\x03101", false, SwitchingProtocols),
            (b"\x20\x3f\xe1\x1f\x48\x03101", false, SwitchingProtocols),
        ] {
            assert_eq!(check(block, is_trailer), Err(error), "{block:x?}");
        }
    }

    #[test]
    fn every_other_response_is_left_to_the_library_however_it_is_cut() {
        for (block, is_trailer) in [
            (&[OK][..], false),
            (b"\x48\x03103\x4f\x0a\x01x", false),
            (b"\x48\x82\x08\x19\x88", false),
            // An entry of the dynamic table, a header of the static one, and a name that is spelled out.
            (b"\xbe\x84", false),
            (b"\x0f\x12\x00\x84", true),
            (b"\x40\x01x\x03101", true),
            (b"\x88\x5c\x01\x35\x84", false),
            (b"\x3f", true),
        ] {
            for end in 0..=block.len() {
                assert_eq!(check(&block[..end], is_trailer), Ok(()), "{block:x?} up to {end}");
            }
        }
    }
}
