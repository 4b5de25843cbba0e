//! Where a packet to an address arrives: the IPv4 address behind every form in which IPv6 can carry one.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Addresses that are an IPv4 address in another form, by their prefix. ISATAP has none.
const CARRIERS: [Ipv6Net; 6] = [COMPATIBLE, TRANSLATED, NAT64, LOCAL_NAT64, SIX_TO_FOUR, TEREDO];
/// `::a.b.c.d` (RFC 4291, section 2.5.5.1).
const COMPATIBLE: Ipv6Net = net([0, 0, 0, 0, 0, 0], 96);
/// `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2): the kernel sends IPv4.
const MAPPED: Ipv6Net = net([0, 0, 0, 0, 0, 0xffff], 96);
/// `::ffff:0:a.b.c.d` (RFC 2765).
const TRANSLATED: Ipv6Net = net([0, 0, 0, 0, 0xffff, 0], 96);
/// RFC 6052.
const NAT64: Ipv6Net = net([0x64, 0xff9b, 0, 0, 0, 0], 96);
/// RFC 8215: for translators of one's own, with a prefix of any length that RFC 6052 knows.
const LOCAL_NAT64: Ipv6Net = net([0x64, 0xff9b, 1, 0, 0, 0], 48);
/// RFC 3056.
const SIX_TO_FOUR: Ipv6Net = net([0x2002, 0, 0, 0, 0, 0], 16);
/// RFC 4380.
const TEREDO: Ipv6Net = net([0x2001, 0, 0, 0, 0, 0], 32);

const THIS_NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8);

const fn net([a, b, c, d, e, f]: [u16; 6], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, 0, 0), prefix)
}

/// An address as grants and blocked networks see it. Every comparison of an address with a network is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveAddress {
    /// As it was given; IPv4 in place of IPv4-mapped IPv6.
    given: IpAddr,
    /// Where a packet to it may arrive; never empty. Several where the form is ambiguous.
    reached: Vec<IpAddr>,
}

impl EffectiveAddress {
    /// What `address` stands for.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
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

    /// Where a packet to the address may arrive; never empty.
    #[must_use]
    pub fn reached(&self) -> &[IpAddr] {
        &self.reached
    }

    /// Whether a packet may arrive in a network, or is sent to one: what is blocked is compared like this.
    pub(super) fn may_reach(&self, network: &IpNet) -> bool {
        network.contains(&self.given) || self.reached.iter().any(|address| network.contains(address))
    }

    /// Whether a packet arrives in a network and nowhere else: what is granted is compared like this. A network
    /// of carried IPv4 addresses, such as `2002::/16`, is granted as it is written.
    pub(super) fn is_within(&self, network: &IpNet) -> bool {
        self.reached.iter().all(|address| network.contains(address))
            || (names_a_carrier(network) && network.contains(&self.given))
    }
}

/// The address that a connect to this one is made to, in the form that is compared and shown: on Linux the
/// unspecified address is the machine itself. That of IPv6 stays, as it may be either loopback.
pub(super) fn connectable(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        other => other,
    }
}

/// A network of IPv4-mapped addresses as the IPv4 network that it is.
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

fn names_a_carrier(network: &IpNet) -> bool {
    let IpNet::V6(network) = network else { return false };
    let is_host = network.prefix_len() == 128;
    is_host || CARRIERS.iter().any(|carrier| carrier.contains(network))
}

/// The IPv4 addresses that an IPv6 address may carry.
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    // Loopback has the prefix of `::a.b.c.d`, and is none.
    let by_prefix = match address.is_loopback() {
        true => Vec::new(),
        false => by_prefix(address),
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
        // The client, obscured, and the server that introduces it.
        vec![v4(!j, !k, !l, !m), v4(c, d, e, f)]
    } else {
        Vec::new()
    }
}

/// Of several readings those that do not begin with a zero, which comes of the zeros around another one.
fn plausible(mut readings: Vec<Ipv4Addr>) -> Vec<Ipv4Addr> {
    if readings.iter().any(|v4| !THIS_NETWORK.contains(v4)) {
        readings.retain(|v4| !THIS_NETWORK.contains(v4));
    }
    readings.dedup();
    readings
}

/// `0:5efe:a.b.c.d` or `200:5efe:a.b.c.d` below any prefix (RFC 5214, section 6.1).
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., flags, 0, 0x5e, 0xfe, a, b, c, d] = address.octets() else {
        return None;
    };
    (flags & !0b11 == 0).then(|| Ipv4Addr::new(a, b, c, d))
}
