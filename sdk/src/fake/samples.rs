//! Sample values: a test changes the fields it is about and takes the rest from a sample (`..fake::response(200)`).
//!
//! These records get more fields in later versions. They are not `#[non_exhaustive]`, which would forbid this way of
//! creating one: take the rest from a sample, and a new field breaks nothing.

use std::time::Duration;

use super::NOW;
use crate::tcp::Timings;
use crate::timestamp::Timestamp;
use crate::{dns, http, tls};

const DAY: i64 = 86_400;

/// An EC certificate for one name, valid from 30 days before [`NOW`] to 60 days after.
pub fn certificate(name: &str) -> tls::Certificate {
    tls::Certificate {
        der: vec![0x30],
        subject: format!("CN={name}"),
        issuer: "CN=Test CA,O=Test".into(),
        serial: "0a".into(),
        not_before: Timestamp::from_unix(NOW.unix() - 30 * DAY),
        not_after: Timestamp::from_unix(NOW.unix() + 60 * DAY),
        dns_names: vec![name.into()],
        ip_addresses: Vec::new(),
        is_ca: false,
        public_key: "EC P-256".into(),
        signature_algorithm: "ecdsa-with-SHA256".into(),
        fingerprint: "ab".repeat(32),
    }
}

/// A trusted TLS 1.3 session with this chain.
pub fn session(chain: impl IntoIterator<Item = tls::Certificate>) -> tls::Session {
    let chain: Vec<_> = chain.into_iter().collect();
    tls::Session {
        version: tls::Version::Tls13,
        cipher_suite: "TLS13_AES_256_GCM_SHA384".into(),
        alpn: None,
        verified_chain: Some(chain.clone()),
        chain,
        reasons: Vec::new(),
        ocsp_staple: None,
    }
}

/// An empty HTTP/1.1 response that took 10 ms. Its URL is that of the request unless a test sets one.
pub fn response(status: u16) -> http::Response {
    let timings = Timings {
        connect: Some(Duration::from_millis(1)),
        wait: Some(Duration::from_millis(9)),
        ..Timings::default()
    };
    http::Response {
        url: String::new(),
        status,
        version: http::Version::Http11,
        headers: Vec::new(),
        body: Vec::new(),
        truncated: false,
        complete: true,
        body_length: 0,
        peer: "192.0.2.1:80".into(),
        timings,
        tls: None,
        hops: Vec::new(),
        authentication_error: None,
    }
}

/// A reply of one record for each text of `data`.
pub fn reply<'d>(name: &str, kind: &str, data: impl IntoIterator<Item = &'d str>) -> dns::Reply {
    let answer = |data: &str| dns::Answer {
        name: name.into(),
        kind: kind.into(),
        ttl: 300,
        data: data.into(),
    };
    dns::Reply {
        code: "NOERROR".into(),
        authoritative: false,
        authenticated: false,
        answers: data.into_iter().map(answer).collect(),
        authorities: Vec::new(),
        duration: Duration::from_millis(1),
    }
}
