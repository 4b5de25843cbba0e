//! The exporter's HTTP cases.

use canary_tests::certificate::{Authority, Leaf};
use canary_tests::harness::{Harness, alone};
use canary_tests::peer::compressed::{deflate, gzip};
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::tls::NAMES;
use serde_json::{Value, json};

use super::{Case, fails, succeeds};

const DATABASE: &str = "Bad news: could not connect to database server";
const DOWNLOAD: &str = "Download the latest version here. Copyright 2015 Test Inc.";
const JSON: &str = r#"{"foo": {"bar": "baz"}}"#;
/// Longest body that the exporter's test of lengths allows.
const LIMIT: usize = 128;

fn text() -> String {
    "hello world".repeat(10)
}

/// The text of [`text`], compressed by another program.
const BROTLI: &[u8] =
    b"\x1b\x6d\x00\xf8\x8d\x94\x6e\xde\x44\x55\x86\x96\x6c\x20\x6f\x35\x0b\x60\x15\x40\x06\xc4\xdd\x01";

fn cookies(values: &[&str]) -> Reply {
    let page = Reply::text("ok");
    values
        .iter()
        .fold(page, |reply, value| reply.header("set-cookie", value))
}

fn encoded(encoding: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::text(body.into()).header("content-encoding", encoding)
}

fn redirect_number(path: &str) -> Reply {
    let number: u32 = path.trim_start_matches("/redirect-").parse().unwrap_or_default();
    Reply::redirect(302, &format!("/redirect-{}", number + 1))
}

