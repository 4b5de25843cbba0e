//! Expectations that redirects decide about.

use canary_sdk::fake::FakeHost;
use serde_json::{Value, json};

#[test]
fn where_no_redirect_is_followed_the_target_is_what_answers() {
    let of = |target: &str, config: Value| super::of(&FakeHost::new(), target, &config);
    let expect = json!({
        "final_url": { "equals": "https://example.com/login", "not_contains": "/a" },
        "certificate": {},
    });
    let unmet = [
        "/config/expect/final_url/equals: the target's own URL does not meet it, and no redirect is followed",
        "/config/expect/certificate: the target is not `https`, and no redirect is followed",
    ];
    for key in ["follow_redirects", "max_redirects"] {
        let value = if key == "follow_redirects" {
            json!(false)
        } else {
            json!(0)
        };
        let config = json!({ key: value, "expect": expect });
        assert_eq!(of("http://example.com/", config.clone()), unmet);
        assert_eq!(of("https://EXAMPLE.com/login", config), [""; 0]);
    }
    assert_eq!(of("http://example.com/", json!({ "expect": expect })), [""; 0]);
    let config = |version: Value| json!({ "follow_redirects": false, "version": version, "expect": { "version": "2" } });
    assert_eq!(
        of("http://example.com/", config(json!(["2", "1.1"]))),
        ["/config/expect/version: without TLS, the request uses `1.1`"]
    );
    assert_eq!(of("http://example.com/", config(json!(["2", "1.0"]))), [""; 0]);
    assert_eq!(of("https://example.com/", config(json!(["2", "1.1"]))), [""; 0]);
    for (version, expected) in [
        (json!("1.1"), json!("1.0")),
        (json!("1.0"), json!("1.1")),
        (json!(["2", "1.1"]), json!(["2", "1.0"])),
    ] {
        let config =
            json!({ "follow_redirects": false, "version": version, "expect": { "version": expected } });
        assert_eq!(
            of("http://example.com/", config),
            [""; 0],
            "a server names its own version"
        );
    }
    let config = json!({ "follow_redirects": false, "expect": { "version": "1.0" } });
    assert_eq!(of("http://example.com/", config), [""; 0]);
}
