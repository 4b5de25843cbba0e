//! IP addresses and networks in a suite, and whether the peer belongs to them.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::problems::Problems;
use crate::tcp::IpFamily;
use crate::verdict::Assertion;

/// Name of the assertion on the peer's address.
const PEER_ADDRESS: &str = "peer_address";
/// The JSON Schema `format` by which the runner names the element of a list that is not a network.
const FORMAT: &str = "canary-network";

/// An address or a network in a configuration: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`.
///
/// ```
/// use canary_sdk::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?) && !network.contains("11.0.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    /// Leading bits that an address has to share.
    prefix: u8,
}

/// Leading bits that all IPv4-mapped IPv6 addresses share.
const MAPPED: u8 = 96;

/// Why a text is not an address or a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IP address or network such as `192.0.2.1`, `10.0.0.0/8` or `2001:db8::/32`")]
pub struct NetworkError(String);

impl Network {
    /// Whether the address is in the network. IPv4-mapped addresses are IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                shares(own.to_bits().into(), other.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => shares(own.to_bits(), other.to_bits(), 128, self.prefix),
            _ => false,
        }
    }

    fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }
}

/// Whether two numbers of `width` bits begin with the same `prefix` bits.
fn shares(one: u128, other: u128, width: u8, prefix: u8) -> bool {
    let shift = u32::from(width.saturating_sub(prefix));
    let leading = |number: u128| number.checked_shr(shift).unwrap_or(0);
    leading(one) == leading(other)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = Self::bits(address);
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
            None => longest,
        };
        if prefix > longest {
            return Err(wrong());
        }
        // IPv4-mapped networks are IPv4.
        Ok(match (address.to_canonical(), prefix.checked_sub(MAPPED)) {
            (IpAddr::V4(address), Some(prefix)) if longest == 128 => Self {
                address: address.into(),
                prefix,
            },
            _ => Self { address, prefix },
        })
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, prefix } = self;
        if *prefix == Self::bits(*address) {
            write!(f, "{address}")
        } else {
            write!(f, "{address}/{prefix}")
        }
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$", "format": FORMAT,
            "patternErrorMessage": "an IP address or a network, such as `10.0.0.0/8`" })
    }
}

/// An address or a network, or a list of them: the peer's address must be one of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Networks(Vec<Network>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an IP address or network, or a list of them")]
enum Written {
    One(Network),
    Many(Vec<Network>),
}

impl From<Written> for Networks {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::One(network) => vec![network],
            Written::Many(networks) => networks,
        })
    }
}

impl Networks {
    /// Reports if no address of the family can be in one of the networks.
    pub fn check(&self, family: IpFamily, problems: &mut Problems) {
        let (is_tried, wanted): (fn(&IpAddr) -> bool, _) = match family {
            IpFamily::Ipv4 => (IpAddr::is_ipv4, "IPv4"),
            IpFamily::Ipv6 => (IpAddr::is_ipv6, "IPv6"),
            IpFamily::Any | IpFamily::PreferIpv4 | IpFamily::PreferIpv6 => return,
        };
        if !self.0.iter().any(|network| is_tried(&network.address)) {
            problems.report(format_args!(
                "none of these is {wanted}, the only family that `ip_family` allows"
            ));
        }
    }

    /// Why no peer at a host can be in one of the networks: it is an IP address that is in none. A name may have any
    /// address.
    #[must_use]
    pub fn refuses(&self, host: &str) -> Option<String> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address: IpAddr = bare.unwrap_or(host).parse().ok()?;
        // The unspecified address leads to another one: that of this machine.
        if address.to_canonical().is_unspecified() || self.contain(address) {
            return None;
        }
        Some(format!("the target's address `{address}` is in none of these"))
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Asserts that the peer, as `address:port`, is in one of the networks.
    pub fn judge(&self, peer: &str) -> Assertion {
        let address = peer.parse().map(|peer: SocketAddr| peer.ip().to_canonical());
        let Ok(address) = address else {
            return Assertion::new(PEER_ADDRESS, false, format!("`{peer}` is not an address"));
        };
        if self.contain(address) {
            return Assertion::new(PEER_ADDRESS, true, address.to_string());
        }
        let expected: Vec<_> = self.0.iter().map(Network::to_string).collect();
        let message = format!("{address} is not in {}", expected.join(", "));
        Assertion::new(PEER_ADDRESS, false, message)
    }
}

impl JsonSchema for Networks {
    fn schema_name() -> Cow<'static, str> {
        "Networks".into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// One schema with both types: a validator reports more about it than about an `anyOf`.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let network = Network::json_schema(generator);
        let mut either = network.clone();
        either.insert("type".into(), serde_json::json!(["string", "array"]));
        either.insert("items".into(), network.into());
        either.insert("minItems".into(), 1.into());
        either
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_networks_that_hold_it() {
        for (network, address, is_in) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::1", "::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(
                parsed.contains(address.parse().unwrap()),
                is_in,
                "{network} {address}"
            );
            assert_eq!(parsed.to_string(), network);
        }
    }

    #[test]
    fn ipv4_in_its_ipv6_form_is_ipv4() {
        for (mapped, written) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let network: Network = mapped.parse().unwrap();
            assert_eq!(network.to_string(), written);
        }
        let wider: Network = "::ffff:0:0/95".parse().unwrap();
        assert_eq!(wider.to_string(), "::ffff:0.0.0.0/95");
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "",
            "x",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "10.0.0.1:80",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError(text.to_owned())));
        }
    }

    #[test]
    fn the_address_that_answered_is_judged() {
        let networks: Networks = serde_json::from_str(r#"["10.0.0.0/8", "::1"]"#).unwrap();
        assert_eq!(networks.judge("[::1]:443").message, "::1");
        let judged = networks.judge("192.0.2.1:80");
        assert_eq!(judged.message, "192.0.2.1 is not in 10.0.0.0/8, ::1");
        let one: Networks = serde_json::from_str(r#""192.0.2.1""#).unwrap();
        assert_eq!(one.judge("192.0.2.1:80").status, crate::Status::Pass);
    }
    #[test]
    fn a_target_that_is_an_address_is_in_the_networks_or_refused() {
        let networks: Networks = serde_json::from_str(r#"["10.0.0.0/8", "::1"]"#).unwrap();
        assert_eq!(
            networks.refuses("127.0.0.1").unwrap(),
            "the target's address `127.0.0.1` is in none of these"
        );
        assert!(networks.refuses("[::2]").is_some());
        for host in [
            "10.1.2.3",
            "::ffff:10.0.0.1",
            "[::1]",
            "example.com",
            "0.0.0.0",
            "[::]",
        ] {
            assert_eq!(networks.refuses(host), None, "{host}");
        }
    }
}
