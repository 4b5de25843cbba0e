//! A ClientHello (RFC 5246, section 7.4.1.2) that offers everything from TLS 1.0 to TLS 1.2 with which a server sends
//! its certificate in plain text.

use super::suites;

/// Signals support for secure renegotiation (RFC 5746), which some servers require.
const RENEGOTIATION: u16 = 0x00ff;
/// Curves, common ones first.
const GROUPS: [u16; 15] = [29, 23, 24, 25, 30, 22, 26, 27, 28, 21, 20, 19, 18, 17, 16];
/// ECDSA, EdDSA, RSA-PSS with both key types, RSA and DSA with every hash.
const SIGNATURES: [u16; 21] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501,
    0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0202, 0x0101,
];

/// The record to send. `name` is the server's, unless it is an address; `random` must be unpredictable.
pub(super) fn hello(name: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    let mut suites = Vec::new();
    for (suite, _) in suites::OFFERED {
        suites.extend(suite.to_be_bytes());
    }
    suites.extend(RENEGOTIATION.to_be_bytes());
    let body = [
        &[3, 3][..], // TLS 1.2
        &random,
        &[0], // no session to resume
        &long(&suites),
        &[1, 0], // no compression
        &long(&extensions(name)),
    ]
    .concat();
    let length = length(&body);
    let message = [&[1, 0][..], &length, &body].concat();
    // The oldest supported version: older servers check the version of the record.
    [&[22, 3, 1][..], &long(&message)].concat()
}

fn extensions(name: Option<&str>) -> Vec<u8> {
    let numbers = |numbers: &[u16]| {
        long(
            &numbers
                .iter()
                .flat_map(|number| number.to_be_bytes())
                .collect::<Vec<_>>(),
        )
    };
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let name = [&[0][..], &long(name.as_bytes())].concat();
        extensions.extend(extension(0, &long(&name)));
    }
    extensions.extend(extension(10, &numbers(&GROUPS)));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &numbers(&SIGNATURES)));
    extensions
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &long(content)].concat()
}

/// Prefixes bytes with their length.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes)[..], bytes].concat()
}

/// Nothing in a hello is longer: a name has at most 253 bytes.
fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::ServerConnection;

    use super::*;

    #[test]
    fn a_server_of_today_understands_it() {
        let authority = canary_tests::certificate::Authority::new("Root");
        let config = authority.leaf(&["web.test"]).issue().server_config();
        let config = Arc::new(config);
        let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
        server
            .read_tls(&mut hello(Some("web.test"), [7; 32]).as_slice())
            .unwrap();
        server.process_new_packets().unwrap();
        assert_eq!(server.server_name(), Some("web.test"));
        assert_eq!(server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
        let mut server = ServerConnection::new(config).unwrap();
        server.read_tls(&mut hello(None, [7; 32]).as_slice()).unwrap();
        server.process_new_packets().unwrap();
        assert_eq!(server.server_name(), None);
        assert!(
            hello(None, [7; 32]).len() < 512,
            "longer hellos break old servers"
        );
    }
}
