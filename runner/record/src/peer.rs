//! Addresses, redacted where they are secret.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::redact::{REDACTED, Secrets};

/// An IP address, or a placeholder if it is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Option<IpAddr>);

/// The remote address of a connection, with its secret parts redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    ip: Address,
    port: Option<u16>,
}

impl Address {
    pub(super) fn new(address: IpAddr, secrets: &Secrets) -> Self {
        let is_public = secrets.is_empty() || !secrets.contains_secret(&address.to_string());
        Self(is_public.then_some(address))
    }
}

impl Peer {
    pub(super) fn new(address: SocketAddr, secrets: &Secrets) -> Self {
        let ip = Address::new(address.ip(), secrets);
        let hidden = !secrets.is_empty()
            && (secrets.contains_secret(&address.port().to_string())
                || ip.0.is_some() && secrets.contains_secret(&address.to_string()));
        Self {
            ip,
            port: (!hidden).then_some(address.port()),
        }
    }

    /// The IP address.
    #[must_use]
    pub fn ip(&self) -> Address {
        self.ip
    }

    /// The port, or `None` if it is secret.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str(REDACTED),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip.0, self.port) {
            (Some(ip), Some(port)) => SocketAddr::new(ip, port).fmt(f),
            (None, Some(port)) => write!(f, "{REDACTED}:{port}"),
            (Some(ip), None) => write!(f, "{ip}:{REDACTED}"),
            (None, None) => f.write_str(REDACTED),
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::new(address, &Secrets::default())
    }
}

#[cfg(any(test, feature = "test-util"))]
impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self::new(address, &Secrets::default())
    }
}
