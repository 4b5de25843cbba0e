//! Stapled OCSP answers.
//!
//! An input: an answer, the leaf and its issuer in DER, the first two with their length in two bytes before them.

use canary::fuzzing::tls::check_staple;

const TIMES: [i64; 3] = [0, 1_767_225_600, 253_402_300_799];

pub(crate) fn run(data: &[u8]) {
    let (answer, rest) = part(data);
    let (leaf, issuer) = part(rest);
    for now in TIMES {
        if let Some(said) = check_staple(answer, leaf, issuer, now) {
            assert!(!said.is_empty() && said.len() < 256, "{said}");
        }
    }
}

fn part(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return (&[], &[]);
    };
    rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
}
