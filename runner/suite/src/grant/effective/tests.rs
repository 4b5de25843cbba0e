use super::*;
use crate::grant::{Destination, is_public};
use crate::grant::{Grants, Networks, Scheme, Via};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn reached(text: &str) -> Vec<String> {
    let effective = EffectiveAddress::new(ip(text));
    effective.reached().iter().map(ToString::to_string).collect()
}

/// The bytes of an IPv6 address, with those of `v4` at `places`.
fn carrying(prefix: &str, v4: Ipv4Addr, places: [usize; 4]) -> IpAddr {
    let mut octets = prefix.parse::<Ipv6Addr>().unwrap().octets();
    for (octet, place) in v4.octets().into_iter().zip(places) {
        octets[place] = octet;
    }
    Ipv6Addr::from(octets).into()
}

const LAST: [usize; 4] = [12, 13, 14, 15];

/// Every form of an IPv4 address, by name. For local translators, only those that are not also another form.
fn forms(v4: Ipv4Addr) -> Vec<(&'static str, IpAddr)> {
    let is_translated = !THIS_NETWORK.contains(&v4);
    let mut forms = all_forms(v4);
    forms.retain(|(form, _)| is_translated || !form.starts_with("local"));
    forms
}

fn all_forms(v4: Ipv4Addr) -> Vec<(&'static str, IpAddr)> {
    let obscured = Ipv4Addr::from(!u32::from(v4));
    vec![
        ("plain", v4.into()),
        ("mapped", carrying("::ffff:0:0", v4, LAST)),
        ("compatible", carrying("::", v4, LAST)),
        ("translated", carrying("::ffff:0:0:0", v4, LAST)),
        ("NAT64", carrying("64:ff9b::", v4, LAST)),
        ("local NAT64 /48", carrying("64:ff9b:1::", v4, [6, 7, 9, 10])),
        ("local NAT64 /56", carrying("64:ff9b:1::", v4, [7, 9, 10, 11])),
        (
            "local NAT64 /56, a subnet",
            carrying("64:ff9b:1:ab00::", v4, [7, 9, 10, 11]),
        ),
        ("local NAT64 /64", carrying("64:ff9b:1::", v4, [9, 10, 11, 12])),
        (
            "local NAT64 /64, a subnet",
            carrying("64:ff9b:1:abcd::", v4, [9, 10, 11, 12]),
        ),
        ("local NAT64 /96", carrying("64:ff9b:1::", v4, LAST)),
        (
            "local NAT64 /96, a subnet",
            carrying("64:ff9b:1:fffe::", v4, LAST),
        ),
        ("6to4", carrying("2002::", v4, [2, 3, 4, 5])),
        ("6to4, a host", carrying("2002::1:0:0:0:1", v4, [2, 3, 4, 5])),
        ("Teredo", carrying("2001:0:4136:e378:8000:63bf::", obscured, LAST)),
        ("ISATAP, link-local", carrying("fe80::5efe:0:0", v4, LAST)),
        ("ISATAP, universal", carrying("2600:1:2:3:200:5efe::", v4, LAST)),
    ]
}

