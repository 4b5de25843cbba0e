mod misfits;
mod redirects;

use std::net::IpAddr;

use super::*;

const HTTP: &str = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";

fn grants(allow: &[&str]) -> Grants {
    let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
    Grants {
        allowed: allow,
        ..Grants::default()
    }
}

fn own(target: &str, syntax: &str) -> Grants {
    Grants::for_check(target, syntax, Arc::default(), false).unwrap()
}

fn to(host: &str, port: u16) -> Destination {
    Destination::new(Scheme::Tcp, host, port).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn looks_up(grants: &Grants, name: &str) -> bool {
    grants.check_lookup(&DnsName::parse(name).unwrap()).is_ok()
}

fn granted(grants: &Grants, host: &str, port: u16) -> bool {
    grants.check_name(&to(host, port), Via::Direct) == NameDecision::Granted
}

fn reaches(grants: &Grants, host: &str, address: &str, via: Via) -> bool {
    grants
        .check_address(&to(host, 443), ip(address), via, &Networks::default())
        .is_ok()
}

fn blocked(networks: &[&str]) -> Networks {
    Networks::parse(networks.iter().copied()).unwrap()
}

#[test]
fn no_grants_allow_nothing() {
    let none = Grants::default();
    assert!(!granted(&none, "example.com", 443));
    assert!(!reaches(&none, "93.184.215.14", "93.184.215.14", Via::Direct));
}

#[test]
fn a_name_is_granted_at_its_port_only() {
    let grants = grants(&["tcp://db.internal:5432"]);
    assert!(granted(&grants, "db.internal", 5432));
    assert!(!granted(&grants, "db.internal", 5433));
    assert!(!granted(&grants, "db2.internal", 5432));
    assert!(!granted(&grants, "a.db.internal", 5432));
}

#[test]
fn a_name_may_resolve_into_a_granted_network() {
    let grants = grants(&["https://10.0.0.0/8", "dns://*.internal"]);
    assert_eq!(
        grants.check_name(&to("web.internal", 443), Via::Direct),
        NameDecision::ByAddress
    );
    assert!(reaches(&grants, "web.internal", "10.1.2.3", Via::Direct));
    assert!(reaches(&grants, "web.internal", "::ffff:10.1.2.3", Via::Direct));
    assert!(!reaches(&grants, "web.internal", "192.168.0.1", Via::Direct));
    assert!(matches!(
        grants.check_name(&to("web.internal", 80), Via::Direct),
        NameDecision::Denied(_)
    ));
}

/// A queried name leaves the machine, whatever the response is.
#[test]
fn a_network_alone_lets_no_name_leave() {
    let grants = grants(&["https://10.0.0.0/8"]);
    let denied = |host| match grants.check_name(&to(host, 443), Via::Direct) {
        NameDecision::Denied(denial) => denial.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        denied("73656372.evil.example"),
        "`tcp://73656372.evil.example:443` is not granted to this check; to grant it, add \
         `tcp://73656372.evil.example:443` to its `allow`, or `dns://73656372.evil.example` where its addresses are in a network \
         that is granted"
    );
    let local = grants.check_name(&to("localhost", 443), Via::Direct);
    assert_eq!(local, NameDecision::ByAddress, "it is no question");
}

#[test]
fn a_name_at_a_port_that_only_names_are_granted_at_is_denied() {
    let grants = grants(&["tcp://a.example:80", "dns://b.example"]);
    assert!(looks_up(&grants, "b.example"));
    assert!(matches!(
        grants.check_name(&to("b.example", 80), Via::Direct),
        NameDecision::Denied(Denial::NotGranted { .. })
    ));
}

#[test]
fn localhost_and_what_is_below_it_need_no_grant_to_be_resolved() {
    let grants = grants(&["tcp://127.0.0.0/8:80"]);
    let name = |host| grants.check_name(&to(host, 80), Via::Direct);
    assert_eq!(name("localhost"), NameDecision::ByAddress);
    assert_eq!(name("db.localhost"), NameDecision::ByAddress);
    assert!(matches!(name("localhost.example"), NameDecision::Denied(_)));
    assert!(matches!(name("notlocalhost"), NameDecision::Denied(_)));
}

#[test]
fn a_check_looks_up_what_it_may_reach_and_what_is_allowed() {
    let allow = ["tcp://*.db.internal:5432", "dns://_dmarc.example.com"];
    let allow = allow.map(|text| text.parse().unwrap());
    let grants = Grants::for_check("https://Example.com/", "URL", allow.into(), true).unwrap();
    for name in [
        "example.com",
        "EXAMPLE.com.",
        "a.db.internal",
        "_dmarc.example.com",
    ] {
        assert!(looks_up(&grants, name), "{name}");
    }
    for name in ["www.example.com", "db.internal", "com", ".", "localhost"] {
        assert!(!looks_up(&grants, name), "{name}");
    }
    assert!(
        looks_up(&self::grants(&["tcp://*:25"]), "any.example"),
        "any host, any name"
    );
    assert!(looks_up(&self::grants(&["dns://*"]), "."));
}

#[test]
fn an_address_as_the_target_lets_no_name_leave() {
    for (target, syntax) in [
        ("127.0.0.1:1", "HOST:PORT"),
        ("http://[::1]/", "URL"),
        ("10.0.0.1", "HOST"),
    ] {
        let grants = own(target, syntax);
        assert!(!looks_up(&grants, "evil.example"), "{target}");
        assert!(!looks_up(&grants, "1.0.0.127.in-addr.arpa"), "{target}");
        assert!(matches!(
            grants.check_name(&to("evil.example", 1), Via::Direct),
            NameDecision::Denied(Denial::EndpointNotGranted { .. } | Denial::NotGranted { .. })
        ));
    }
}

#[test]
fn the_grant_that_a_refusal_of_a_place_names_suffices() {
    let places = [own("127.0.0.1:1", "HOST:PORT"), own("a.example:1", "HOST:PORT")];
    for grants in places.into_iter().chain([grants(&["tcp://10.0.0.0/8:1"])]) {
        let NameDecision::Denied(denial) = grants.check_name(&to("b.example", 1), Via::Direct) else {
            panic!("it is not granted");
        };
        let text = denial.to_string();
        let named = text.split("add `").nth(1).and_then(|rest| rest.split('`').next());
        let wider = self::grants(&[named.unwrap()]);
        assert_eq!(
            wider.check_name(&to("b.example", 1), Via::Direct),
            NameDecision::Granted,
            "{text}"
        );
    }
}

#[test]
fn a_target_that_is_a_name_and_no_place_may_be_looked_up() {
    let grants = own("example.com", "NAME");
    assert!(looks_up(&grants, "example.com"));
    assert!(!looks_up(&grants, "a.example.com"));
    assert!(!granted(&grants, "example.com", 53));
}

#[test]
fn a_granted_name_may_resolve_to_anything() {
    let grants = grants(&["https://web.internal"]);
    assert!(reaches(&grants, "web.internal", "10.1.2.3", Via::Direct));
    assert!(reaches(&grants, "web.internal", "::1", Via::Direct));
}

#[test]
fn a_blocked_network_beats_a_granted_name() {
    let grants = grants(&["https://web.internal", "https://127.0.0.0/8", "https://*"]);
    let blocked = blocked(&["private", "loopback"]);
    for (host, address) in [
        ("web.internal", "10.1.2.3"),
        ("127.0.0.1", "127.0.0.1"),
        ("x", "64:ff9b::a00:1"),
    ] {
        let denial = grants
            .check_address(&to(host, 443), ip(address), Via::Direct, &blocked)
            .unwrap_err();
        assert!(matches!(denial, Denial::Blocked { .. }), "{host}");
    }
    assert_eq!(
        grants.check_address(&to("web.internal", 443), ip("1.1.1.1"), Via::Direct, &blocked),
        Ok(())
    );
}

#[test]
fn a_target_is_a_grant_of_its_own() {
    let cases = [
        ("https://example.com/a?b", "URL", "example.com", 443),
        ("http://user:pass@Example.COM:8080/", "URL", "example.com", 8080),
        ("http://[::1]/", "URL", "::1", 80),
        ("http://0x7f000001/", "URL", "127.0.0.1", 80),
        ("db.internal:5432", "HOST:PORT", "db.internal", 5432),
        ("[::1]:5432", "HOST:PORT", "::1", 5432),
        ("mail.example.com:25", "HOST[:PORT]", "mail.example.com", 25),
        ("mail.example.com:25", "HOST or HOST:PORT", "mail.example.com", 25),
        ("http://example.com/", HTTP, "example.com", 80),
        ("https://example.com/", HTTP, "example.com", 443),
        ("cache:6379", "redis://HOST[:PORT] or HOST:PORT", "cache", 6379),
        ("https://example.com/", "anything", "example.com", 443),
        ("redis://cache:6379/0", "anything", "cache", 6379),
        ("cache:6379", "anything", "cache", 6379),
    ];
    for (target, syntax, host, port) in cases {
        let grants = own(target, syntax);
        assert!(granted(&grants, host, port), "{target}");
        assert!(!granted(&grants, host, port + 1), "{target}");
        assert!(!granted(&grants, "other.example", port), "{target}");
    }
}

#[test]
fn a_host_alone_grants_every_port_of_it_since_the_plugin_chooses_one() {
    for syntax in ["HOST[:PORT]", "HOST or HOST:PORT"] {
        for host in ["example.com", "2001:db8::1"] {
            let target = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.to_owned()
            };
            let grants = own(&target, syntax);
            assert!(
                granted(&grants, host, 443) && granted(&grants, host, 25),
                "{target}"
            );
            assert!(!granted(&grants, "other.example", 443), "{target}");
        }
    }
}

