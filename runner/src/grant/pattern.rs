//! One entry of `allow:`.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::effective::EffectiveAddress;
use super::network::parse_cidr;
use super::{DnsName, GrantError, Host};

/// A place that a check may reach: `tcp://*.example.com:5432`, `https://10.0.0.0/8:443`,
/// `tls://[fd00::/8]:*`, `http://intranet`; or, as `dns://*.example.com`, names that it may look up and no more.
///
/// The scheme gives the default port (80, 443; `tcp` and `tls` have none) and nothing else: a grant is for a
/// host and a port, whatever is spoken there. `*` is any host, `*.example.com` every name below `example.com`
/// at any depth but not `example.com` itself, `:*` any port. A network covers addresses, and names that
/// resolve into it where the check may look these up. What a place is called may always be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    hosts: Hosts,
    purpose: Purpose,
}

/// What a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Connecting, and looking up on the way; without a port, at any.
    Connect(Option<u16>),
    /// Looking up only.
    LookUp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Any,
    /// Every name that ends in this: a dot and a name.
    Below(String),
    Name(String),
    Network(IpNet),
}

impl Grant {
    /// One host, and one port or any.
    pub(super) fn of_place(host: Host, port: Option<u16>) -> Self {
        Self {
            hosts: Hosts::of_host(host),
            purpose: Purpose::Connect(port),
        }
    }

    /// One name, to be looked up.
    pub(super) fn of_name(name: &DnsName) -> Self {
        Self {
            hosts: Hosts::Name(name.as_str().to_owned()),
            purpose: Purpose::LookUp,
        }
    }

    /// `HOST:PORT`, no wildcards.
    pub(super) fn of_host_and_port(text: &str) -> Result<Self, GrantError> {
        let own = Self::of_host(text)?;
        match own.purpose {
            Purpose::Connect(Some(_)) => Ok(own),
            Purpose::Connect(None) | Purpose::LookUp => Err(GrantError::NoPort {
                text: text.to_owned(),
            }),
        }
    }

    /// `HOST:PORT`, or `HOST` for any port of it; no wildcards.
    pub(super) fn of_host(text: &str) -> Result<Self, GrantError> {
        let (host, port) = split_port(text)?;
        let port = port.map(parse_port).transpose()?;
        Ok(Self::of_place(Host::parse(host)?, port))
    }

    /// `NAME`, `*.NAME` or `*`, behind `dns://`.
    fn look_up(names: &str) -> Result<Self, GrantError> {
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
                    EffectiveAddress::of(*address).is_within(network)
                }
                (Hosts::Any, Host::Address(_)) => true,
                (hosts, Host::Name(name)) => hosts.cover_name(name),
                (Hosts::Below(_) | Hosts::Name(_), Host::Address(_)) => false,
            }
    }

    /// Whether this covers an address, whatever name led to it.
    pub(super) fn covers_address(&self, address: IpAddr, port: u16) -> bool {
        self.covers(&Host::Address(address), port)
    }

    /// Whether this covers looking up a name; lower case, without a trailing dot.
    pub(super) fn covers_look_up(&self, name: &str) -> bool {
        self.hosts.cover_name(name)
    }

    /// Whether this is for addresses, and for this port.
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
        let (scheme, place) = text.split_once("://").ok_or_else(|| GrantError::NoScheme {
            text: text.to_owned(),
        })?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "dns" => return Self::look_up(place),
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
        let (hosts, port) = split_port(place.strip_suffix('/').unwrap_or(place))?;
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
            return Host::parse(hosts).map(Self::of_host);
        };
        match Host::parse(parent)? {
            Host::Name(name) => Ok(Self::Below(format!(".{name}"))),
            Host::Address(_) => Err(GrantError::Name {
                host: hosts.to_owned(),
            }),
        }
    }

    fn of_host(host: Host) -> Self {
        match host {
            Host::Name(name) => Self::Name(name),
            Host::Address(address) => Self::Network(address.into()),
        }
    }
}

/// The colons within brackets belong to an IPv6 address; without brackets nobody can tell.
fn split_port(place: &str) -> Result<(&str, Option<&str>), GrantError> {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(GrantError::NoBrackets {
            place: place.to_owned(),
        });
    }
    Ok((host, port))
}

fn parse_port(text: &str) -> Result<u16, GrantError> {
    // `parse` alone would take `+80`.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_number && port != 0 => Ok(port),
        _ => Err(GrantError::Port {
            port: text.to_owned(),
        }),
    }
}
