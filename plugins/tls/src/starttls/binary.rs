//! Binary protocols: LDAP, PostgreSQL and MySQL.

use canary_sdk::tcp::Connection;

use super::Error;

/// Maximum bytes of a message.
const MAX_MESSAGE: usize = 4096;

/// `ExtendedRequest` 1.3.6.1.4.1.1466.20037 as message 1.
const LDAP_START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const LDAP_EXTENDED_RESPONSE: u8 = 0x78;
const BER_SEQUENCE: u8 = 0x30;
const BER_ENUMERATED: u8 = 0x0a;

/// Length 8 and the number 80877103, in place of a protocol version.
const POSTGRES_SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

const MYSQL_PROTOCOL_10: u8 = 10;
/// `CLIENT_SSL` in the second byte of the capabilities.
const MYSQL_CLIENT_SSL: u8 = 0x08;
/// Packet 1 of 32 bytes: `CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH`, packets
/// of up to 16 MiB, UTF-8, and 23 zeros.
const MYSQL_SSL_REQUEST: [u8; 36] = {
    let mut packet = [0; 36];
    let head = [32, 0, 0, 1, 0x00, 0x8a, 0x08, 0x00, 0x00, 0x00, 0x00, 0x01, 45];
    packet.split_at_mut(head.len()).0.copy_from_slice(&head);
    packet
};

pub(super) fn ldap(connection: &Connection) -> Result<(), Error> {
    connection.write(LDAP_START_TLS)?;
    let message = read_ber(connection)?;
    match ldap_result(&message) {
        Some(0) => Ok(()),
        Some(code) => Err(Error::refused("StartTLS", format!("result code {code}"))),
        None => Err(Error::refused("StartTLS", message)),
    }
}

pub(super) fn postgres(connection: &Connection) -> Result<(), Error> {
    connection.write(POSTGRES_SSL_REQUEST)?;
    match connection.read_exact(1)?.as_slice() {
        b"S" => Ok(()),
        other => Err(Error::refused("SSLRequest", other)),
    }
}

pub(super) fn mysql(connection: &Connection) -> Result<(), Error> {
    let header = connection.read_exact(4)?;
    let length = header
        .iter()
        .take(3)
        .rev()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    let greeting = read_bounded(connection, length, "the connection")?;
    if greeting.first() != Some(&MYSQL_PROTOCOL_10) {
        return Err(Error::refused("the connection", greeting));
    }
    // Version up to a zero, thread of 4 bytes, 8 bytes of salt, a zero; then the lower half of the capabilities.
    let version = greeting.iter().position(|byte| *byte == 0);
    let capabilities = version.and_then(|end| greeting.get(end + 1 + 4 + 8 + 1..)?.get(..2));
    match capabilities {
        Some([_, high]) if high & MYSQL_CLIENT_SSL != 0 => Ok(connection.write(&MYSQL_SSL_REQUEST)?),
        Some(_) => Err(Error::refused(
            "the connection",
            "a greeting without the capability CLIENT_SSL",
        )),
        None => Err(Error::refused("the connection", greeting)),
    }
}

/// Reads one BER element with its header.
fn read_ber(connection: &Connection) -> Result<Vec<u8>, Error> {
    let mut message = connection.read_exact(2)?;
    let mut length = usize::from(message.last().copied().unwrap_or_default());
    if let Some(digits @ 1..=4) = length.checked_sub(0x80) {
        let digits = connection.read_exact(u32::try_from(digits).unwrap_or_default())?;
        length = digits
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        message.extend(digits);
    }
    message.extend(read_bounded(connection, length, "StartTLS")?);
    Ok(message)
}

fn read_bounded(connection: &Connection, length: usize, step: &'static str) -> Result<Vec<u8>, Error> {
    match u32::try_from(length) {
        Ok(bytes) if length <= MAX_MESSAGE => Ok(connection.read_exact(bytes)?),
        _ => Err(Error::refused(step, format!("a message of {length} bytes"))),
    }
}

/// The result code of an `ExtendedResponse`.
fn ldap_result(message: &[u8]) -> Option<u8> {
    let (BER_SEQUENCE, body, _) = element(message)? else {
        return None;
    };
    let (_, _, rest) = element(body)?;
    let (LDAP_EXTENDED_RESPONSE, response, _) = element(rest)? else {
        return None;
    };
    let (BER_ENUMERATED, code, _) = element(response)? else {
        return None;
    };
    code.first().copied()
}

/// Splits off the first BER element: its tag, its content, and the rest.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (
                digits
                    .iter()
                    .fold(0, |length: usize, byte| length << 8 | usize::from(*byte)),
                rest,
            )
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
