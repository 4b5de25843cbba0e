//! What a client sends first.

use std::net::TcpStream;

use super::tls::Tls;

/// Bytes of the first message that are looked at. A longer one counts as whole.
const LOOKED_AT: usize = 4 << 10;
/// Of a record of TLS: its type, its version, and the length of what follows.
const RECORD_HEAD: usize = 5;
/// The type of a record with a handshake message.
const HANDSHAKE: u8 = 22;

/// What is spoken at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Tls,
}

impl Protocol {
    /// Plain HTTP unless the address shows a certificate.
    pub(super) fn of(tls: Option<&Tls>) -> Self {
        tls.map_or(Self::Http, |_| Self::Tls)
    }

    /// Whether the first message of a client is there as a whole: the head of a request, or the record with the
    /// ClientHello. The stream does not block.
    pub(super) fn has_begun(self, stream: &TcpStream) -> bool {
        let mut message = [0; LOOKED_AT];
        let length = stream.peek(&mut message).unwrap_or_default();
        self.is_whole(message.get(..length).unwrap_or_default())
    }

    fn is_whole(self, message: &[u8]) -> bool {
        match self {
            Self::Http => message.len() >= LOOKED_AT || message.windows(4).any(|end| end == b"\r\n\r\n"),
            Self::Tls => match message {
                [HANDSHAKE, _, _, high, low, ..] => {
                    let length = RECORD_HEAD + usize::from(u16::from_be_bytes([*high, *low]));
                    message.len() >= length.min(LOOKED_AT)
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_with_the_empty_line() {
        let is_whole = |message: &[u8]| Protocol::Http.is_whole(message);
        assert!(is_whole(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(!is_whole(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r") && !is_whole(b""));
        assert!(is_whole(&[b'x'; LOOKED_AT]));
    }

    #[test]
    fn a_hello_is_whole_with_its_record() {
        let is_whole = |message: &[u8]| Protocol::Tls.is_whole(message);
        assert!(is_whole(b"\x16\x03\x01\x00\x02\x01\x00"));
        assert!(!is_whole(b"\x16\x03\x01\x00\x02\x01") && !is_whole(b"\x16\x03") && !is_whole(b""));
        assert!(!is_whole(b"GET /livez HTTP/1.1\r\n\r\n"));
        let mut long = [HANDSHAKE; LOOKED_AT];
        long[3] = 0xff;
        assert!(is_whole(&long) && !is_whole(&long[1..]));
    }
}
