//! Certificates that peers show.
//!
//! An input: certificates in DER behind one another, each with its length in two bytes. The last one is a root too.

use canary::fuzzing::tls::{read, validate};
use canary::net::tls::Certificate;

const NAMES: [&str; 3] = ["web.example.com", "192.0.2.1", "xn--bcher-kva.example"];
/// From the beginning of Unix time to the latest time that a certificate can contain.
const TIMES: [u64; 3] = [0, 1_767_225_600, 253_402_300_799];
/// Maximum bytes of text per byte of a certificate: a number of an object identifier, or an escape.
const GROWTH: usize = 8;

pub(crate) fn run(data: &[u8]) {
    let chain = chain(data);
    for der in &chain {
        if let Some(certificate) = read(der) {
            says_what_is_there(&certificate, der);
        }
    }
    let root = chain.last().copied().unwrap_or_default();
    for (name, now) in NAMES.into_iter().zip(TIMES) {
        if let Some(Err(reasons)) = validate(&chain, root, name, now) {
            assert!(
                !reasons.is_empty() && reasons.len() < 16 << 10,
                "{} bytes",
                reasons.len()
            );
        }
    }
}

fn chain(mut data: &[u8]) -> Vec<&[u8]> {
    let mut chain = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (der, behind) = rest.split_at(length);
        chain.push(der);
        data = behind;
    }
    chain
}

fn says_what_is_there(certificate: &Certificate, der: &[u8]) {
    let Certificate {
        subject,
        issuer,
        serial,
        dns_names,
        ip_addresses,
        public_key,
        signature_algorithm,
        fingerprint,
        ..
    } = certificate;
    assert_eq!((certificate.der.as_slice(), fingerprint.len()), (der, 64));
    let lists = dns_names.iter().chain(ip_addresses);
    let texts = [subject, issuer, serial, public_key, signature_algorithm]
        .into_iter()
        .chain(lists);
    let length: usize = texts.map(String::len).sum();
    assert!(
        length <= 256 + GROWTH * der.len(),
        "{length} bytes of {}",
        der.len()
    );
}
