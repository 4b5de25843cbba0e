use std::fmt;

use canary_sdk::fake::{self, FakeHost};
use canary_sdk::http::{Request, Version};
use canary_sdk::tcp::IpFamily;
use canary_sdk::tls;
use serde_json::{Value, json};

use crate::Http;

const URL: &str = "https://example.com/";

fn sent(config: impl fmt::Display) -> Request {
    let host = FakeHost::new().http(|_| Ok(fake::response(200)));
    host.run::<Http>(URL, config).unwrap();
    host.requests().remove(0)
}

fn refused(target: &str, config: Value) -> String {
    let problems = FakeHost::new().check_config::<Http>(Some(target), config);
    problems.first().expect("a problem").to_string()
}

fn headers(request: &Request) -> Vec<(&str, &str)> {
    let headers = request.headers.iter();
    headers
        .map(|(name, value)| (name.as_str(), str::from_utf8(value).unwrap()))
        .collect()
}

#[test]
fn the_default_is_a_get_that_reads_the_body_and_throws_it_away() {
    let request = sent(json!({}));
    let expected = Request::get(URL).max_redirects(10).max_body(1);
    assert_eq!(request, expected);
}

#[test]
fn every_option_reaches_the_host() {
    let request = sent(json!({
        "method": "POST", "body": "a=1", "follow_redirects": false, "max_redirects": 3, "version": ["2", "1.0"], "source_address": "::1",
        "ip_family": "ipv6", "connect_to": "localhost:8443", "proxy": "environment", "propagate_trace": true,
        "tls": { "ca": "CA", "client_cert": "C", "client_key": "K", "server_name": "x", "min_version": "1.3",
            "max_version": "1.3", "trusted": false, "sni": false },
        "proxy_tls": { "ca": "P" },
    }));
    let tls = tls::Options::new()
        .ca_certificates("CA")
        .client_identity("C", "K")
        .server_name("x")
        .min_version(tls::Version::Tls13)
        .max_version(tls::Version::Tls13)
        .sni(false)
        .require_valid(false);
    let expected = Request::post(URL, "a=1")
        .max_redirects(0)
        .max_body(1)
        .versions([Version::Http2, Version::Http10])
        .source_address("::1")
        .ip_family(IpFamily::Ipv6)
        .connect_to("localhost:8443")
        .proxy("environment")
        .proxy_tls(tls::Options::new().ca_certificates("P"))
        .propagate_trace(true)
        .tls(tls);
    assert_eq!(request, expected);
}

#[test]
fn a_header_may_have_several_values() {
    let request = sent(json!({ "headers": { "accept": ["text/html", "text/plain"], "x-one": "1" } }));
    assert_eq!(
        headers(&request),
        [("accept", "text/html"), ("accept", "text/plain"), ("x-one", "1")]
    );
}

#[test]
fn credentials_become_an_authorization_header() {
    let basic = sent(json!({ "basic_auth": { "username": "Aladdin", "password": "open sesame" } }));
    assert_eq!(
        headers(&basic),
        [("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
    );
    let bearer = sent(json!({ "bearer_token": "t0k3n" }));
    assert_eq!(headers(&bearer), [("authorization", "Bearer t0k3n")]);
}

#[test]
fn a_json_body_brings_its_content_type() {
    let request = sent(json!({ "method": "PUT", "body_json": { "a": [1, null] } }));
    assert_eq!(request.body, br#"{"a":[1,null]}"#);
    assert_eq!(headers(&request), [("content-type", "application/json")]);
    let own = sent(json!({ "body_json": 1, "headers": { "Content-Type": "application/problem+json" } }));
    assert_eq!(headers(&own), [("Content-Type", "application/problem+json")]);
    let long = sent(r#"{"body_json":{"id":12345678901234567890123,"share":1e-400}}"#);
    assert_eq!(long.body, br#"{"id":12345678901234567890123,"share":1e-400}"#);
}

#[test]
fn only_as_much_body_is_kept_as_the_expectations_need() {
    let max_body = |expect: Value| sent(json!({ "expect": expect })).options.max_body;
    let of_head = |expect: Value| {
        sent(json!({ "read_body": false, "expect": expect }))
            .options
            .max_body
    };
    // Read to the end and discarded.
    assert_eq!(max_body(json!({ "status": 200, "latency": { "fail": "1s" } })), 1);
    assert_eq!(max_body(json!({ "body": {} })), 1);
    assert_eq!(of_head(json!({ "latency": { "fail": "1s" } })), 0);
    assert_eq!(of_head(json!({ "json": { "$.a": 1 } })), 1 << 20);
    assert_eq!(max_body(json!({ "body": { "contains": "x" } })), 1 << 20);
    assert_eq!(
        max_body(json!({ "body": { "max_size": "10KiB", "not_matches": "x" } })),
        1 << 20
    );
    assert_eq!(
        max_body(json!({ "body": { "max_size": "2MiB", "matches": "x" } })),
        2 << 20
    );
    assert_eq!(max_body(json!({ "body": { "max_size": "10KiB" } })), 10 << 10);
    assert_eq!(max_body(json!({ "body": { "max_size": 0 } })), 1);
    assert_eq!(max_body(json!({ "body": { "max_size": "1GiB" } })), 8 << 20);
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let basic = json!({ "username": "a", "password": "b" });
    assert_eq!(
        refused(URL, json!({ "body": "x", "body_json": 1 })),
        "/config/body_json: only one of `body` and `body_json` can be sent"
    );
    assert_eq!(
        refused(URL, json!({ "basic_auth": basic, "bearer_token": "x" })),
        "/config/bearer_token: only one of `basic_auth` and `bearer_token` can be sent"
    );
    assert_eq!(
        refused(
            URL,
            json!({ "bearer_token": "x", "headers": { "Authorization": "y" } })
        ),
        "/config/headers/Authorization: is already set by `basic_auth` or `bearer_token`"
    );
    assert_eq!(
        refused(
            URL,
            json!({ "basic_auth": { "username": "a:b", "password": "c" } })
        ),
        "/config/basic_auth/username: must not contain a colon"
    );
    assert_eq!(
        refused(URL, json!({ "tls": { "client_cert": "x" } })),
        "/config/tls/client_cert: needs a `client_key`"
    );
}

#[test]
fn a_target_is_an_http_url_without_a_user() {
    assert_eq!(
        refused("example.com/?token=x", json!({})),
        "/target: `example.com/?…` is not an `http` or `https` URL"
    );
    assert_eq!(
        refused("https://me:secret@example.com/", json!({})),
        "/target: a user name belongs in `basic_auth`, not in the URL"
    );
}
