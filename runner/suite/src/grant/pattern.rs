//! One entry of `allow:`.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::effective::EffectiveAddress;
use super::network::parse_cidr;
use super::{DnsName, GrantError, Host};

/// A grant for destinations that a check may reach: `tcp://*.example.com:5432`, `https://10.0.0.0/8:443`,
/// `tls://[fd00::/8]:*`, `http://intranet`; or, as `dns://*.example.com`, for names that it may only look up.
///
/// The scheme determines the default port (80, 443; `tcp` and `tls` have none) and nothing else: a grant is for a host
/// and port, whatever protocol is used. `*` matches any host, `*.example.com` every name below `example.com` at any
/// depth but not `example.com` itself, `:*` any port. A network matches addresses, and names that resolve into it if
/// the check may look them up. The name of a granted host may always be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    hosts: Hosts,
    purpose: Purpose,
}

/// The purpose of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Connecting, including the required lookups; `None` for any port.
    Connect(Option<u16>),
    /// Looking up only.
    LookUp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Any,
    /// Every name that ends in this suffix: a dot and a name.
    Below(String),
    Name(String),
    Network(IpNet),
}

impl Grant {
    /// Creates a grant for one host, at one port or any.
    pub(super) fn for_host_port(host: Host, port: Option<u16>) -> Self {
        Self {
            hosts: Hosts::from_host(host),
            purpose: Purpose::Connect(port),
        }
    }

    /// Creates a grant for looking up one name.
    pub(super) fn for_lookup(name: &DnsName) -> Self {
        Self {
            hosts: Hosts::Name(name.as_str().to_owned()),
            purpose: Purpose::LookUp,
        }
    }

    /// Parses `HOST:PORT`, without wildcards.
    pub(super) fn parse_host_port(text: &str) -> Result<Self, GrantError> {
        let own = Self::parse_host(text)?;
        match own.purpose {
            Purpose::Connect(Some(_)) => Ok(own),
            Purpose::Connect(None) | Purpose::LookUp => Err(GrantError::NoPort {
                text: text.to_owned(),
            }),
        }
    }

    /// Parses `HOST:PORT`, or `HOST` for any of its ports; without wildcards.
    pub(super) fn parse_host(text: &str) -> Result<Self, GrantError> {
        let (host, port) = split_port(text)?;
        let port = port.map(parse_port).transpose()?;
        Ok(Self::for_host_port(Host::parse(host)?, port))
    }

    /// Parses `NAME`, `*.NAME` or `*`, after `dns://`.
    fn parse_lookup(names: &str) -> Result<Self, GrantError> {
        let hosts = match (names, names.strip_prefix("*.")) {
            ("*", _) => Hosts::Any,
            (_, Some(parent)) => Hosts::Below(format!(".{}", DnsName::parse(parent)?.as_str())),
            (name, None) => Hosts::Name(DnsName::parse(name)?.as_str().to_owned()),
        };
        Ok(Self {
            hosts,
            purpose: Purpose::LookUp,
        })
    }

    /// Whether this covers a host and port without knowing what the host resolves to.
    pub(super) fn covers(&self, host: &Host, port: u16) -> bool {
        self.has_port(port)
            && match (&self.hosts, host) {
                (Hosts::Network(network), Host::Address(address)) => {
                    EffectiveAddress::new(*address).is_within(network)
                }
                (Hosts::Any, Host::Address(_)) => true,
                (hosts, Host::Name(name)) => hosts.cover_name(name),
                (Hosts::Below(_) | Hosts::Name(_), Host::Address(_)) => false,
            }
    }

    /// Whether this covers an address, regardless of the name that led to it.
    pub(super) fn covers_address(&self, address: IpAddr, port: u16) -> bool {
        self.covers(&Host::Address(address), port)
    }

    /// Whether this covers looking up a name, given in lower case and without a trailing dot.
    pub(super) fn covers_lookup(&self, name: &str) -> bool {
        self.hosts.cover_name(name)
    }

    /// Whether this covers a network at this port.
    pub(super) fn is_network_at(&self, port: u16) -> bool {
        self.has_port(port) && matches!(self.hosts, Hosts::Network(_))
    }

    fn has_port(&self, port: u16) -> bool {
        match self.purpose {
            Purpose::Connect(granted) => granted.is_none_or(|granted| granted == port),
            Purpose::LookUp => false,
        }
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (scheme, endpoint) = text.split_once("://").ok_or_else(|| GrantError::NoScheme {
            text: text.to_owned(),
        })?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "dns" => return Self::parse_lookup(endpoint),
            "tcp" | "tls" => None,
            "http" => Some(80),
            "https" => Some(443),
            _ => {
                return Err(GrantError::Scheme {
                    scheme: scheme.to_owned(),
                    text: text.to_owned(),
                });
            }
        };
        let (hosts, port) = split_port(endpoint.strip_suffix('/').unwrap_or(endpoint))?;
        let port = match port {
            Some("*") => None,
            Some(port) => Some(parse_port(port)?),
            None if default_port.is_none() => {
                return Err(GrantError::NoPort {
                    text: text.to_owned(),
                });
            }
            None => default_port,
        };
        Ok(Self {
            hosts: Hosts::parse(hosts, text)?,
            purpose: Purpose::Connect(port),
        })
    }
}

impl Hosts {
    fn cover_name(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(suffix) => name.ends_with(suffix.as_str()),
            Self::Name(granted) => granted == name,
            Self::Network(_) => false,
        }
    }

    fn parse(hosts: &str, grant: &str) -> Result<Self, GrantError> {
        if hosts == "*" {
            return Ok(Self::Any);
        }
        if let Some((address, _)) = hosts.split_once('/') {
            let is_address = address.starts_with('[') || matches!(Host::parse(address), Ok(Host::Address(_)));
            if !is_address {
                return Err(GrantError::Path {
                    text: grant.to_owned(),
                });
            }
            return parse_cidr(hosts).map(Self::Network);
        }
        let Some(parent) = hosts.strip_prefix("*.") else {
            return Host::parse(hosts).map(Self::from_host);
        };
        match Host::parse(parent)? {
            Host::Name(name) => Ok(Self::Below(format!(".{name}"))),
            Host::Address(_) => Err(GrantError::Name {
                host: hosts.to_owned(),
            }),
        }
    }

    fn from_host(host: Host) -> Self {
        match host {
            Host::Name(name) => Self::Name(name),
            Host::Address(address) => Self::Network(address.into()),
        }
    }
}

/// Colons within brackets belong to an IPv6 address; without brackets they are ambiguous.
fn split_port(endpoint: &str) -> Result<(&str, Option<&str>), GrantError> {
    // Its password must be in no message.
    if endpoint.contains('@') {
        return Err(GrantError::HasUser);
    }
    let (host, port) = match endpoint.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (endpoint, None),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(GrantError::NoBrackets {
            endpoint: endpoint.to_owned(),
        });
    }
    Ok((host, port))
}

fn parse_port(text: &str) -> Result<u16, GrantError> {
    // `parse` alone would accept `+80`.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_number && port != 0 => Ok(port),
        _ => Err(GrantError::Port {
            port: text.to_owned(),
        }),
    }
}
