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
        (".", ""),
    ];
    for (text, name) in cases {
        assert_eq!(DnsName::parse(text).unwrap().as_str(), name, "{text}");
    }
    assert_eq!(DnsName::parse(".").unwrap().to_string(), ".");
}

/// What is judged as one name and asked for as another would leave past the grants.
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
