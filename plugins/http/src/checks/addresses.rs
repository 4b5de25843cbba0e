//! A target that is an address, held against the other addresses of a configuration.

use canary_sdk::fake::FakeHost;
use serde_json::{Value, json};

fn of(target: &str, config: &Value) -> Vec<String> {
    super::of(&FakeHost::new(), target, config)
}

#[test]
fn it_is_of_the_family_of_the_source_address() {
    let config = json!({ "source_address": "::1" });
    let refused = ["/target: `127.0.0.1` is not an IPv6 address, and `source_address` reaches no other"];
    assert_eq!(of("http://127.0.0.1:80/", &config), refused);
    for target in ["http://[::1]/", "http://example.com/"] {
        assert_eq!(of(target, &config), [""; 0], "{target}");
    }
    for (key, elsewhere) in [("connect_to", "[::1]:80"), ("proxy", "http://[::1]:80")] {
        let config = json!({ "source_address": "::1", key: elsewhere });
        assert_eq!(of("http://127.0.0.1/", &config), [""; 0], "{key}");
    }
}

/// With redirects, another server may answer.
#[test]
fn where_no_redirect_is_followed_it_is_the_address_that_answers() {
    let config = |more: Value| {
        let mut config = json!({ "expect": { "peer_address": "10.0.0.0/8" }, "follow_redirects": false });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    };
    assert_eq!(
        of("http://127.0.0.1/", &config(json!({}))),
        ["/config/expect/peer_address: the target's address `127.0.0.1` is in none of these"]
    );
    assert_eq!(of("http://10.1.2.3/", &config(json!({}))), [""; 0]);
    for more in [
        json!({ "follow_redirects": true }),
        json!({ "connect_to": "10.1.2.3:80" }),
        json!({ "proxy": "http://10.1.2.3:80" }),
    ] {
        assert_eq!(of("http://127.0.0.1/", &config(more.clone())), [""; 0], "{more}");
    }
}
