use super::*;

fn covers(origin: &str, scheme: Scheme, host: &str, port: u16) -> bool {
    let origin: SecretOrigin = origin.parse().unwrap();
    origin.covers(&Destination::new(scheme, host, port).unwrap())
}

#[test]
fn an_origin_is_a_scheme_a_host_and_a_port() {
    assert!(covers("https://a.test", Scheme::Https, "a.test", 443));
    assert!(covers("HTTPS://A.test:8443/", Scheme::Https, "a.test", 8443));
    assert!(covers("https://*.test", Scheme::Https, "b.a.test", 443));
    assert!(!covers("https://a.test", Scheme::Https, "a.test", 8443));
    assert!(!covers("https://a.test", Scheme::Https, "b.test", 443));
}

#[test]
fn an_https_origin_does_not_cover_http() {
    assert!(!covers("https://a.test:80", Scheme::Http, "a.test", 80));
    assert!(covers("http://a.test", Scheme::Http, "a.test", 80));
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "a.test",
        "tcp://a.test:443",
        "dns://a.test",
        "https://a.test/path",
        "https://",
    ] {
        assert!(text.parse::<SecretOrigin>().is_err(), "{text}");
    }
}
