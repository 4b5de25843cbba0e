//! Parses a TLS 1.0 to 1.2 server's flight up to its certificates, which are sent in plain text.

use rustls::AlertDescription;
use rustls_pki_types::CertificateDer;

use super::super::MAX_CHAIN;
use super::super::explain::alert;

/// Maximum size of a record, and of the handshake messages, in bytes.
const MAX_RECORD: usize = (1 << 14) + 2048;
const MAX_MESSAGES: usize = 64 << 10;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// The parameters and certificates of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerFlight {
    /// Major and minor number; TLS 1.0 is 3 and 1.
    pub(super) version: [u8; 2],
    pub(super) suite: u16,
    /// Leaf first; at most 32.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Number of certificates sent.
    pub(super) sent: usize,
}

/// Why no parameters were received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlightError {
    #[error("{0}")]
    Alert(String),
    #[error("the peer does not speak TLS")]
    NotTls,
    #[error("a record of the peer's is longer than TLS allows")]
    LongRecord,
    #[error("the messages of the peer's handshake are longer than 64 KiB")]
    LongMessages,
    #[error("a message of the peer's handshake cannot be read")]
    Malformed,
    #[error("the peer shows no certificate")]
    NoCertificate,
}

/// An incremental parser for chunks of any size.
#[derive(Debug, Default)]
pub(super) struct FlightParser {
    /// An incomplete record.
    records: Vec<u8>,
    /// Handshake messages that are not parsed yet.
    messages: Vec<u8>,
    /// Total size of the messages so far.
    length: usize,
    hello: Option<([u8; 2], u16)>,
}

impl FlightParser {
    /// Parses the next chunk; returns the parameters once they are complete.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Option<ServerFlight>, FlightError> {
        self.records.extend_from_slice(piece);
        while let Some((kind, content)) = self.record()? {
            match kind {
                ALERT => return Err(refusal(&content)),
                HANDSHAKE => {
                    self.length = self.length.saturating_add(content.len());
                    if self.length > MAX_MESSAGES {
                        return Err(FlightError::LongMessages);
                    }
                    self.messages.extend(content);
                }
                _ => return Err(FlightError::NotTls),
            }
            if let Some(flight) = self.messages()? {
                return Ok(Some(flight));
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Option<(u8, Vec<u8>)>, FlightError> {
        let (kind, length) = match *self.records {
            [kind, 3, _, high, low, ..] => (kind, usize::from(u16::from_be_bytes([high, low]))),
            [_, major, ..] if major != 3 => return Err(FlightError::NotTls),
            _ => return Ok(None),
        };
        if length > MAX_RECORD {
            return Err(FlightError::LongRecord);
        }
        if self.records.len() < 5 + length {
            return Ok(None);
        }
        let mut content: Vec<u8> = self.records.drain(..5 + length).collect();
        content.drain(..5);
        Ok(Some((kind, content)))
    }

    fn messages(&mut self) -> Result<Option<ServerFlight>, FlightError> {
        while let Some((kind, content)) = self.message() {
            match (kind, self.hello) {
                (SERVER_HELLO, None) => {
                    self.hello = Some(server_hello(&content).ok_or(FlightError::Malformed)?)
                }
                (CERTIFICATE, Some((version, suite))) => {
                    let (chain, sent) = certificates(&content).ok_or(FlightError::Malformed)?;
                    if chain.is_empty() {
                        return Err(FlightError::NoCertificate);
                    }
                    return Ok(Some(ServerFlight {
                        version,
                        suite,
                        chain,
                        sent,
                    }));
                }
                (_, Some(_)) => return Err(FlightError::NoCertificate),
                (_, None) => return Err(FlightError::Malformed),
            }
        }
        Ok(None)
    }

    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let (kind, length) = match *self.messages {
            [kind, a, b, c, ..] => (kind, number([a, b, c])),
            _ => return None,
        };
        if self.messages.len() < 4 + length {
            return None;
        }
        let mut content: Vec<u8> = self.messages.drain(..4 + length).collect();
        content.drain(..4);
        Some((kind, content))
    }
}

fn number([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

fn refusal(content: &[u8]) -> FlightError {
    match content {
        [_, description] => FlightError::Alert(alert::explain(AlertDescription::from(*description))),
        _ => FlightError::Malformed,
    }
}

/// The version and cipher suite chosen by the server.
fn server_hello(content: &[u8]) -> Option<([u8; 2], u16)> {
    let (version, rest) = content.split_first_chunk::<2>()?;
    let (_random, rest) = rest.split_first_chunk::<32>()?;
    let (session, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(*session)..)?;
    let (suite, _) = rest.split_first_chunk::<2>()?;
    Some((*version, u16::from_be_bytes(*suite)))
}

fn certificates(content: &[u8]) -> Option<(Vec<CertificateDer<'static>>, usize)> {
    let (length, mut list) = content.split_first_chunk::<3>()?;
    if number(*length) != list.len() {
        return None;
    }
    let mut chain = Vec::new();
    let mut sent = 0;
    while !list.is_empty() {
        let (length, rest) = list.split_first_chunk::<3>()?;
        let (certificate, rest) = rest.split_at_checked(number(*length))?;
        if sent < MAX_CHAIN {
            chain.push(CertificateDer::from(certificate.to_vec()));
        }
        sent += 1;
        list = rest;
    }
    Some((chain, sent))
}

#[cfg(test)]
mod tests;
