//! Challenges for digest authentication.
//!
//! An input: the values of `www-authenticate`, one a line.

use canary::fuzzing::digest;

/// Bytes of an answer: three values of 4 KiB, each byte escaped, and the rest.
const MAX_ANSWER: usize = 3 * 2 * (4 << 10) + 1_024;

pub(crate) fn run(data: &[u8]) {
    let headers = data.split(|byte| *byte == b'\n').take(64);
    if let Some((answer, is_same)) = digest::answer(headers) {
        assert!(answer.len() <= MAX_ANSWER, "{} bytes", answer.len());
        assert!(is_same, "{}", String::from_utf8_lossy(&answer));
    }
}
