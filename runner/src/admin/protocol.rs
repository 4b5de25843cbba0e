//! What a client sends first.

use std::io::ErrorKind;
use std::net::TcpStream;

use http::Uri;
use memchr::memmem;

use super::route;
use super::tls::Tls;

/// Bytes of the first message that are looked at: the longest record of TLS, and no head of a request may be longer.
const LOOKED_AT: usize = RECORD_HEAD + (16 << 10);
/// Of a record of TLS: its type, its version, and the length of what follows.
const RECORD_HEAD: usize = 5;
/// The type of a record with a handshake message.
const HANDSHAKE: u8 = 22;
/// Of a handshake message: its type, and the length of what follows.
const MESSAGE_HEAD: usize = 4;
/// The type of a ClientHello.
const CLIENT_HELLO: u8 = 1;

/// What is spoken at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Tls,
}

/// How far the first message of a client is: the head of a request, or the record with the ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// There will be none: the client has closed its connection.
    Gone,
    /// It is not whole, or there is nothing of it.
    Partial,
    /// A whole ClientHello.
    Hello,
    /// The whole head of a request for what probes ask for.
    Probe,
    /// The whole head of any other request, or more than is looked at.
    Request,
}

impl Protocol {
    /// Plain HTTP unless the address shows a certificate.
    pub(super) fn of(tls: Option<&Tls>) -> Self {
        tls.map_or(Self::Http, |_| Self::Tls)
    }

    /// Looks at what a client has sent, and leaves it there. The stream does not block.
    pub(super) fn first(self, stream: &TcpStream) -> First {
        let mut message = [0; LOOKED_AT];
        match stream.peek(&mut message) {
            Ok(0) => First::Gone,
            Ok(length) => self.first_of(message.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => First::Partial,
            Err(_) => First::Gone,
        }
    }

    fn first_of(self, message: &[u8]) -> First {
        match self {
            Self::Http if memmem::find(message, b"\r\n\r\n").is_some() => match is_for_a_probe(message) {
                true => First::Probe,
                false => First::Request,
            },
            Self::Http if message.len() >= LOOKED_AT => First::Request,
            Self::Tls if is_whole_hello(message) => First::Hello,
            Self::Http | Self::Tls => First::Partial,
        }
    }
}

fn is_for_a_probe(head: &[u8]) -> bool {
    let target = head.split(|byte| *byte == b' ').nth(1);
    let uri = target.and_then(|target| Uri::try_from(target).ok());
    uri.is_some_and(|uri| route::is_probe(uri.path()))
}

/// Whether there is a ClientHello in one record. One that is cut into several is not recognised, and is read like any
/// message that is not whole.
fn is_whole_hello(message: &[u8]) -> bool {
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
    fn a_request_is_whole_with_the_empty_line() {
        let first = |message: &[u8]| Protocol::Http.first_of(message);
        assert_eq!(first(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), First::Request);
        assert_eq!(first(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r"), First::Partial);
        assert_eq!(first(b""), First::Partial);
        assert_eq!(first(&[b'x'; LOOKED_AT]), First::Request);
    }

    #[test]
    fn what_probes_ask_for_is_known_by_its_path() {
        let first = |target: &str| {
            let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
            Protocol::Http.first_of(request.as_bytes())
        };
        for target in ["/livez", "/readyz", "/livez?verbose", "http://a:9464/readyz"] {
            assert_eq!(first(target), First::Probe, "{target}");
        }
        for target in [
            "/",
            "/metrics?/livez",
            "/livez/",
            "/x /livez",
            "http://livez/",
            "",
        ] {
            assert_eq!(first(target), First::Request, "{target}");
        }
        let none = Protocol::Http.first_of(b"\r\n\r\n");
        assert_eq!(none, First::Request);
    }

    #[test]
    fn a_hello_is_whole_when_its_record_has_all_of_it() {
        let first = |message: &[u8]| Protocol::Tls.first_of(message);
        let whole = b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03";
        assert_eq!(first(whole), First::Hello);
        for length in 0..whole.len() {
            assert_eq!(first(&whole[..length]), First::Partial, "{length}");
        }
        let in_two_records = b"\x16\x03\x01\x00\x05\x01\x00\x00\x02\x03\x16\x03\x01\x00\x01\x03";
        assert_eq!(first(in_two_records), First::Partial);
        let endless = [
            [0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff].as_slice(),
            &[0; LOOKED_AT],
        ]
        .concat();
        assert_eq!(first(&endless[..LOOKED_AT]), First::Partial);
        assert_eq!(first(b"GET /livez HTTP/1.1\r\n\r\n"), First::Partial);
    }
}
