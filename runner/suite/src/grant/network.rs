//! Well-known networks, and those that an operator blocks.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::GrantError;
use super::effective::{EffectiveAddress, canonical_network};

/// RFC 1918, carrier-grade NAT, unique local addresses, and their predecessor, site-local addresses.
const PRIVATE: [IpNet; 6] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([100, 64, 0, 0], 10),
    v6(0xfc00, 7),
    v6(0xfec0, 10),
];

/// Includes the multicast and broadcast addresses that no router forwards.
const LINK_LOCAL: [IpNet; 5] = [
    v4([169, 254, 0, 0], 16),
    v4([224, 0, 0, 0], 24),
    v4([255, 255, 255, 255], 32),
    v6(0xfe80, 10),
    v6(0xff02, 16),
];

/// Includes the unspecified address, which reaches loopback on Linux.
const LOOPBACK: [IpNet; 5] = [
    v4([127, 0, 0, 0], 8),
    v4([0, 0, 0, 0], 8),
    v6_host([0, 0, 0, 0, 0, 0, 0, 0]),
    v6_host([0, 0, 0, 0, 0, 0, 0, 1]),
    v6(0xff01, 16),
];

/// Instance metadata services, which hand out credentials: AWS, Google Cloud and most others; AWS containers; Tencent;
/// Scaleway; Alibaba; Azure; Oracle; then AWS, its containers, Google Cloud, Scaleway and OpenStack over IPv6.
const METADATA: [IpNet; 13] = [
    v4([169, 254, 169, 254], 32),
    v4([169, 254, 170, 2], 32),
    v4([169, 254, 170, 23], 32),
    v4([169, 254, 0, 23], 32),
    v4([169, 254, 42, 42], 32),
    v4([100, 100, 100, 200], 32),
    v4([168, 63, 129, 16], 32),
    v4([192, 0, 0, 192], 32),
    v6_host([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254]),
    v6_host([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23]),
    v6_host([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254]),
    v6_host([0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x42]),
    v6_host([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe]),
];

/// Protocol assignments, documentation, the old 6to4 relay, benchmarks, multicast, reserved
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
const SPECIAL_V4: [IpNet; 8] = [
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

const GLOBAL_UNICAST_V6: IpNet = v6(0x2000, 3);

/// Within global unicast: protocol assignments including Teredo, and two documentation ranges.
const SPECIAL_V6: [IpNet; 3] = [v6(0x2001, 23), v6_pair(0x2001, 0x0db8, 32), v6(0x3fff, 20)];

const fn v4(octets: [u8; 4], prefix: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(first: u16, prefix: u8) -> IpNet {
    v6_pair(first, 0, prefix)
}

const fn v6_pair(first: u16, second: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0),
        prefix,
    ))
}

const fn v6_host(segments: [u16; 8]) -> IpNet {
    let [a, b, c, d, e, f, g, h] = segments;
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), 128))
}

/// The operator's `block_networks`: no check may reach them, whatever its suite grants. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Parses `private`, `link-local`, `metadata`, `loopback`, or CIDRs.
    ///
    /// # Errors
    /// On the first entry that is none of these.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, GrantError> {
        let mut networks = Vec::new();
        for name in names {
            match name {
                "private" => networks.extend(PRIVATE),
                "link-local" => networks.extend(LINK_LOCAL),
                "metadata" => networks.extend(METADATA),
                "loopback" => networks.extend(LOOPBACK),
                cidr if cidr.contains('/') => networks.push(parse_cidr(cidr)?),
                _ => {
                    return Err(GrantError::Network {
                        text: name.to_owned(),
                    });
                }
            }
        }
        Ok(Self(networks))
    }

    /// The first network that contains the address, or another address that a packet to it may reach.
    #[must_use]
    pub(crate) fn find_containing(&self, address: IpAddr) -> Option<IpNet> {
        let address = EffectiveAddress::new(address);
        self.0.iter().find(|network| address.may_reach(network)).copied()
    }
}

/// Whether an address is on the public internet: not private, loopback, link-local, a cloud metadata service,
/// carrier-grade NAT, documentation, multicast or reserved. IPv4 embedded in IPv6 is classified by the IPv4 address; an
/// ambiguous address is public only if all its interpretations are.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let is_special = |address: &IpAddr| SPECIAL_V6.iter().any(|network| network.contains(address));
    let effective = EffectiveAddress::new(address);
    !is_special(&address) && effective.reached().iter().all(is_public_as_such)
}

fn is_public_as_such(address: &IpAddr) -> bool {
    let is_unicast = address.is_ipv4() || GLOBAL_UNICAST_V6.contains(address);
    let special = [&PRIVATE[..], &LINK_LOCAL, &LOOPBACK, &METADATA, &SPECIAL_V4];
    let mut special = special.into_iter().flatten();
    is_unicast && !special.any(|network| network.contains(address))
}

/// Parses a network in CIDR notation, with or without brackets for IPv6.
pub(super) fn parse_cidr(text: &str) -> Result<IpNet, GrantError> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let network: IpNet = bare.parse().map_err(|source| GrantError::Cidr {
        text: text.to_owned(),
        source,
    })?;
    if network != network.trunc() {
        return Err(GrantError::HostBits {
            text: text.to_owned(),
            network: network.trunc(),
        });
    }
    Ok(canonical_network(network))
}
