//! Replies of old servers to a ClientHello.
//!
//! An input: the size of the pieces in which the rest comes.

use canary::fuzzing::tls::examine;

/// Maximum number and total bytes of stored certificates.
const CERTIFICATES: usize = 32;
const BYTES: usize = 64 << 10;

pub(crate) fn run(data: &[u8]) {
    let Some((size, sent)) = data.split_first() else {
        return;
    };
    let whole = examine(sent, sent.len());
    assert_eq!(whole, examine(sent, usize::from(*size)), "by the size of pieces");
    if let Some((certificates, bytes)) = whole {
        assert!((1..=CERTIFICATES).contains(&certificates) && bytes <= BYTES);
    }
}