#[test]
fn a_target_of_unknown_syntax_may_be_no_place() {
    for target in [
        "10.0.0.1",
        "unix:/run/x.sock",
        "",
        "redis://cache/0",
        "the blue one",
        "a:b:c",
    ] {
        assert_eq!(own(target, "NAME"), Grants::default(), "{target}");
    }
}

#[test]
fn allow_adds_to_the_target() {
    let allow = ["tcp://db.internal:5432".parse().unwrap()].into();
    let grants = Grants::for_check("https://example.com/", "URL", allow, false).unwrap();
    assert!(granted(&grants, "example.com", 443));
    assert!(granted(&grants, "db.internal", 5432));
}

#[test]
fn a_denial_names_the_destination() {
    let grants = grants(&["tcp://[fd00::/8]:443"]);
    let here = Destination::new(Scheme::Https, "Evil.example", 443).unwrap();
    let denial = |address, networks: &[&str]| {
        grants
            .check_address(&here, ip(address), Via::Direct, &blocked(networks))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        denial("10.0.0.1", &[]),
        "`https://evil.example:443` is at 10.0.0.1, which is not granted to this check; to grant it, add \
         `https://evil.example:443` to its `allow`"
    );
    assert_eq!(
        denial("fd00::1", &["private"]),
        "`https://evil.example:443` is at fd00::1, in the blocked network fc00::/7"
    );
    let NameDecision::Denied(denial) = grants.check_name(&to("::1", 80), Via::Direct) else {
        panic!("nothing grants loopback");
    };
    assert_eq!(
        denial.to_string(),
        "`tcp://[::1]:80` is not granted to this check; to grant it, add `tcp://[::1]:80` to its `allow`"
    );
}

