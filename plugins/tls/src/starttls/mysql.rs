//! MySQL: the server's greeting has a capability for TLS, and the client answers with the same.

use canary_sdk::tcp::Connection;

use super::error::{Error, explained};
use super::reader::Reader;

const PROTOCOL_10: u8 = 10;
const ERROR: u8 = 0xff;
/// `CLIENT_SSL` in the second byte of the capabilities.
const CLIENT_SSL: u8 = 0x08;
/// Packet 1 of 32 bytes: `CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH`, packets
/// of up to 16 MiB, UTF-8, and 23 zeros.
const SSL_REQUEST: [u8; 36] = {
    let mut packet = [0; 36];
    let head = [32, 0, 0, 1, 0x00, 0x8a, 0x08, 0x00, 0x00, 0x00, 0x00, 0x01, 45];
    packet.split_at_mut(head.len()).0.copy_from_slice(&head);
    packet
};

const STEP: &str = "the connection";

pub(super) fn upgrade(connection: &Connection) -> Result<(), Error> {
    let mut reader = Reader::new(connection, STEP);
    let header = reader.exact(4)?;
    // The number of the first packet; letters are those of another protocol.
    let [low, middle, high, 0 | 1] = header.as_slice() else {
        return Err(reader.unintelligible());
    };
    let length = u32::from_le_bytes([*low, *middle, *high, 0]);
    let packet = reader.exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    match packet.split_first() {
        Some((&PROTOCOL_10, greeting)) => match capabilities(greeting) {
            Some((_, [_, high])) if high & CLIENT_SSL != 0 => Ok(connection.write(&SSL_REQUEST)?),
            Some((version, _)) => Err(reader.not_offered(version, "CLIENT_SSL")),
            None => Err(reader.refused()),
        },
        Some((&ERROR, error)) => Err(refusal(error).unwrap_or_else(|| reader.refused())),
        _ => Err(reader.refused()),
    }
}

/// The version and the lower half of the capabilities of a greeting: version up to a zero, thread of 4 bytes, 8 bytes of
/// salt, a zero; then the capabilities.
fn capabilities(greeting: &[u8]) -> Option<(&[u8], [u8; 2])> {
    let (version, rest) = greeting.split_at_checked(greeting.iter().position(|byte| *byte == 0)?)?;
    let capabilities = rest.get(1 + 4 + 8 + 1..)?.first_chunk()?;
    Some((version, *capabilities))
}

/// The number and the text of an error; between them there may be `#` and a state of 5 letters.
fn refusal(error: &[u8]) -> Option<Error> {
    let (number, text) = error.split_first_chunk()?;
    let stated = text.strip_prefix(b"#").and_then(|rest| rest.get(5..));
    let number = u16::from_le_bytes(*number);
    let answer = explained(format!("error {number}"), stated.unwrap_or(text));
    Some(Error::refused(STEP, answer))
}
