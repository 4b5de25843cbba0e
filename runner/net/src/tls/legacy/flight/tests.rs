use super::*;

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 3, 1], &length[..], content].concat()
}

fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 0], &length[..], content].concat()
}

fn hello(version: [u8; 2], suite: u16) -> Vec<u8> {
    let session = [4, 1, 2, 3, 4];
    let content = [&version[..], &[0; 32], &session, &suite.to_be_bytes(), &[0]].concat();
    message(SERVER_HELLO, &content)
}

fn certificate(chain: &[&[u8]]) -> Vec<u8> {
    let long = |bytes: &[u8]| {
        [
            &[0][..],
            &u16::try_from(bytes.len()).unwrap().to_be_bytes(),
            bytes,
        ]
        .concat()
    };
    let list: Vec<u8> = chain.iter().flat_map(|der| long(der)).collect();
    message(CERTIFICATE, &long(&list))
}

#[test]
fn version_suite_and_chain_are_read_in_pieces_of_any_size() {
    let messages = [hello([3, 1], 0x002f), certificate(&[b"leaf", b"above"])].concat();
    let in_one = record(HANDSHAKE, &messages);
    let in_many: Vec<u8> = messages
        .chunks(7)
        .flat_map(|part| record(HANDSHAKE, part))
        .collect();
    for wire in [in_one, in_many] {
        for size in [1, 2, 3, 1000] {
            let mut reading = FlightParser::default();
            let shown = wire.chunks(size).find_map(|piece| reading.feed(piece).unwrap());
            let shown = shown.unwrap();
            assert_eq!((shown.version, shown.suite, shown.sent), ([3, 1], 0x002f, 2));
            assert_eq!(shown.chain, [b"leaf".to_vec().into(), b"above".to_vec().into()]);
        }
    }
}

#[test]
fn what_shows_nothing_says_why() {
    let done = message(14, &[]);
    let cases: [(Vec<u8>, &str); 8] = [
        (
            record(ALERT, &[2, 40]),
            "the peer sent the alert `handshake_failure`: it accepts nothing that was offered, or requires a client certificate",
        ),
        (b"HTTP/1.1 400".to_vec(), "the peer does not speak TLS"),
        (record(23, b"x"), "the peer does not speak TLS"),
        (
            [22, 3, 3, 0xff, 0xff].to_vec(),
            "a record of the peer's is longer than TLS allows",
        ),
        (
            record(HANDSHAKE, &message(SERVER_HELLO, &[3, 3])),
            "a message of the peer's handshake cannot be read",
        ),
        (
            record(HANDSHAKE, &certificate(&[b"leaf"])),
            "a message of the peer's handshake cannot be read",
        ),
        (
            record(HANDSHAKE, &[hello([3, 3], 0x0034), done].concat()),
            "the peer shows no certificate",
        ),
        (
            record(HANDSHAKE, &[hello([3, 3], 0x0034), certificate(&[])].concat()),
            "the peer shows no certificate",
        ),
    ];
    for (wire, said) in cases {
        let refused = FlightParser::default().feed(&wire).unwrap_err();
        assert_eq!(refused.to_string(), said);
    }
}

#[test]
fn endless_messages_are_not_kept() {
    let mut reading = FlightParser::default();
    let head = [SERVER_HELLO, 0xff, 0xff, 0xff];
    let mut refused = reading.feed(&record(HANDSHAKE, &head)).err();
    for _ in 0..5 {
        refused = refused.or_else(|| reading.feed(&record(HANDSHAKE, &[0; 16_000])).err());
    }
    assert_eq!(refused, Some(FlightError::LongMessages));
}

#[test]
fn of_a_long_chain_the_first_certificates_are_kept() {
    let wire = record(
        HANDSHAKE,
        &[hello([3, 2], 0x002f), certificate(&[b"x".as_slice(); 40])].concat(),
    );
    let shown = FlightParser::default().feed(&wire).unwrap().unwrap();
    assert_eq!((shown.chain.len(), shown.sent), (MAX_CHAIN, 40));
}
