//! PostgreSQL: a request in place of the first message, and one letter as its answer.

use canary_sdk::tcp::Connection;

use super::error::{Error, explained};
use super::reader::Reader;

/// Length 8 and the number 80877103, in place of a protocol version.
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

const STEP: &str = "SSLRequest";

pub(super) fn upgrade(connection: &Connection) -> Result<(), Error> {
    connection.write(SSL_REQUEST)?;
    let mut reader = Reader::new(connection, STEP);
    match reader.exact(1)?.as_slice() {
        b"S" => Ok(()),
        b"N" => Err(reader.refused()),
        b"E" => {
            let error = reader.rest(|bytes| message(bytes).is_some_and(|message| message.is_complete));
            let words = message(&error).map(|message| message.text).unwrap_or_default();
            Err(Error::refused(STEP, explained("`E`".to_owned(), words)))
        }
        _ => Err(reader.unintelligible()),
    }
}

/// What an `ErrorResponse` says, without the letter E.
struct Message<'a> {
    text: &'a [u8],
    is_complete: bool,
}

/// Since protocol 3, the error has a length, of which the first byte is zero, and fields. A server that has not started
/// a process for the connection, or knows protocol 2 only, sends a text that ends with a zero.
fn message(bytes: &[u8]) -> Option<Message<'_>> {
    if bytes.first()? != &0 {
        let end = bytes.iter().position(|byte| *byte == 0);
        return Some(Message {
            text: bytes.get(..end.unwrap_or(bytes.len()))?,
            is_complete: end.is_some(),
        });
    }
    let (length, fields) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    Some(Message {
        text: fields
            .split(|byte| *byte == 0)
            .find_map(|field| field.strip_prefix(b"M"))
            .unwrap_or_default(),
        is_complete: bytes.len() >= length,
    })
}
