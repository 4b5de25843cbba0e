use super::*;

#[test]
fn a_name_has_one_form() {
    let cases = [
        ("example.com", "example.com"),
        ("Example.COM.", "example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("_sip._tcp.example.com", "_sip._tcp.example.com"),
        ("4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa"),
        ("*.example.com", "*.example.com"),
        ("com", "com"),
        ("db1", "db1"),
        ("A!b-.example", "a!b-.example"),
        (".", ""),
    ];
    for (text, name) in cases {
        assert_eq!(DnsName::parse(text).unwrap().as_str(), name, "{text}");
    }
    assert_eq!(DnsName::parse(".").unwrap().to_string(), ".");
    assert_eq!(DnsName::parse("Db1.").unwrap().to_string(), "db1");
}

/// A name that is checked as one name and queried as another would bypass the grants.
#[test]
fn a_name_that_could_be_read_in_two_ways_is_refused() {
    let long_label = "a".repeat(64);
    let long = ["a"; 128].join(".");
    for text in [
        "",
        "..",
        "a..b",
        ".a",
        r"secret\.example.com",
        r"secret\046example.com",
        "secret.evil.test\0.example.com",
        "a b.example.com",
        "a\u{3002}\u{3002}b",
        "a/b.example.com",
        "a@example.com",
        "a:53",
        "*",
        "a.*.example.com",
        "127.0.0.1",
        "1.2.3",
        "::1",
        long_label.as_str(),
        long.as_str(),
    ] {
        assert!(DnsName::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_name_and_its_labels_are_at_most_as_long_as_dns_can_hold() {
    let label = "a".repeat(63);
    assert!(DnsName::parse(&label).is_ok());
    let name = |last: usize| format!("{label}.{label}.{label}.{}", "b".repeat(last));
    assert_eq!(name(61).len(), 253);
    assert!(DnsName::parse(&name(61)).is_ok());
    assert!(DnsName::parse(&format!("{}.", name(61))).is_ok());
    assert!(DnsName::parse(&name(62)).is_err());
}

/// Characters that are removed in the end still have to be read: soft hyphens, two bytes each.
#[test]
fn a_text_is_not_read_beyond_four_bytes_for_each_that_a_name_may_have() {
    let padded = |bytes: usize| format!("ab{}", "\u{ad}".repeat((bytes - 2) / 2));
    assert_eq!(DnsName::parse(&padded(1_012)).unwrap().as_str(), "ab");
    assert!(DnsName::parse(&padded(1_014)).is_err());
}

#[test]
fn a_refusal_shows_as_much_as_a_name_may_have() {
    let shown = |text: &str| match DnsName::parse(text).unwrap_err() {
        GrantError::DnsName { name } => name,
        other => panic!("{other}"),
    };
    assert_eq!(shown("a b"), "a b");
    assert_eq!(shown(&" ".repeat(300)), " ".repeat(253));
}
