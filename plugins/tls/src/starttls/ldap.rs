//! LDAP: an extended request in BER, and its response.

use canary_sdk::tcp::Connection;

use super::error::{Error, explained};
use super::reader::Reader;

/// `ExtendedRequest` 1.3.6.1.4.1.1466.20037 as message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const REQUEST_ID: i64 = 1;
/// The message ID of a notification that nobody requested (RFC 4511, 4.4).
const UNSOLICITED_ID: i64 = 0;
const NOTICE_OF_DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

const EXTENDED_RESPONSE: u8 = 0x78;
const RESPONSE_NAME: u8 = 0x8a;
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;
const OCTET_STRING: u8 = 0x04;

const STEP: &str = "StartTLS";

pub(super) fn upgrade(connection: &Connection) -> Result<(), Error> {
    connection.write(START_TLS)?;
    let mut reader = Reader::new(connection, STEP);
    loop {
        let message = read_message(&mut reader)?;
        let Some(response) = Response::parse(&message) else {
            return Err(reader.refused());
        };
        match response.id {
            REQUEST_ID if response.code == 0 => return Ok(()),
            REQUEST_ID => return Err(response.refusal("")),
            UNSOLICITED_ID if response.name == NOTICE_OF_DISCONNECTION => {
                return Err(response.refusal("a notice of disconnection with "));
            }
            UNSOLICITED_ID => {}
            id => {
                let answer = format!("message ID {id} in place of {REQUEST_ID}");
                return Err(Error::refused(STEP, answer));
            }
        }
    }
}

/// Reads the content of one message. Its length may have leading zeros, and is never indefinite (RFC 4511, 5.1).
fn read_message(reader: &mut Reader<'_>) -> Result<Vec<u8>, Error> {
    if reader.exact(1)? != [SEQUENCE] {
        return Err(reader.unintelligible());
    }
    let length = match reader.exact(1)?.as_slice() {
        [short @ ..=0x7f] => usize::from(*short),
        [long @ 0x81..=0x88] => big_endian(&reader.exact(usize::from(long & 0x7f))?),
        _ => return Err(reader.unintelligible()),
    };
    reader.exact(length)
}

/// An extended response.
struct Response<'a> {
    id: i64,
    code: i64,
    diagnostic_message: &'a [u8],
    /// Empty if absent.
    name: &'a [u8],
}

impl<'a> Response<'a> {
    /// Parses the content of a message.
    fn parse(message: &'a [u8]) -> Option<Self> {
        let (id, rest) = content(message, INTEGER)?;
        let (response, _) = content(rest, EXTENDED_RESPONSE)?;
        let (code, rest) = content(response, ENUMERATED)?;
        // The texts are required, but the code is the answer where a server leaves them out.
        let (_matched_dn, rest) = content(rest, OCTET_STRING).unwrap_or((&[], rest));
        let (diagnostic_message, mut rest) = content(rest, OCTET_STRING).unwrap_or((&[], rest));
        let mut name: &[u8] = &[];
        // A referral may come before the name.
        while let Some((tag, value, after)) = element(rest) {
            if tag == RESPONSE_NAME {
                name = value;
            }
            rest = after;
        }
        Some(Self {
            id: integer(id)?,
            code: integer(code)?,
            diagnostic_message,
            name,
        })
    }

    fn refusal(&self, kind: &str) -> Error {
        let result = format!("{kind}result code {}", self.code);
        Error::refused(STEP, explained(result, self.diagnostic_message))
    }
}

/// The content of the first BER element, if it has this tag, and the rest.
fn content(bytes: &[u8], expected: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == expected).then_some((content, rest))
}

/// Splits off the first BER element: its tag, its content, and the rest.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (big_endian(digits), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The number, or the largest one if it has too many digits.
fn big_endian(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number: usize, digit| {
        number
            .checked_mul(256)
            .map_or(usize::MAX, |number| number | usize::from(*digit))
    })
}

/// A signed integer of up to eight bytes.
fn integer(content: &[u8]) -> Option<i64> {
    let sign = if content.first()? & 0x80 == 0 { 0 } else { -1 };
    let number = content
        .iter()
        .fold(sign, |number, byte| number << 8 | i64::from(*byte));
    (content.len() <= 8).then_some(number)
}
