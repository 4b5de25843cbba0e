//! Byte streams over TCP, with TLS from the first byte or from the middle (STARTTLS).
//!
//! ```no_run
//! # fn main() -> Result<(), canary_sdk::Error> {
//! use canary_sdk::tcp;
//!
//! let connection = tcp::connect(&"mail.example.com:25".parse()?)?;
//! let greeting = connection.read_line(512)?;
//! connection.write(b"QUIT\r\n")?;
//! # Ok(()) }
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::{backend, tls};

/// Which addresses of a name to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpFamily {
    /// Both, IPv6 with a short head start.
    #[default]
    Any,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
}

/// How long each phase took; a phase that did not happen is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Looking the name up.
    pub resolve: Option<Duration>,
    /// Opening the connection.
    pub connect: Option<Duration>,
    /// Agreeing on TLS.
    pub handshake: Option<Duration>,
    /// Sending.
    pub send: Option<Duration>,
    /// Waiting for the first byte.
    pub wait: Option<Duration>,
    /// Receiving the rest.
    pub receive: Option<Duration>,
}

impl Timings {
    /// The sum of all phases.
    pub fn total(&self) -> Duration {
        let phases = [
            self.resolve,
            self.connect,
            self.handshake,
            self.send,
            self.wait,
            self.receive,
        ];
        phases.into_iter().flatten().sum()
    }
}

/// How to connect. The default tries every address for as long as the run lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectOptions {
    /// Which addresses to try.
    pub ip_family: IpFamily,
    /// Local address to connect from.
    pub source_address: Option<String>,
    /// For resolving and connecting; `None` is what is left of the run.
    pub timeout: Option<Duration>,
}

impl ConnectOptions {
    /// Tries these addresses only.
    pub fn ip_family(mut self, family: IpFamily) -> Self {
        self.ip_family = family;
        self
    }

    /// Connects from this local address.
    pub fn source_address(mut self, address: impl Into<String>) -> Self {
        self.source_address = Some(address.into());
        self
    }

    /// Gives up earlier than the run does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Connects with these options.
    pub fn connect(&self, to: &Endpoint) -> Result<Connection, NetError> {
        Connection::connect(to, self)
    }
}

/// What is known about a connection, up to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// `address:port` of the peer that was reached.
    pub peer: String,
    /// `address:port` of this end.
    pub local: String,
    /// How long each phase took.
    pub timings: Timings,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

/// One socket, owned by the host. Dropping it closes the socket; the host closes it in any case when the run ends.
#[derive(Debug)]
pub struct Connection(backend::Connection);

/// Connects with the default options.
pub fn connect(to: &Endpoint) -> Result<Connection, NetError> {
    Connection::connect(to, &ConnectOptions::default())
}

impl Connection {
    /// Resolves the name and connects to the first address that answers.
    pub fn connect(to: &Endpoint, options: &ConnectOptions) -> Result<Self, NetError> {
        backend::Connection::connect(to, options).map(Self)
    }

    /// Turns this connection into a TLS session, from the first byte or after STARTTLS.
    pub fn start_tls(&self, options: &tls::Options) -> Result<tls::Session, NetError> {
        self.0.start_tls(options)
    }

    /// Up to `max` bytes as soon as there are any; nothing is the end of the stream.
    pub fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        self.0.read(max)
    }

    /// Reads up to and with `delimiter`; [`NetError::Protocol`] when `max` bytes held none.
    pub fn read_until(&self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        self.0.read_until(delimiter, max)
    }

    /// Reads a line of at most `max` bytes and takes its end (`\n` or `\r\n`) off. What is not UTF-8 is replaced.
    pub fn read_line(&self, max: u32) -> Result<String, NetError> {
        let line = self.read_until(b"\n", max)?;
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_string())
    }

    /// Reads exactly `length` bytes; [`NetError::Closed`] when the stream ends before.
    pub fn read_exact(&self, length: u32) -> Result<Vec<u8>, NetError> {
        let mut bytes = Vec::new();
        let mut missing = length;
        while missing > 0 {
            let more = self.read(missing)?;
            if more.is_empty() {
                return Err(NetError::Closed);
            }
            missing = missing.saturating_sub(u32::try_from(more.len()).unwrap_or(u32::MAX));
            bytes.extend(more);
        }
        Ok(bytes)
    }

    /// Returns once the operating system has taken every byte.
    pub fn write(&self, bytes: &[u8]) -> Result<(), NetError> {
        self.0.write(bytes)
    }

    /// What is known about it up to now.
    pub fn info(&self) -> ConnectionInfo {
        self.0.info()
    }
}
