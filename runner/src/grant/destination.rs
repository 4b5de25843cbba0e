//! A place on the network, in the one form that is judged and connected to.

use std::fmt;
use std::net::IpAddr;

use super::GrantError;
use super::effective::connectable;
use super::name::is_name_byte;

/// Longest host taken, in bytes: what DNS can hold.
const MAX_HOST_BYTES: usize = 253;

/// What a check wants to speak with a destination. Grants do not look at it: whoever reaches a place with a
/// raw stream can speak anything there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A byte stream, TLS or not.
    Tcp,
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A DNS name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower case, ASCII (IDNA), without a trailing dot.
    Name(String),
    /// An IPv4-mapped IPv6 address is the IPv4 address, `0.0.0.0` is loopback.
    Address(IpAddr),
}

impl Host {
    /// A host as URLs have it (<https://url.spec.whatwg.org/#host-parsing>), so that decimal and octal forms
    /// of an IPv4 address are that address. IPv6 with or without brackets. A name in ASCII is taken as it is written.
    ///
    /// # Errors
    /// When it is neither a name nor an address.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        within_limit(text)?;
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(connectable(address)));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Ipv4(address)) => Ok(Self::Address(connectable(address.into()))),
            Ok(url::Host::Ipv6(address)) => Ok(Self::Address(connectable(address.into()))),
            Ok(url::Host::Domain(name)) => Self::of_domain(text, &name),
            // IDNA has no say in names of ASCII, such as `xn--`, which DNS may hold all the same.
            Err(url::ParseError::IdnaError)
                if text.bytes().all(|byte| byte == b'.' || is_name_byte(byte)) =>
            {
                Self::of_domain(text, &text.to_ascii_lowercase())
            }
            Err(source) => Err(GrantError::Host {
                host: text.to_owned(),
                source,
            }),
        }
    }

    fn of_domain(text: &str, name: &str) -> Result<Self, GrantError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.contains('*') || name.split('.').any(str::is_empty) {
            return Err(GrantError::Name {
                host: text.to_owned(),
            });
        }
        // An international name is longer as DNS has it.
        within_limit(name)?;
        Ok(Self::Name(name.to_owned()))
    }
}

fn within_limit(host: &str) -> Result<(), GrantError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.len() > MAX_HOST_BYTES {
        true => Err(GrantError::HostTooLong {
            limit: MAX_HOST_BYTES,
        }),
        false => Ok(()),
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

/// Where a check wants to go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// The name was written with a dot at its end: it is looked up as it stands, and never with a search list.
    is_absolute: bool,
}

impl Destination {
    /// A destination from what a guest or a redirect says.
    ///
    /// # Errors
    /// When `host` is neither a name nor an address, or `port` is 0.
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

    /// What is spoken there.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host to resolve and connect to.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The name to resolve, with the dot at its end if it was written with one; none for an address.
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
        write!(f, "{}://{}:{}", self.scheme.word(), self.host, self.port)
    }
}
