use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn blocked(networks: &[&str]) -> Networks {
    Networks::parse(networks.iter().copied()).unwrap()
}

#[test]
fn the_named_networks_hold_what_they_say() {
    let cases = [
        (
            "private",
            "10.0.0.1 172.31.0.1 192.168.1.1 100.64.0.1 fd00::1 fec0::1 ::ffff:10.0.0.1 2002:a00:1::",
            "1.1.1.1 fe80::1",
        ),
        (
            "link-local",
            "169.254.1.1 fe80::1 64:ff9b::a9fe:101 224.0.0.251 255.255.255.255 ff02::fb",
            "10.0.0.1 ::1",
        ),
        (
            "metadata",
            "169.254.169.254 100.100.100.200 168.63.129.16 fd00:ec2::254 fe80::a9fe:a9fe 2002:a9fe:a9fe::",
            "169.254.1.1 100.100.100.201",
        ),
        (
            "loopback",
            "127.8.9.1 ::1 0.0.0.0 :: ::ffff:127.0.0.1",
            "128.0.0.1 2001:db8::1",
        ),
        ("192.0.2.0/24", "192.0.2.9", "192.0.3.9"),
        ("[2001:db8::/32]", "2001:db8::1", "2001:db9::1"),
    ];
    for (name, inside, outside) in cases {
        let networks = blocked(&[name]);
        for address in inside.split(' ') {
            assert!(
                networks.find_containing(ip(address)).is_some(),
                "{name} holds {address}"
            );
        }
        for address in outside.split(' ') {
            assert!(
                networks.find_containing(ip(address)).is_none(),
                "{name} does not hold {address}"
            );
        }
    }
}

#[test]
fn no_network_is_blocked_by_default() {
    assert_eq!(Networks::default().find_containing(ip("127.0.0.1")), None);
    assert_eq!(Networks::parse([]), Ok(Networks::default()));
}

#[test]
fn an_unknown_network_is_named() {
    let error = |text| Networks::parse([text]).unwrap_err().to_string();
    assert!(error("privat").starts_with("unknown network `privat`; allowed: `private`"));
    assert!(error("10.0.0.0/33").starts_with("invalid network `10.0.0.0/33`"));
    assert_eq!(
        error("10.1.0.0/8"),
        "`10.1.0.0/8` has bits beyond its prefix; did you mean `10.0.0.0/8`?"
    );
}

#[test]
fn public_is_what_the_internet_routes() {
    for address in "1.1.1.1 93.184.215.14 100.128.0.1 172.32.0.1 2606:4700::1111 2a00::1 ::ffff:1.1.1.1 \
                    2002:101:101:: 64:ff9b::101:101"
        .split_whitespace()
    {
        assert!(is_public(ip(address)), "{address}");
    }
    for address in "0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 168.63.129.16 169.254.169.254 172.16.0.1 192.0.0.192 \
                    192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
                    255.255.255.255 :: ::1 ::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 3fff::1 fc00::1 \
                    fd00:ec2::254 fe80::1 fec0::1 ff02::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 2002:a00:1:: \
                    2002:7f00:1:: 64:ff9b::a00:1 64:ff9b::a9fe:a9fe"
        .split_whitespace()
    {
        assert!(!is_public(ip(address)), "{address}");
    }
}
