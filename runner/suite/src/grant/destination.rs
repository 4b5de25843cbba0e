//! A network destination, in the one canonical form that is checked and connected to.

use std::fmt;
use std::net::IpAddr;

use super::GrantError;
use super::effective::connectable;
use super::name::{MAX_LABEL, is_name_byte};

/// Maximum length of a host in bytes, as limited by DNS.
const MAX_HOST_BYTES: usize = 253;

/// The protocol that a check wants to use with a destination. Grants ignore it: with a raw stream, any protocol is
/// possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A byte stream, with or without TLS.
    Tcp,
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A DNS name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower case, ASCII (IDNA), without a trailing dot.
    Name(String),
    /// An IPv4-mapped IPv6 address is stored as IPv4, `0.0.0.0` as loopback.
    Address(IpAddr),
}

impl Host {
    /// Parses a host as in URLs (<https://url.spec.whatwg.org/#host-parsing>), so that decimal and octal forms of an
    /// IPv4 address become that address. IPv6 with or without brackets. An ASCII name is taken as written.
    ///
    /// # Errors
    /// It is neither a name nor an address.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        within_limit(text)?;
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(connectable(address)));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Ipv4(address)) => Ok(Self::Address(connectable(address.into()))),
            Ok(url::Host::Ipv6(address)) => Ok(Self::Address(connectable(address.into()))),
            Ok(url::Host::Domain(name)) => Self::parse_domain(text, &name),
            // IDNA errors are ignored for ASCII names, such as `xn--`, which are valid in DNS.
            Err(url::ParseError::IdnaError)
                if text.bytes().all(|byte| byte == b'.' || is_name_byte(byte)) =>
            {
                Self::parse_domain(text, &text.to_ascii_lowercase())
            }
            Err(source) => Err(GrantError::Host {
                host: text.to_owned(),
                source,
            }),
        }
    }

    fn parse_domain(text: &str, name: &str) -> Result<Self, GrantError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.contains('*') || name.split('.').any(str::is_empty) {
            return Err(GrantError::Name {
                host: text.to_owned(),
            });
        }
        // The ASCII form of an international name is longer.
        within_limit(name)?;
        if name.split('.').any(|label| label.len() > MAX_LABEL) {
            return Err(GrantError::LabelTooLong {
                host: text.to_owned(),
                limit: MAX_LABEL,
            });
        }
        Ok(Self::Name(name.to_owned()))
    }
}

fn within_limit(host: &str) -> Result<(), GrantError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > MAX_HOST_BYTES {
        Err(GrantError::HostTooLong {
            limit: MAX_HOST_BYTES,
        })
    } else {
        Ok(())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A destination that a check wants to reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// The name was written with a trailing dot: it is looked up as is, never with a search list.
    is_absolute: bool,
}

impl Destination {
    /// Creates a destination from input of a guest or a redirect.
    ///
    /// # Errors
    /// `host` is neither a name nor an address, or `port` is 0.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Result<Self, GrantError> {
        if port == 0 {
            return Err(GrantError::Port { port: "0".to_owned() });
        }
        Ok(Self {
            scheme,
            host: Host::parse(host)?,
            port,
            is_absolute: host.ends_with('.'),
        })
    }

    /// The protocol used with the destination.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host to resolve and connect to.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The name to resolve, with its trailing dot if it was written with one; `None` for an address.
    #[must_use]
    pub fn name_to_resolve(&self) -> Option<String> {
        let dot = if self.is_absolute { "." } else { "" };
        match &self.host {
            Host::Name(name) => Some(format!("{name}{dot}")),
            Host::Address(_) => None,
        }
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}