#[test]
fn every_form_of_an_address_reaches_what_it_carries() {
    let cases = [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1 127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:0.0.0.0", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("::127.0.0.1", "127.0.0.1"),
        ("::7f00:1", "127.0.0.1"),
        ("::ffff:0:127.0.0.1", "127.0.0.1"),
        ("::ffff:0:0.0.0.0", "127.0.0.1"),
        ("64:ff9b::127.0.0.1", "127.0.0.1"),
        ("64:ff9b::", "127.0.0.1"),
        ("64:ff9b:1::127.0.0.1", "127.0.0.1"),
        ("64:ff9b:1:7f00:0:100::", "127.0.0.1"),
        ("64:ff9b:1:7f00:0:100:0:1", "127.0.0.1"),
        ("64:ff9b:1:7f:0:1::", "127.0.0.1"),
        ("64:ff9b:1:0:7f:0:100:0", "127.0.0.1 1.0.0.0"),
        ("64:ff9b:1::", "127.0.0.1"),
        ("2002:7f00:1::", "127.0.0.1"),
        ("2002:7f00:1:2:3:4:5:6", "127.0.0.1"),
        ("2001:0:7f00:1::80ff:fffe", "127.0.0.1 127.0.0.1"),
        ("2001::80ff:fffe", "127.0.0.1 127.0.0.1"),
        ("2001:0:808:808::f5ff:fffe", "10.0.0.1 8.8.8.8"),
        ("fe80::5efe:127.0.0.1", "127.0.0.1"),
        ("fe80::200:5efe:127.0.0.1", "127.0.0.1"),
        ("2001:db8::5efe:10.0.0.1", "10.0.0.1"),
        ("2002:a00:1::200:5efe:127.0.0.1", "10.0.0.1 127.0.0.1"),
        ("64:ff9b:2::127.0.0.1", "64:ff9b:2::7f00:1"),
        ("2001:db8::7f00:1", "2001:db8::7f00:1"),
        ("fe80::1", "fe80::1"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("fe80::100:5efe:127.0.0.1", "127.0.0.1"),
        ("fe80::300:5efe:127.0.0.1", "127.0.0.1"),
        ("fe80::400:5efe:7f00:1", "fe80::400:5efe:7f00:1"),
        ("ff02::1", "ff02::1"),
        ("255.255.255.255", "255.255.255.255"),
    ];
    for (given, expected) in cases {
        assert_eq!(reached(given).join(" "), expected, "{given}");
    }
}

/// Random addresses, of every kind and of any value.
fn random_v4() -> impl Iterator<Item = Ipv4Addr> {
    let mut random = fastrand::Rng::with_seed(9);
    let special = [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "0.0.0.0",
        "255.255.255.255",
    ];
    let special = special.map(|text| text.parse().unwrap()).into_iter();
    special.chain(std::iter::repeat_with(move || Ipv4Addr::from(random.u32(..))).take(2_000))
}

#[test]
fn what_is_blocked_for_an_address_is_blocked_for_all_its_forms() {
    for v4 in random_v4() {
        let IpAddr::V4(target) = connectable(v4.into()) else {
            unreachable!()
        };
        for prefix in [8, 17, 32] {
            let network = Ipv4Net::new(target, prefix).unwrap().trunc().to_string();
            let blocked = Networks::parse([network.as_str()]).unwrap();
            for (form, address) in forms(v4) {
                assert!(
                    blocked.find_containing(address).is_some(),
                    "{network}: {form} {address}"
                );
            }
        }
    }
}

#[test]
fn no_form_of_an_address_is_more_public_than_the_address() {
    for v4 in random_v4() {
        for (form, address) in forms(v4) {
            assert!(
                !is_public(address) || is_public(v4.into()),
                "{form} {address} of {v4}"
            );
        }
    }
}

/// Every grant, target and notation of an address form, each with its own port.
#[test]
fn a_form_is_granted_only_where_its_address_is() {
    let forms_of = |text: &str| forms(text.parse().unwrap());
    let grants = |grant: &str| {
        let allow = [grant.parse().unwrap()].into();
        Grants::for_check("192.0.2.1:9", "HOST:PORT", allow, false).unwrap()
    };
    let reaches = |grants: &Grants, address: IpAddr| {
        let to = Destination::new(Scheme::Tcp, &address.to_string(), 80).unwrap();
        grants
            .check_address(&to, address, Via::Direct, &Networks::default())
            .is_ok()
    };
    for granted in ["tcp://10.0.0.0/8:80", "tcp://[::ffff:10.0.0.0/104]:80"] {
        for (form, address) in forms_of("127.0.0.1") {
            assert!(!reaches(&grants(granted), address), "{granted}: {form}");
        }
        assert!(reaches(&grants(granted), ip("10.1.2.3")), "{granted}");
        assert!(reaches(&grants(granted), ip("::ffff:10.1.2.3")), "{granted}");
        assert!(reaches(&grants(granted), ip("64:ff9b::10.1.2.3")), "{granted}");
    }
    // All of IPv6, but no IPv4 embedded in IPv6.
    for granted in ["tcp://[::/0]:80", "tcp://[2000::/3]:80"] {
        for (form, address) in forms_of("127.0.0.1") {
            assert!(!reaches(&grants(granted), address), "{granted}: {form}");
        }
        assert!(reaches(&grants(granted), ip("2606:4700::1111")), "{granted}");
    }
    // Naming the format grants it.
    assert!(reaches(
        &grants("tcp://[64:ff9b::/96]:80"),
        ip("64:ff9b::10.1.2.3")
    ));
    assert!(reaches(
        &grants("tcp://[64:ff9b::a00:1]:80"),
        ip("64:ff9b::10.0.0.1")
    ));
    assert!(!reaches(&grants("tcp://[64:ff9b::/96]:80"), ip("10.1.2.3")));
}

#[test]
fn a_network_of_mapped_addresses_is_the_ipv4_network() {
    let canonical = |text: &str| canonical_network(text.parse().unwrap()).to_string();
    assert_eq!(canonical("::ffff:127.0.0.0/104"), "127.0.0.0/8");
    assert_eq!(canonical("::ffff:0:0/96"), "0.0.0.0/0");
    assert_eq!(canonical("::/0"), "::/0");
    assert_eq!(canonical("2001:db8::/32"), "2001:db8::/32");
    assert_eq!(canonical("10.0.0.0/8"), "10.0.0.0/8");
}

#[test]
fn a_network_that_is_granted_must_hold_every_place_that_an_address_may_reach() {
    let is_within = |address: &str, network: &str| {
        EffectiveAddress::new(ip(address)).is_within(&network.parse().unwrap())
    };
    // A Teredo client at 10.0.0.1 whose server is 8.8.8.8.
    assert!(!is_within("2001:0:808:808::f5ff:fffe", "10.0.0.0/8"));
    assert!(!is_within("2001:0:808:808::f5ff:fffe", "8.0.0.0/8"));
    assert!(is_within("2001:0:808:808::f5ff:fffe", "0.0.0.0/0"));
    // It reaches 127.0.0.1.
    assert!(!is_within("0.0.0.0", "0.0.0.0/8"));
    // No prefix identifies an ISATAP address, but granting exactly this one is intentional.
    assert!(is_within("fe80::5efe:10.0.0.1", "fe80::5efe:a00:1/128"));
    assert!(!is_within("fe80::5efe:10.0.0.1", "fe80::/10"));
}

#[test]
fn a_network_that_is_blocked_holds_what_is_sent_to_it_wherever_that_arrives() {
    for (network, address) in [
        ("64:ff9b::/96", "64:ff9b::8.8.8.8"),
        ("2002::/16", "2002:808:808::1"),
        ("fe80::/10", "fe80::5efe:8.8.8.8"),
        ("0.0.0.0/8", "0.0.0.0"),
    ] {
        let blocked = Networks::parse([network]).unwrap();
        assert!(
            blocked.find_containing(ip(address)).is_some(),
            "{network}: {address}"
        );
    }
}
