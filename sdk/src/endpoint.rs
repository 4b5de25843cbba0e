//! An endpoint on the network: `HOST:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An endpoint on the network. `host` is a DNS name or an IP address without brackets.
///
/// Parses and prints `HOST:PORT`, with an IPv6 address in brackets:
///
/// ```
/// use canary_sdk::Endpoint;
///
/// let endpoint: Endpoint = "[2001:db8::1]:443".parse()?;
/// assert_eq!(endpoint.host, "2001:db8::1");
/// assert_eq!(endpoint.to_string(), "[2001:db8::1]:443");
/// # Ok::<(), canary_sdk::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// The port, never 0 when it was parsed.
    pub port: u16,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no host before the port.
    #[error("`{0}` has no host, expected `HOST:PORT`")]
    Host(String),
    /// No port, and no default to fall back on.
    #[error("`{0}` has no port, expected `HOST:PORT`")]
    Port(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` has a port that is not a number from 1 to 65535")]
    Number(String),
    /// Blanks, a scheme, a path or a user, or an IPv6 address without its brackets.
    #[error("`{0}` is not `HOST:PORT`; an IPv6 address needs brackets, as in `[::1]:443`")]
    Syntax(String),
}

impl Endpoint {
    /// Creates an endpoint from its two parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Parses `HOST:PORT` or just `HOST`, which then gets `default_port`.
    ///
    /// ```
    /// # use canary_sdk::Endpoint;
    /// assert_eq!(Endpoint::parse_or("example.com", 443)?.port, 443);
    /// assert_eq!(Endpoint::parse_or("::1", 443)?.host, "::1");
    /// # Ok::<(), canary_sdk::EndpointError>(())
    /// ```
    pub fn parse_or(text: &str, default_port: u16) -> Result<Self, EndpointError> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self::new(text, default_port));
        }
        match Self::from_str(text) {
            Err(EndpointError::Port(_)) => Ok(Self::new(strip_brackets(text), default_port)),
            parsed => parsed,
        }
    }

    /// Whether the host is an IP address and not a name.
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = split(text)?;
        if host.is_empty() {
            return Err(EndpointError::Host(text.into()));
        }
        if host.contains(|c: char| c.is_whitespace() || "/@?#[]".contains(c)) {
            return Err(EndpointError::Syntax(text.into()));
        }
        let port = port.ok_or_else(|| EndpointError::Port(text.into()))?;
        match port.parse() {
            Ok(number) if number > 0 && !port.starts_with('+') => Ok(Self::new(host, number)),
            _ => Err(EndpointError::Number(text.into())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Splits into host, without brackets, and port.
fn split(text: &str) -> Result<(&str, Option<&str>), EndpointError> {
    let syntax = || EndpointError::Syntax(text.into());
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(syntax)?;
        address.parse::<Ipv6Addr>().map_err(|_| syntax())?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((address, Some(port))),
            None if rest.is_empty() => Ok((address, None)),
            None => Err(syntax()),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains([':', '/']) => Err(syntax()),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn strip_brackets(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> EndpointError {
        text.parse::<Endpoint>().unwrap_err()
    }

    #[test]
    fn names_and_addresses_parse_and_print_back() {
        for text in ["db:5432", "db.internal:1", "192.0.2.7:65535", "[::1]:443"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        assert_eq!(error(":80"), EndpointError::Host(":80".into()));
        assert_eq!(error("db"), EndpointError::Port("db".into()));
        for text in ["db:", "db:0", "db:65536", "db:+80", "db:http"] {
            assert_eq!(error(text), EndpointError::Number(text.into()));
        }
        for text in [
            "::1:443",
            "https://db:443",
            "[::1",
            "[::1]443",
            "[db]:1",
            "a b:1",
            "me@db:1",
            "db:1/x",
        ] {
            assert_eq!(error(text), EndpointError::Syntax(text.into()));
        }
    }

    #[test]
    fn a_default_port_only_fills_a_missing_one() {
        assert_eq!(Endpoint::parse_or("db", 443).unwrap(), Endpoint::new("db", 443));
        assert_eq!(Endpoint::parse_or("db:1", 443).unwrap(), Endpoint::new("db", 1));
        assert_eq!(
            Endpoint::parse_or("[::1]", 443).unwrap(),
            Endpoint::new("::1", 443)
        );
        assert!(Endpoint::parse_or("db:x", 443).is_err());
        assert!(Endpoint::parse_or("", 443).is_err());
    }
}
