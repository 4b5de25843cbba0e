use super::*;

fn grant(text: &str) -> Grant {
    text.parse().unwrap()
}

fn granted(grant: &Grant, host: &str, port: u16) -> bool {
    grant.covers(&Host::parse(host).unwrap(), port)
}

fn refusal(text: &str) -> String {
    text.parse::<Grant>().unwrap_err().to_string()
}

/// Each text and the beginning of its error.
fn refuse(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        let actual = refusal(text);
        assert!(actual.starts_with(message), "{text}: {actual}");
    }
}

#[test]
fn the_scheme_gives_the_default_port_and_nothing_else() {
    assert!(granted(&grant("http://host"), "host", 80));
    assert!(granted(&grant("https://host"), "host", 443));
    assert!(granted(&grant("HTTPS://host/"), "host", 443));
    assert!(granted(&grant("tls://host:80"), "host", 80));
}

#[test]
fn names_are_compared_in_one_form() {
    let grant = grant("https://Bücher.Example.");
    for same in [
        "bücher.example",
        "BÜCHER.example",
        "xn--bcher-kva.example",
        "XN--BCHER-KVA.EXAMPLE.",
    ] {
        assert!(granted(&grant, same, 443), "{same}");
    }
    assert!(!granted(&grant, "bucher.example", 443));
}

#[test]
fn a_wildcard_covers_every_depth_but_not_the_apex() {
    let grant = grant("tcp://*.example.com:5432");
    assert!(granted(&grant, "a.example.com", 5432));
    assert!(granted(&grant, "a.b.example.com.", 5432));
    assert!(!granted(&grant, "example.com", 5432));
    assert!(!granted(&grant, "badexample.com", 5432));
    assert!(!granted(&grant, "a.example.com.evil.org", 5432));
}

#[test]
fn a_lone_star_covers_every_name_and_address() {
    let grant = grant("tcp://*:25");
    assert!(granted(&grant, "mail.example.com", 25));
    assert!(granted(&grant, "192.0.2.1", 25));
    assert!(!granted(&grant, "192.0.2.1", 26));
}

#[test]
fn a_port_may_be_any() {
    let grant = grant("tls://host:*");
    assert!(granted(&grant, "host", 1));
    assert!(granted(&grant, "host", 65535));
}

#[test]
fn every_spelling_of_an_address_is_that_address() {
    let v4 = grant("tcp://127.0.0.1:80");
    for same in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "::ffff:127.0.0.1",
    ] {
        assert!(granted(&v4, same, 80), "{same}");
        assert_eq!(Host::parse(same).unwrap().to_string(), "127.0.0.1", "{same}");
    }
    assert!(granted(&grant("tcp://0x7f000001:80"), "127.0.0.1", 80));
    let v6 = grant("tcp://[2001:DB8::1]:80");
    for same in ["2001:db8::1", "[2001:db8:0:0::1]"] {
        assert!(granted(&v6, same, 80), "{same}");
    }
}

#[test]
fn a_network_covers_its_addresses() {
    let v4 = grant("https://10.0.0.0/8");
    assert!(granted(&v4, "10.200.3.4", 443));
    assert!(granted(&v4, "::ffff:10.0.0.1", 443));
    assert!(!granted(&v4, "11.0.0.1", 443));
    assert!(!granted(&v4, "10.200.3.4", 80));
    let v6 = grant("tls://[fd00::/8]:*");
    assert!(granted(&v6, "fd12::1", 8443));
    assert!(!granted(&v6, "fe80::1", 8443));
}

#[test]
fn a_grant_of_a_wrong_shape_says_why() {
    refuse(&[
        (
            "db:5432",
            "grant `db:5432` has no scheme; write `tcp://HOST:PORT`",
        ),
        (
            "udp://db:53",
            "unknown scheme `udp` in grant `udp://db:53`; allowed: `tcp`, `tls`, `http`, `https`, `dns`",
        ),
        ("tcp://db", "`tcp://db` needs a port, such as `tcp://db:5432`"),
        ("tls://[::1]", "`tls://[::1]` needs a port"),
        ("tcp://::1:80", "`::1:80` needs brackets around its IPv6 address"),
        ("tcp://fd00::/8:80", "`fd00::/8:80` needs brackets"),
        ("tcp://db:0", "invalid port `0`"),
        ("tcp://db:65536", "invalid port `65536`"),
        ("tcp://db:+80", "invalid port `+80`"),
        ("tcp://db:80-90", "invalid port `80-90`"),
        ("tcp://db:", "invalid port ``"),
        (
            "https://example.com/path",
            "grant `https://example.com/path` has a path",
        ),
    ]);
}

#[test]
fn a_grant_without_a_right_host_says_why() {
    refuse(&[
        ("https://", "invalid host ``"),
        ("https://user@host", "it has a user name before `@`"),
        ("tcp://user:pa`ss@host:1", "it has a user name before `@`"),
        ("https://exa mple.com", "invalid host `exa mple.com`"),
        ("https://a..b", "invalid host `a..b`"),
        ("https://[::1", "invalid host `[:`"),
        ("https://fe80::1%eth0", "`fe80::1%eth0` needs brackets"),
        (
            "tcp://ex*mple.com:1",
            "invalid host `ex*mple.com`; no label may be empty, and `*` stands alone",
        ),
        (
            "tcp://a.*.com:1",
            "invalid host `a.*.com`; no label may be empty, and `*` stands alone",
        ),
        (
            "tcp://*.10.0.0.1:1",
            "invalid host `*.10.0.0.1`; no label may be empty, and `*` stands alone",
        ),
        ("tcp://10.0.0.0/33:1", "invalid network `10.0.0.0/33`"),
        ("tcp://10.0.0.0/x:1", "invalid network `10.0.0.0/x`"),
        (
            "tcp://10.1.2.3/8:1",
            "`10.1.2.3/8` has bits beyond its prefix; did you mean `10.0.0.0/8`?",
        ),
    ]);
}

#[test]
fn a_look_up_is_granted_by_name_and_grants_no_connection() {
    let grant = grant("dns://*.example.com");
    assert!(grant.covers_lookup("a.b.example.com"));
    assert!(!grant.covers_lookup("example.com"));
    assert!(!grant.covers_lookup("badexample.com"));
    assert!(!granted(&grant, "a.example.com", 443));
}

#[test]
fn a_look_up_has_no_port_path_or_address() {
    refuse(&[
        ("dns://example.com:53", "invalid DNS name `example.com:53`"),
        ("dns://example.com/", "invalid DNS name `example.com/`"),
        ("dns://10.0.0.0/8", "invalid DNS name `10.0.0.0/8`"),
        ("dns://127.0.0.1", "invalid DNS name `127.0.0.1`"),
        ("dns://[::1]", "invalid DNS name `[::1]`"),
        ("dns://a.*.com", "invalid DNS name `a.*.com`"),
        ("dns://", "invalid DNS name ``"),
    ]);
}

#[test]
fn a_host_is_no_longer_than_dns_can_hold() {
    assert_eq!(
        refusal(&format!("https://{}", "a".repeat(254))),
        "a host name is longer than 253 bytes"
    );
}
