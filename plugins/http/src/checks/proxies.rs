//! Proxies, and their TLS options.

use serde_json::{Value, json};

use super::{places, problems};

#[test]
fn a_proxy_connects_to_addresses_of_its_own_choice() {
    let proxy = "http://proxy.test:3128";
    assert_eq!(
        places(&json!({ "addresses": "all", "proxy": proxy })),
        ["/config/addresses"]
    );
    assert_eq!(places(&json!({ "addresses": "one", "proxy": proxy })), [""; 0]);
}

#[test]
fn tls_options_of_a_proxy_need_one_that_uses_tls() {
    let found = |proxy: Value| problems(&json!({ "proxy": proxy, "proxy_tls": { "ca": "x" } }));
    let unused = ["/config/proxy_tls: is only for a proxy that is contacted over TLS"];
    for (proxy, is_used) in [
        (json!("https://proxy.test"), true),
        (json!("environment"), true),
        (json!("http://proxy.test"), false),
        (json!("socks5://proxy.test"), false),
        (json!(null), false),
    ] {
        let expected: &[&str] = if is_used { &[] } else { &unused };
        assert_eq!(found(proxy.clone()), expected, "{proxy}");
    }
    assert_eq!(
        problems(&json!({ "proxy": "https://proxy.test", "proxy_tls": { "client_cert": "x" } })),
        ["/config/proxy_tls/client_cert: needs a `client_key`"]
    );
}
