//! The effective destination of a packet: the IPv4 address embedded in any of IPv6's transition formats.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Transition formats that are recognised by their prefix. ISATAP has none.
const CARRIERS: [Ipv6Net; 6] = [COMPATIBLE, TRANSLATED, NAT64, LOCAL_NAT64, SIX_TO_FOUR, TEREDO];
/// IPv4-compatible, `::a.b.c.d` (RFC 4291, section 2.5.5.1).
const COMPATIBLE: Ipv6Net = net([0, 0, 0, 0, 0, 0], 96);
/// IPv4-mapped, `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2): the kernel sends IPv4.
const MAPPED: Ipv6Net = net([0, 0, 0, 0, 0, 0xffff], 96);
/// IPv4-translated, `::ffff:0:a.b.c.d` (RFC 2765).
const TRANSLATED: Ipv6Net = net([0, 0, 0, 0, 0xffff, 0], 96);
/// RFC 6052.
const NAT64: Ipv6Net = net([0x64, 0xff9b, 0, 0, 0, 0], 96);
/// RFC 8215: for local-use translators, with a prefix of any length that RFC 6052 permits.
const LOCAL_NAT64: Ipv6Net = net([0x64, 0xff9b, 1, 0, 0, 0], 48);
/// RFC 3056.
const SIX_TO_FOUR: Ipv6Net = net([0x2002, 0, 0, 0, 0, 0], 16);
/// RFC 4380.
const TEREDO: Ipv6Net = net([0x2001, 0, 0, 0, 0, 0], 32);

const THIS_NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8);

const fn net([a, b, c, d, e, f]: [u16; 6], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, 0, 0), prefix)
}

/// An address as compared by grants and blocked networks. Every comparison of an address with a network goes through
/// this type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveAddress {
    /// The address as given; IPv4-mapped IPv6 is converted to IPv4.
    given: IpAddr,
    /// Addresses that a packet may reach; never empty. Several if the format is ambiguous.
    reached: Vec<IpAddr>,
}

impl EffectiveAddress {
    /// Determines which addresses `address` stands for.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        let given = address.to_canonical();
        let carried = match given {
            IpAddr::V4(_) => Vec::new(),
            IpAddr::V6(v6) => carried(v6),
        };
        let reached = match (given, carried.as_slice()) {
            // Which of the two it is depends on the socket.
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), _) => {
                vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
            }
            (own, []) => vec![connectable(own)],
            (_, carried) => carried.iter().map(|v4| connectable((*v4).into())).collect(),
        };
        Self { given, reached }
    }

    /// Addresses that a packet may reach; never empty.
    #[must_use]
    pub fn reached(&self) -> &[IpAddr] {
        &self.reached
    }

    /// Whether a packet may reach a network, or is addressed to it: the comparison for blocked networks.
    pub(super) fn may_reach(&self, network: &IpNet) -> bool {
        network.contains(&self.given) || self.reached.iter().any(|address| network.contains(address))
    }

    /// Whether a packet reaches a network and nothing else: the comparison for grants. A network of embedded IPv4
    /// addresses, such as `2002::/16`, is granted as written.
    pub(super) fn is_within(&self, network: &IpNet) -> bool {
        self.reached.iter().all(|address| network.contains(address))
            || (is_within_carrier(network) && network.contains(&self.given))
    }
}

/// The address that is actually connected to, in the form that is compared and shown: on Linux the unspecified address
/// is the machine itself. The IPv6 unspecified address is kept, as it may be either loopback.
pub(super) fn connectable(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        other => other,
    }
}

/// Converts a network of IPv4-mapped addresses to the IPv4 network.
pub(super) fn canonical_network(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let (IpAddr::V4(address), Some(prefix)) = (
        IpAddr::from(v6.addr()).to_canonical(),
        v6.prefix_len().checked_sub(96),
    ) else {
        return network;
    };
    Ipv4Net::new(address, prefix).map_or(network, IpNet::V4)
}

fn is_within_carrier(network: &IpNet) -> bool {
    let IpNet::V6(network) = network else { return false };
    let is_host = network.prefix_len() == 128;
    is_host || CARRIERS.iter().any(|carrier| carrier.contains(network))
}

/// The IPv4 addresses that may be embedded in an IPv6 address.
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    // Loopback matches the prefix of `::a.b.c.d`, but embeds no IPv4 address.
    let by_prefix = if address.is_loopback() {
        Vec::new()
    } else {
        by_prefix(address)
    };
    by_prefix.into_iter().chain(isatap(address)).collect()
}

fn by_prefix(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [_, _, a, b, c, d, e, f, _, g, h, i, j, k, l, m] = address.octets();
    let v4 = Ipv4Addr::new;
    let within = |carrier: Ipv6Net| carrier.contains(&address);
    if [COMPATIBLE, MAPPED, TRANSLATED, NAT64].into_iter().any(within) {
        vec![v4(j, k, l, m)]
    } else if within(LOCAL_NAT64) {
        // Prefixes of 48, 56, 64 and 96 bits; the ninth byte is always zero.
        plausible(vec![
            v4(e, f, g, h),
            v4(f, g, h, i),
            v4(g, h, i, j),
            v4(j, k, l, m),
        ])
    } else if within(SIX_TO_FOUR) {
        vec![v4(a, b, c, d)]
    } else if within(TEREDO) {
        // The client's address, obfuscated, and the address of the Teredo server.
        vec![v4(!j, !k, !l, !m), v4(c, d, e, f)]
    } else {
        Vec::new()
    }
}

/// Excludes interpretations that begin with a zero, which result from the padding around another one.
fn plausible(mut readings: Vec<Ipv4Addr>) -> Vec<Ipv4Addr> {
    if readings.iter().any(|v4| !THIS_NETWORK.contains(v4)) {
        readings.retain(|v4| !THIS_NETWORK.contains(v4));
    }
    readings.dedup();
    readings
}

/// ISATAP: `0:5efe:a.b.c.d` or `200:5efe:a.b.c.d` below any prefix (RFC 5214, section 6.1).
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., flags, 0, 0x5e, 0xfe, a, b, c, d] = address.octets() else {
        return None;
    };
    (flags & !0b11 == 0).then(|| Ipv4Addr::new(a, b, c, d))
}