fn route(request: &Request) -> Reply {
    const DOMAIN: &str = "gid=1; Expires=Tue, 19-Mar-2019 20:08:29 GMT; Domain=.example.com; Path=/";
    const OTHER: &str = "zz=4; expires=Mon, 01-Jan-1990 00:00:00 GMT; Domain=www.example.com; Path=/";
    let when = |holds: bool| Reply::status(if holds { 200 } else { 400 });
    match request.path() {
        "/identity" => encoded("identity", text()),
        "/unknown" => encoded("xxx", "x".repeat(110)),
        "/gzip" => encoded("gzip", gzip(text().as_bytes())),
        "/deflate" => encoded("deflate", deflate(text().as_bytes())),
        "/br" => encoded("br", BROTLI),
        "/short" => Reply::text("A".repeat(LIMIT - 1)),
        "/long" => Reply::text("A".repeat(LIMIT + 1)),
        "/short-gzip" => encoded("gzip", gzip(&[b'A'; LIMIT - 1])),
        "/long-gzip" => encoded("gzip", gzip(&[b'A'; LIMIT + 1])),
        "/moved" => Reply::redirect(302, "/"),
        path if path.starts_with("/redirect-") => redirect_number(path),
        "/post" => when(request.method == "POST"),
        "/basic" => when(request.header("authorization") == Some("Basic dXNlcm5hbWU6cGFzc3dvcmQ=")),
        "/bearer" => when(request.header("authorization") == Some("Bearer mysecret")),
        "/body" => when(&*request.body == b"Test Body"),
        "/headers" => when(
            request.header("host") == Some("my-secret-vhost.com")
                && request.header("user-agent") == Some("unsuspicious-user")
                && request.header("accept-language") == Some("en-US"),
        ),
        "/cookie" => Reply::redirect(302, "/with-cookie").header("set-cookie", "somecookie=cookie"),
        "/with-cookie" => when(request.header("cookie") == Some("somecookie=cookie")),
        "/database" => Reply::text(DATABASE),
        "/download" => Reply::text(DOWNLOAD),
        "/hello" => Reply::text("hello world"),
        "/emoji" => Reply::text("🤠🤠🤠"),
        "/json" => Reply::text(JSON),
        "/json-emoji" => Reply::text(r#"{"foo": {"bar": "🤠🤠🤠"}}"#),
        "/json-empty" => Reply::text("{}"),
        "/json-text" => Reply::text(r#""foo""#),
        "/json-list" => Reply::text(r#"["foo","bar","baz"]"#),
        "/json-true" => Reply::text("true"),
        "/empty" => Reply::status(200),
        "/javascript" => Reply::status(200).header("content-type", "text/javascript"),
        "/octets" => Reply::status(200).header("content-type", "application/octet-stream"),
        "/no-type" => Reply::status(200).header("content-type", ""),
        "/domain" => cookies(&[DOMAIN]),
        "/two-domains" => cookies(&[OTHER, DOMAIN]),
        "/other-domain" => cookies(&[OTHER]),
        path => match path.trim_start_matches('/').parse() {
            Ok(status) => Reply::status(status),
            Err(_) => Reply::text("ok"),
        },
    }
}

fn expect(expect: Value) -> Value {
    json!({ "expect": expect })
}

/// Runs each case against the path that it names.
fn try_all(cases: Vec<(&'static str, Case)>) {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        for (path, case) in cases {
            case.assert_verdict(harness.plugin("http").target(&site.url("http", path)))
                .await;
        }
    });
}

#[test]
fn statuses_and_versions() {
    let of = |status: Value| expect(json!({ "status": status }));
    let versions = |list: Value| expect(json!({ "version": list }));
    try_all(vec![
        ("/200", succeeds("200 by default", json!({}))),
        ("/201", succeeds("201 by default", json!({}))),
        ("/299", succeeds("299 by default", json!({}))),
        ("/300", fails("300 by default", json!({}))),
        ("/404", fails("404 by default", json!({}))),
        ("/404", succeeds("404 of two", of(json!([200, 404])))),
        ("/200", succeeds("200 of two", of(json!([200, 404])))),
        ("/201", fails("201 of two others", of(json!([200, 404])))),
        ("/404", succeeds("404 alone", of(json!([404])))),
        ("/200", fails("200 is not 404", of(json!([404])))),
        ("/200", succeeds("any version", json!({}))),
        ("/200", succeeds("HTTP/1.1", versions(json!(["1.1"])))),
        ("/200", succeeds("HTTP/1.1 of two", versions(json!(["1.1", "2"])))),
        ("/200", fails("HTTP/2 only", versions(json!(["2"])))),
    ]);
}

#[test]
fn bodies_that_are_compressed() {
    let asks = |words: Value| json!({ "accept_encoding": words, "expect": { "body": text() } });
    try_all(vec![
        ("/identity", succeeds("identity", json!({}))),
        ("/hello", succeeds("no encoding", json!({}))),
        ("/unknown", succeeds("an encoding that nobody knows", json!({}))),
        ("/404", fails("404 with a body", json!({}))),
        ("/br", succeeds("brotli, not asked for", json!({}))),
        ("/deflate", succeeds("deflate, not asked for", json!({}))),
        ("/gzip", succeeds("gzip, not asked for", json!({}))),
        ("/gzip", succeeds("gzip", asks(json!("gzip")))),
        ("/br", succeeds("brotli", asks(json!("br")))),
        ("/deflate", succeeds("deflate", asks(json!("deflate")))),
        (
            "/identity",
            succeeds("identity, gzip asked for", asks(json!("gzip"))),
        ),
        ("/gzip", succeeds("gzip of two", asks(json!(["br", "gzip"])))),
        (
            "/gzip",
            fails("gzip, deflate asked for", asks(json!("deflate"))).but(
                "pass",
                "the answer is decompressed by what it says it is, whatever was asked for",
            ),
        ),
    ]);
}

#[test]
fn bodies_that_are_too_long() {
    let limit = expect(json!({ "body": { "max_size": LIMIT } }));
    let unpacked = json!({ "accept_encoding": "gzip", "expect": { "body": { "max_size": LIMIT } } });
    try_all(vec![
        ("/short", succeeds("short", limit.clone())),
        ("/long", fails("long", limit)),
        ("/short-gzip", succeeds("short, compressed", unpacked.clone())),
        ("/long-gzip", fails("long, compressed", unpacked)),
    ]);
}

#[test]
fn requests_and_redirects() {
    let headers = json!({ "headers": {
        "Host": "my-secret-vhost.com", "User-Agent": "unsuspicious-user", "Accept-Language": "en-US",
    } });
    try_all(vec![
        ("/moved", succeeds("a redirect is followed", json!({}))),
        (
            "/moved",
            succeeds(
                "a redirect is wanted",
                json!({ "follow_redirects": false, "expect": { "status": 302 } }),
            ),
        ),
        ("/redirect-0", fails("redirects without an end", json!({}))),
        ("/post", succeeds("POST", json!({ "method": "POST" }))),
        (
            "/basic",
            succeeds(
                "basic auth",
                json!({ "basic_auth": { "username": "username", "password": "password" } }),
            ),
        ),
        (
            "/bearer",
            succeeds("bearer token", json!({ "bearer_token": "mysecret" })),
        ),
        (
            "/body",
            succeeds("a body", json!({ "method": "POST", "body": "Test Body" })),
        ),
        ("/headers", succeeds("headers and host", headers)),
        ("/cookie", succeeds("a cookie along a redirect", json!({}))),
        (
            "/",
            succeeds("TLS options without TLS", json!({ "tls": { "trusted": true } })),
        ),
        (
            "/",
            fails("no TLS where it is wanted", expect(json!({ "certificate": {} }))),
        ),
    ]);
}

#[test]
fn bodies_by_patterns() {
    let not = |patterns: Value| expect(json!({ "body": { "not_matches": patterns } }));
    let must = |patterns: Value| expect(json!({ "body": { "matches": patterns } }));
    let database = "could not connect to database";
    try_all(vec![
        ("/database", fails("one, and it matches", not(json!(database)))),
        (
            "/download",
            succeeds("one that does not match", not(json!(database))),
        ),
        (
            "/database",
            fails("one of two matches", not(json!(["internal error", database]))),
        ),
        (
            "/hello",
            succeeds("none of two matches", not(json!(["internal error", database]))),
        ),
        (
            "/database",
            fails("one that has to", must(json!("Download the latest version here"))),
        ),
        (
            "/download",
            succeeds(
                "one that has to, and does",
                must(json!("Download the latest version here")),
            ),
        ),
        (
            "/download",
            fails(
                "one of two that have to",
                must(json!(["Download", "Copyright 2016"])),
            ),
        ),
        (
            "/download",
            succeeds("two that have to", must(json!(["Download", "Copyright 2015"]))),
        ),
    ]);
}

#[test]
fn bodies_of_json() {
    let bar = |rule: Value| expect(json!({ "json": { "$.foo.bar": rule } }));
    let root = |rule: Value| expect(json!({ "json": { "$": rule } }));
    let third = |rule: Value| expect(json!({ "json": { "$[2]": rule } }));
    let not = |value: &str| bar(json!({ "not_equals": value }));
    try_all(vec![
        ("/json", fails("it is what it must not be", not("baz"))),
        ("/json", succeeds("it is not what it must not be", not("qux"))),
        ("/json-empty", fails("the path leads to nothing", not("qux"))),
        ("/hello", fails("no JSON", not("baz"))),
        (
            "/json-text",
            fails("a text at the top", root(json!({ "not_equals": "foo" }))),
        ),
        (
            "/json-list",
            fails("an element", third(json!({ "not_equals": "baz" }))),
        ),
        (
            "/json-true",
            fails("true at the top", root(json!({ "not_equals": true }))),
        ),
        ("/empty", fails("an empty body", not("baz"))),
        ("/emoji", fails("emoji, no JSON", not("baz"))),
        ("/json-emoji", succeeds("emoji in JSON", not("😿😿😿"))),
        ("/json", succeeds("it is what it must be", bar(json!("baz")))),
        ("/json", fails("it is not what it must be", bar(json!("qux")))),
        ("/json-empty", fails("it is not there", bar(json!("qux")))),
        (
            "/json-empty",
            succeeds("it must not be there", bar(json!({ "exists": false }))),
        ),
        ("/json-text", succeeds("the text at the top", root(json!("foo")))),
        ("/json-list", succeeds("the element", third(json!("baz")))),
        ("/json-true", succeeds("true", root(json!(true)))),
        ("/empty", fails("empty, and it must be", bar(json!("baz")))),
        ("/json-emoji", succeeds("the emoji", bar(json!("🤠🤠🤠")))),
    ]);
}

/// A pattern of the exporter's cases, for the domain of a cookie.
const DOMAIN: &str = r".*Domain=\.example\.com.*";

fn kind(rules: Value) -> Value {
    expect(json!({ "headers": { "Content-Type": rules } }))
}

fn cookie(rules: Value) -> Value {
    expect(json!({ "headers": { "Set-Cookie": rules } }))
}

#[test]
fn headers_that_must_not_match() {
    let javascript = || kind(json!({ "not_matches": "text/javascript" }));
    let anything = || kind(json!({ "not_matches": ".*" }));
    let optional = kind(json!({ "not_matches": ".*", "optional": true }));
    let domain = || cookie(json!({ "not_matches": DOMAIN }));
    try_all(vec![
        ("/javascript", fails("it matches", javascript())),
        ("/octets", succeeds("it does not match", javascript())),
        ("/no-type", fails("an empty one matches", anything())),
        ("/empty", fails("an absent one", anything())),
        ("/empty", succeeds("one that may be absent", optional)),
        ("/domain", fails("a cookie's domain", domain())),
        ("/two-domains", fails("the second cookie's", domain())),
    ]);
}

#[test]
fn headers_that_must_match() {
    let javascript = || kind(json!({ "matches": "text/javascript" }));
    let anything = || kind(json!({ "matches": ".*" }));
    let optional = kind(json!({ "matches": ".*", "optional": true }));
    let domain = || cookie(json!({ "matches": DOMAIN }));
    try_all(vec![
        ("/javascript", succeeds("it matches", javascript())),
        ("/octets", fails("it does not match", javascript())),
        ("/no-type", succeeds("an empty one", anything())),
        ("/empty", fails("an absent one", anything())),
        ("/empty", succeeds("one that may be absent", optional)),
        ("/other-domain", fails("no cookie of the domain", domain())),
        ("/two-domains", succeeds("one cookie of two", domain())),
    ]);
}

#[test]
fn servers_over_tls() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let own = Leaf::self_signed(&NAMES).issue();
        let own = Site::start_tls(own.server_config(), route);
        let good = authority.leaf(&NAMES).issue();
        let good = Site::start_tls(good.server_config(), route);
        let anyone = json!({ "tls": { "trusted": false } });
        let trusting = json!({ "tls": { "ca": authority.pem() } });
        let plain = own.url("https", "/");
        let mixed = plain.replacen("https", "HtTpS", 1);
        for (target, case) in [
            (&plain, fails("self-signed", json!({}))),
            (&plain, succeeds("self-signed, and nobody minds", anyone.clone())),
            (&mixed, succeeds("capitals in the scheme", anyone.clone())),
        ] {
            case.assert_verdict(harness.plugin("http").target(target)).await;
        }
        let named = good.url("https", "/").replacen("127.0.0.1", "localhost", 1);
        let name = succeeds("the target's name is the server's", trusting.clone());
        name.assert_verdict(harness.plugin("http").target(&named)).await;
        let elsewhere = good.url("https", "/");
        let redirector = Site::start(move |_| Reply::redirect(302, &elsewhere));
        let attempt = harness.plugin("http").target(&redirector.url("http", "/"));
        let case = succeeds("a redirect to TLS", trusting);
        case.assert_verdict(attempt.allow(&good.url("https", ""))).await;
        let phases = succeeds("phases", anyone);
        let ran = phases.assert_verdict(harness.plugin("http").target(&plain)).await;
        let measured = |phase: &str| {
            let mut measurements = ran.verdict().measurements.iter();
            measurements.any(|number| number.attributes.iter().any(|(_, value)| &**value == phase))
        };
        for phase in ["connect", "handshake", "send", "wait", "receive"] {
            assert!(measured(phase), "{phase}: {ran:?}");
        }
    });
}

#[test]
fn targets_and_their_schemes() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        let upper = site.url("http", "/").replacen("http", "HTTP", 1);
        let case = succeeds("a scheme in capitals", json!({}));
        case.assert_verdict(harness.plugin("http").target(&upper)).await;
    });
}
