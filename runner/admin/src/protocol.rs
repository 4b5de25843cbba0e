//! Classifies the first message of a client without consuming it.

use std::io::ErrorKind;
use std::net::TcpStream;

use http::Uri;
use memchr::memmem;

use super::routes;
use super::tls::Tls;

/// Maximum number of bytes to peek at: the longest TLS record; no request head may be longer either.
const MAX_PEEK_BYTES: usize = RECORD_HEAD + (16 << 10);
/// Bytes of a TLS record header: type, version, and length of the payload.
const RECORD_HEAD: usize = 5;
/// The type of a record with a handshake message.
const HANDSHAKE: u8 = 22;
/// Bytes of a handshake message header: type, and length of the body.
const MESSAGE_HEAD: usize = 4;
/// The type of a ClientHello.
const CLIENT_HELLO: u8 = 1;

/// The protocol of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Tls,
}

/// The first message of a client: the head of a request, or the record with the ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessage {
    /// There is none: the client has closed its connection.
    Closed,
    /// It is incomplete or empty.
    Partial,
    /// A complete ClientHello.
    ClientHello,
    /// The complete head of a health probe.
    Probe,
    /// The complete head of any other request, or more than [`MAX_PEEK_BYTES`].
    Request,
}

impl Protocol {
    /// Plain HTTP unless there is a certificate.
    pub(super) fn new(tls: Option<&Tls>) -> Self {
        tls.map_or(Self::Http, |_| Self::Tls)
    }

    /// Peeks at what a client has sent. The stream must be non-blocking.
    pub(super) fn peek_first_message(self, stream: &TcpStream) -> FirstMessage {
        let mut message = [0; MAX_PEEK_BYTES];
        match stream.peek(&mut message) {
            Ok(0) => FirstMessage::Closed,
            Ok(length) => self.classify(message.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => FirstMessage::Partial,
            Err(_) => FirstMessage::Closed,
        }
    }

    fn classify(self, message: &[u8]) -> FirstMessage {
        match self {
            Self::Http if memmem::find(message, b"\r\n\r\n").is_some() => {
                if is_probe_request(message) {
                    FirstMessage::Probe
                } else {
                    FirstMessage::Request
                }
            }
            Self::Http if message.len() >= MAX_PEEK_BYTES => FirstMessage::Request,
            Self::Tls if is_complete_client_hello(message) => FirstMessage::ClientHello,
            Self::Http | Self::Tls => FirstMessage::Partial,
        }
    }
}

fn is_probe_request(head: &[u8]) -> bool {
    let target = head.split(|byte| *byte == b' ').nth(1);
    let uri = target.and_then(|target| Uri::try_from(target).ok());
    uri.is_some_and(|uri| routes::is_probe(uri.path()))
}

/// Whether there is a complete ClientHello in a single record. One that spans several records is not recognised, and
/// treated as incomplete.
fn is_complete_client_hello(message: &[u8]) -> bool {
    let [HANDSHAKE, _, _, high, low, hello @ ..] = message else {
        return false;
    };
    let [CLIENT_HELLO, highest, middle, lowest, ..] = hello else {
        return false;
    };
    let record = usize::from(u16::from_be_bytes([*high, *low]));
    let length = u32::from_be_bytes([0, *highest, *middle, *lowest]);
    let whole = usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(MESSAGE_HEAD));
    record >= whole && hello.len() >= whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_with_the_empty_line() {
        let first = |message: &[u8]| Protocol::Http.classify(message);
        assert_eq!(first(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), FirstMessage::Request);
        assert_eq!(
            first(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r"),
            FirstMessage::Partial
        );
        assert_eq!(first(b""), FirstMessage::Partial);
        assert_eq!(first(&[b'x'; MAX_PEEK_BYTES]), FirstMessage::Request);
    }

    #[test]
    fn probes_are_recognised_by_their_path() {
        let first = |target: &str| {
            let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
            Protocol::Http.classify(request.as_bytes())
        };
        for target in ["/livez", "/readyz", "/livez?verbose", "http://a:9464/readyz"] {
            assert_eq!(first(target), FirstMessage::Probe, "{target}");
        }
        for target in [
            "/",
            "/metrics?/livez",
            "/livez/",
            "/x /livez",
            "http://livez/",
            "",
        ] {
            assert_eq!(first(target), FirstMessage::Request, "{target}");
        }
        let none = Protocol::Http.classify(b"\r\n\r\n");
        assert_eq!(none, FirstMessage::Request);
    }

    #[test]
    fn a_client_hello_is_complete_when_its_record_contains_all_of_it() {
        let first = |message: &[u8]| Protocol::Tls.classify(message);
        let whole = b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03";
        assert_eq!(first(whole), FirstMessage::ClientHello);
        for length in 0..whole.len() {
            assert_eq!(first(&whole[..length]), FirstMessage::Partial, "{length}");
        }
        let in_two_records = b"\x16\x03\x01\x00\x05\x01\x00\x00\x02\x03\x16\x03\x01\x00\x01\x03";
        assert_eq!(first(in_two_records), FirstMessage::Partial);
        let endless = [
            [0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff].as_slice(),
            &[0; MAX_PEEK_BYTES],
        ]
        .concat();
        assert_eq!(first(&endless[..MAX_PEEK_BYTES]), FirstMessage::Partial);
        assert_eq!(first(b"GET /livez HTTP/1.1\r\n\r\n"), FirstMessage::Partial);
    }
}
