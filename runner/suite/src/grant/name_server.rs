//! One entry of `name_servers:`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::GrantError;
use super::effective::connectable;

/// The DNS port, over UDP and TCP (RFC 1035, section 4.2).
const PORT: u16 = 53;

/// A name server that a check queries instead of the machine's: `192.0.2.53`, `[2001:db8::53]:5353`.
///
/// It must be an address, since a name would have to be resolved first. The default port is 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameServer(SocketAddr);

impl NameServer {
    /// The address to query.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for NameServer {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let refused = || GrantError::NameServer {
            text: text.to_owned(),
        };
        let of_address = |address: IpAddr| SocketAddr::new(address, PORT);
        let parsed: SocketAddr = text
            .parse()
            .or_else(|_| text.parse().map(of_address))
            .map_err(|_| refused())?;
        if parsed.port() == 0 {
            return Err(refused());
        }
        Ok(Self(SocketAddr::new(connectable(parsed.ip()), parsed.port())))
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_is_an_address_with_a_port_or_without() {
        for (text, address) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
            ("::ffff:192.0.2.53", "192.0.2.53:53"),
        ] {
            let server: NameServer = text.parse().unwrap();
            assert_eq!(server.to_string(), address, "{text}");
        }
    }

    #[test]
    fn a_name_a_url_or_no_port_at_all_is_not_a_name_server() {
        for text in [
            "",
            "dns.example.com",
            "udp://192.0.2.53",
            "192.0.2.53:0",
            "192.0.2.53:",
            "[2001:db8::53]",
            "fe80::1%eth0",
        ] {
            let refused = text.parse::<NameServer>().unwrap_err();
            assert!(refused.to_string().contains("such as `192.0.2.53`"), "{refused}");
        }
    }
}
