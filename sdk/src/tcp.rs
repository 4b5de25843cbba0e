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

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::error::{ErrorCode, NetError, Phase};
use crate::problems::Invalid;
use crate::{backend, tls};

/// Which addresses of a name to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IpFamily {
    /// Both, IPv6 with a short head start.
    #[default]
    Any,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// IPv4 first; IPv6 where no address of that answers within a second.
    #[serde(rename = "prefer_ipv4")]
    PreferIpv4,
    /// IPv6 first; IPv4 where no address of that answers within a second.
    #[serde(rename = "prefer_ipv6")]
    PreferIpv6,
}

impl IpFamily {
    /// Why nothing can be reached at a host: it is an IP address of the other family. A name may have addresses of
    /// both.
    ///
    /// ```
    /// # use canary_sdk::tcp::IpFamily;
    /// let reason = IpFamily::Ipv6.refuses("192.0.2.1").unwrap();
    /// assert_eq!(reason, "`192.0.2.1` is not an IPv6 address, and `ip_family` allows no other");
    /// assert_eq!(IpFamily::PreferIpv6.refuses("192.0.2.1"), None);
    /// assert_eq!(IpFamily::Ipv6.refuses("example.com"), None);
    /// ```
    #[must_use]
    pub fn refuses(self, host: &str) -> Option<String> {
        let bare = without_brackets(host);
        let address: IpAddr = bare.parse().ok()?;
        let wanted = match self {
            Self::Ipv4 if address.is_ipv6() => "IPv4",
            Self::Ipv6 if address.is_ipv4() => "IPv6",
            _ => return None,
        };
        Some(format!(
            "`{bare}` is not an {wanted} address, and `ip_family` allows no other"
        ))
    }
}

/// Why nothing can be reached at a host from a source address: both are IP addresses, of different families. A name may
/// have addresses of both.
///
/// ```
/// # use canary_sdk::tcp::source_refuses;
/// let reason = source_refuses("::1", "192.0.2.1").unwrap();
/// assert_eq!(reason, "`192.0.2.1` is not an IPv6 address, and `source_address` reaches no other");
/// assert_eq!(source_refuses("192.0.2.7", "192.0.2.1"), None);
/// assert_eq!(source_refuses("::1", "example.com"), None);
/// ```
#[must_use]
pub fn source_refuses(source: &str, host: &str) -> Option<String> {
    let bare = without_brackets(host);
    let source: IpAddr = source.parse().ok()?;
    let target: IpAddr = bare.parse().ok()?;
    let (is_ipv4, wanted) = match source.to_canonical() {
        IpAddr::V4(_) => (true, "IPv4"),
        IpAddr::V6(_) => (false, "IPv6"),
    };
    (target.to_canonical().is_ipv4() != is_ipv4)
        .then(|| format!("`{bare}` is not an {wanted} address, and `source_address` reaches no other"))
}

fn without_brackets(host: &str) -> &str {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host)
}

/// How long each phase took; a phase that did not happen is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Resolving the name.
    pub resolve: Option<Duration>,
    /// Opening the connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
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
#[non_exhaustive]
#[must_use]
pub struct ConnectOptions {
    /// Which addresses to try.
    pub ip_family: IpFamily,
    /// Local address to connect from.
    pub source_address: Option<String>,
    /// The only address to try, such as one returned by [`dns::addresses`](crate::dns::addresses). If the name does
    /// not have it, the error is [`ErrorCode::Unresolved`].
    pub address: Option<IpAddr>,
    /// Time limit for resolving and connecting; `None` is what is left of the run.
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

    /// Tries this address of the name and no other.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Times out earlier than the run does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the host would refuse of a connect with these options. Nothing is sent.
    pub fn check(&self, to: &Endpoint) -> Vec<Invalid> {
        backend::check_connect(to, self)
    }

    /// Connects with these options.
    pub fn connect(&self, to: &Endpoint) -> Result<Connection, NetError> {
        Connection::connect(to, self)
    }
}

/// Information about a connection, up to now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// `address:port` of the peer.
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
#[must_use = "dropping a connection closes it"]
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

    /// Up to `max` bytes as soon as there are any; empty at the end of the stream.
    pub fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        self.0.read(max)
    }

    /// What [`read`](Self::read) would return without waiting; `None` if nothing has arrived. Takes a millisecond at
    /// most.
    pub fn read_ready(&self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        self.0.read_ready(max)
    }

    /// Limits the following operations on this connection to this time from now, with [`ErrorCode::Timeout`]; `None`
    /// leaves the run's deadline, which is never later. Data that was received until then is not lost: the next read
    /// returns it.
    pub fn set_deadline(&self, time: Option<Duration>) {
        self.0.set_deadline(time);
    }

    /// Signals the peer that nothing more will be sent; what it sends can still be read. A later write is
    /// [`ErrorCode::Invalid`].
    pub fn shutdown_write(&self) -> Result<(), NetError> {
        self.0.shutdown_write()
    }

    /// Reads up to and including `delimiter`; [`ErrorCode::Protocol`] if `max` bytes contain none.
    pub fn read_until(&self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        self.0.read_until(delimiter, max)
    }

    /// Reads a line of at most `max` bytes and removes its end (`\n` or `\r\n`). Invalid UTF-8 is replaced.
    pub fn read_line(&self, max: u32) -> Result<String, NetError> {
        let line = self.read_until(b"\n", max)?;
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_string())
    }

    /// Reads exactly `length` bytes; [`ErrorCode::Closed`] if the stream ends before.
    pub fn read_exact(&self, length: u32) -> Result<Vec<u8>, NetError> {
        let mut bytes = Vec::new();
        let mut missing = length;
        while missing > 0 {
            let more = self.read(missing)?;
            if more.is_empty() {
                return Err(NetError::from(ErrorCode::Closed).in_phase(Phase::Receive));
            }
            missing = missing.saturating_sub(u32::try_from(more.len()).unwrap_or(u32::MAX));
            bytes.extend(more);
        }
        Ok(bytes)
    }

    /// Returns once the operating system has accepted every byte.
    pub fn write(&self, bytes: &[u8]) -> Result<(), NetError> {
        self.0.write(bytes)
    }

    /// What the server presented after [`Connection::start_tls`] failed because nothing was in common; `None` after
    /// STARTTLS, and if it presented nothing.
    pub fn examination(&self) -> Option<tls::Examination> {
        self.0.examination()
    }

    /// Information about the connection, up to now.
    pub fn info(&self) -> ConnectionInfo {
        self.0.info()
    }
}