#[test]
fn a_destination_needs_a_host_and_a_port() {
    assert!(Destination::new(Scheme::Tcp, "host", 0).is_err());
    for host in [
        "",
        ".",
        "a..b",
        "*.example.com",
        "*",
        "a/b",
        "a:80",
        "user@host",
        "a\0b",
        "fe80::1%eth0",
    ] {
        assert!(Destination::new(Scheme::Tcp, host, 80).is_err(), "{host:?}");
    }
}

#[test]
fn a_host_may_have_any_byte_that_means_nothing_else() {
    for host in [
        "web_1",
        "my_app_1.test",
        "a!b.test",
        "-a.test",
        "a-.test",
        "xn--.test",
        "_x._y",
        "a'~$&(),;=+`{}\"",
    ] {
        assert_eq!(to(host, 80).host(), &Host::Name(host.to_owned()), "{host}");
    }
}

#[test]
fn a_name_is_resolved_as_it_was_written_and_checked_without_its_dot() {
    assert_eq!(to("Web.Local.", 80).name_to_resolve().unwrap(), "web.local.");
    assert_eq!(to("Web.Local.", 80).host(), &Host::Name("web.local".to_owned()));
    assert_eq!(to("web.local", 80).name_to_resolve().unwrap(), "web.local");
    assert_eq!(to("127.0.0.1", 80).name_to_resolve(), None);
}

#[test]
fn a_host_is_at_most_as_long_as_dns_can_hold() {
    let host = |length: usize| format!("{}.a", ["a"; 126].join(".")) + &"b".repeat(length - 253);
    assert_eq!(host(253).len(), 253);
    assert!(Destination::new(Scheme::Tcp, &host(253), 80).is_ok());
    assert!(matches!(
        Destination::new(Scheme::Tcp, &host(254), 80),
        Err(GrantError::HostTooLong { limit: 253 })
    ));
    // A number may have any number of leading zeros and is still an address.
    assert!(matches!(
        Destination::new(Scheme::Tcp, &format!("0x{}7f000001", "0".repeat(300)), 80),
        Err(GrantError::HostTooLong { limit: 253 })
    ));
    let international = ["\u{fc}"; 84].join(".");
    assert!(matches!(
        Destination::new(Scheme::Tcp, &international, 80),
        Err(GrantError::HostTooLong { limit: 253 })
    ));
}

/// Otherwise such a name would be looked up, and would count as a name that does not resolve.
#[test]
fn a_label_of_a_host_is_at_most_as_long_as_dns_can_hold() {
    let is_valid = |host: String| Destination::new(Scheme::Tcp, &host, 80).is_ok();
    let label = "a".repeat(63);
    assert!(is_valid(format!("{label}.{label}.test.")));
    for host in [format!("{label}a"), format!("x.{label}a.test")] {
        assert!(matches!(
            Destination::new(Scheme::Https, &host, 443),
            Err(GrantError::LabelTooLong { limit: 63, .. })
        ));
    }
    // Longer in its ASCII form.
    assert!(!is_valid("\u{fc}".repeat(63)));
}
