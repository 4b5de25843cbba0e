use canary_sdk::fake::{self, FakeHost};
use canary_sdk::http::{Hop, Response};
use canary_sdk::{Status, Verdict};
use serde_json::{Value, json};

use crate::Http;

mod final_url;
mod rules;

fn try_run(expect: &Value, response: Response) -> Result<Verdict, String> {
    let host = FakeHost::new().http(move |_| Ok(response.clone()));
    host.run::<Http>("https://example.com/", json!({ "expect": expect }))
}

/// Status and message of the only assertion besides `status`.
fn eval(expect: Value, response: Response) -> (Status, String) {
    let verdict = try_run(&expect, response).unwrap();
    let others: Vec<_> = verdict
        .assertions()
        .iter()
        .filter(|a| a.name != "status")
        .collect();
    assert_eq!(others.len(), 1, "{others:?}");
    (others[0].status, others[0].message.clone())
}

fn body(text: impl Into<Vec<u8>>) -> Response {
    Response {
        body: text.into(),
        ..fake::response(200)
    }
}

fn header(name: &str, value: &str) -> Response {
    Response {
        headers: vec![(name.into(), value.into())],
        ..fake::response(200)
    }
}

fn pass(message: &str) -> (Status, String) {
    (Status::Pass, message.into())
}

fn warn(message: &str) -> (Status, String) {
    (Status::Warn, message.into())
}

fn fail(message: &str) -> (Status, String) {
    (Status::Fail, message.into())
}

#[test]
fn a_status_is_one_of_numbers_and_ranges() {
    let eval = |status: Value, seen: u16| {
        let verdict = try_run(&json!({ "status": status }), fake::response(seen)).unwrap();
        let assertion = verdict.assertion("status").unwrap();
        (assertion.status, assertion.message.clone())
    };
    assert_eq!(eval(json!([200, "301-302"]), 302), pass("302 Found"));
    assert_eq!(
        eval(json!([200, "301-302"]), 303),
        fail("303 See Other is not in 200, 301-302")
    );
    assert_eq!(eval(json!(404), 404), pass("404 Not Found"));
    assert_eq!(eval(json!("418"), 418), pass("418"));
    assert_eq!(eval(json!("500-599"), 299), fail("299 is not in 500-599"));
}

#[test]
fn what_is_no_status_is_refused() {
    for status in [
        json!(99),
        json!("1000"),
        json!("2xx"),
        json!([200, "x"]),
        json!(true),
    ] {
        let error = try_run(&json!({ "status": status }), fake::response(200)).unwrap_err();
        assert!(error.contains("`expect.status`"), "{status}: {error}");
    }
}

#[test]
fn a_header_is_compared_whatever_the_case_of_its_name() {
    let expect = |rule: Value| json!({ "headers": { "Content-Type": rule } });
    let html = || header("content-type", "text/html; charset=utf-8");
    assert_eq!(
        eval(expect(json!("text/html; charset=utf-8")), html()),
        pass("`text/html; charset=utf-8`")
    );
    assert_eq!(
        eval(expect(json!({ "equals": "text/plain" })), html()),
        fail("`text/html; charset=utf-8` is not `text/plain`")
    );
    assert_eq!(
        eval(expect(json!({ "contains": "utf-8" })), html()).0,
        Status::Pass
    );
    assert_eq!(
        eval(expect(json!({ "contains": "latin" })), html()),
        fail("`text/html; charset=utf-8` does not contain `latin`")
    );
    assert_eq!(
        eval(expect(json!({ "matches": "^text/" })), html()).0,
        Status::Pass
    );
    assert_eq!(
        eval(expect(json!({ "matches": "^image/" })), html()),
        fail("`text/html; charset=utf-8` does not match `^image/`")
    );
    assert_eq!(
        eval(expect(json!("text/html")), fake::response(200)),
        fail("absent")
    );
}

#[test]
fn a_header_may_have_to_be_absent_or_present() {
    let expect = |absent: bool| json!({ "headers": { "server": { "absent": absent } } });
    assert_eq!(eval(expect(true), fake::response(200)), pass("absent"));
    assert_eq!(
        eval(expect(true), header("Server", "nginx")),
        fail("is there: `nginx`")
    );
    assert_eq!(eval(expect(false), header("Server", "nginx")), pass("`nginx`"));
    assert_eq!(eval(expect(false), fake::response(200)), fail("absent"));
}

#[test]
fn one_of_several_values_of_a_header_has_to_fit() {
    let cookies = ["a=1", "session=2"].map(|value| ("set-cookie".to_owned(), value.as_bytes().to_vec()));
    let response = Response {
        headers: cookies.into(),
        ..fake::response(200)
    };
    let expect = |pattern: &str| json!({ "headers": { "set-cookie": { "matches": pattern } } });
    assert_eq!(eval(expect("^session="), response.clone()), pass("`session=2`"));
    assert_eq!(eval(expect("^x="), response), fail("`a=1` does not match `^x=`"));
}

#[test]
fn a_body_holds_what_it_must_and_not_what_it_must_not() {
    let expect = |rule: &str, text: &str| json!({ "body": { rule: text } });
    let page = || body("Welcome to v12\nError: none");
    assert_eq!(
        eval(expect("contains", "Welcome"), page()),
        pass("found `Welcome`")
    );
    assert_eq!(
        eval(expect("contains", "Goodbye"), page()),
        fail("not found in 26 B of body")
    );
    assert_eq!(
        eval(expect("not_contains", "Panic"), page()),
        pass("not found in 26 B of body")
    );
    assert_eq!(
        eval(expect("not_contains", "Error"), page()),
        fail("found `Error`")
    );
    assert_eq!(eval(expect("matches", "v[0-9]+"), page()), pass("found `v12`"));
    assert_eq!(
        eval(expect("matches", "^Error"), page()),
        fail("not found in 26 B of body")
    );
    assert_eq!(
        eval(expect("not_matches", "(?m)^Error.*$"), page()),
        fail("found `Error: none`")
    );
    assert_eq!(eval(expect("not_matches", "v[0-9]{3}"), page()).0, Status::Pass);
    assert_eq!(eval(expect("contains", "ab"), body("aab")).0, Status::Pass);
    assert_eq!(
        eval(expect("contains", "\u{e9}"), body([0xff, 0xc3, 0xa9])).0,
        Status::Pass
    );
}

#[test]
fn each_text_of_a_list_is_an_assertion_of_its_own() {
    let expect = json!({ "body": { "contains": ["a", "b\n"], "not_matches": ["c"] } });
    let verdict = try_run(&expect, body("a")).unwrap();
    let names: Vec<_> = verdict
        .assertions()
        .iter()
        .map(|a| (a.name.as_str(), a.status))
        .collect();
    assert_eq!(
        names,
        [
            ("status", Status::Pass),
            ("body contains `a`", Status::Pass),
            ("body contains `b\\n`", Status::Fail),
            ("body not_matches `c`", Status::Pass),
        ]
    );
}

#[test]
fn what_is_not_found_in_a_cut_body_may_be_in_the_rest() {
    let mut long = vec![b'x'; 1 << 20];
    long.extend(b"Error");
    let cut = "not found in the first 1.0 MiB of the body, which was cut";
    assert_eq!(
        eval(json!({ "body": { "contains": "Error" } }), body(long.clone())),
        fail(cut)
    );
    assert_eq!(
        eval(json!({ "body": { "not_contains": "Error" } }), body(long.clone())),
        warn(cut)
    );
    assert_eq!(
        eval(json!({ "json": { "$": 1 } }), body(long)),
        fail("cannot be read as JSON: the first 1.0 MiB of the body, which was cut")
    );
}

#[test]
fn a_body_may_be_too_long() {
    let expect = json!({ "body": { "max_size": "1KiB" } });
    assert_eq!(eval(expect.clone(), body([b'x'; 1024])), pass("1.0 KiB"));
    assert_eq!(
        eval(expect, body([b'x'; 2048])),
        fail("2.0 KiB is more than 1.0 KiB")
    );
}

#[test]
fn json_values_are_selected_by_path() {
    let document =
        json!({ "status": "ok", "count": 2, "owner": null, "nodes": [{ "up": true }, { "up": false }] });
    let eval = |path: &str, rule: Value| eval(json!({ "json": { path: rule } }), body(document.to_string()));
    assert_eq!(eval("$.status", json!("ok")), pass("`\"ok\"`"));
    assert_eq!(
        eval("$.status", json!("down")),
        fail("`\"ok\"` is not `\"down\"`")
    );
    assert_eq!(eval("$.status", json!({ "matches": "^o" })).0, Status::Pass);
    assert_eq!(
        eval("$.status", json!({ "matches": "^x" })),
        fail("`\"ok\"` does not match `^x`")
    );
    assert_eq!(eval("$.count", json!(2.0)).0, Status::Pass);
    assert_eq!(eval("$.count", json!({ "matches": "^[0-9]$" })).0, Status::Pass);
    assert_eq!(eval("$.count", json!("2")), fail("`2` is not `\"2\"`"));
    assert_eq!(eval("$.owner", json!(null)), pass("`null`"));
    assert_eq!(eval("$.owner", json!({ "equals": null })), pass("`null`"));
    assert_eq!(
        eval("$.nodes[0]", json!({ "equals": { "up": true } })).0,
        Status::Pass
    );
    assert_eq!(eval("$.missing", json!(1)), fail("not found"));
    assert_eq!(eval("$.missing", json!({ "exists": false })), pass("not found"));
    assert_eq!(eval("$.count", json!({ "exists": false })), fail("found `2`"));
    assert_eq!(eval("$.count", json!({ "exists": true })), pass("`2`"));
}

#[test]
fn every_value_that_a_path_leads_to_has_to_fit() {
    let nodes = || body(r#"[{"up":true},{"up":true},{"up":false}]"#);
    assert_eq!(
        eval(json!({ "json": { "$[*].up": true } }), nodes()),
        fail("`false` is not `true`")
    );
    assert_eq!(
        eval(json!({ "json": { "$[:2].up": true } }), nodes()),
        pass("`true` and 1 more")
    );
    let filter = json!({ "json": { "$[?@.up == false]": { "exists": true } } });
    assert_eq!(eval(filter, nodes()), pass("`{\"up\":false}`"));
}

#[test]
fn a_body_that_is_not_json_fails_each_path() {
    let verdict = try_run(&json!({ "json": { "$.a": 1, "$.b": 2 } }), body("<html>")).unwrap();
    for path in ["json $.a", "json $.b"] {
        let assertion = verdict.assertion(path).unwrap();
        assert_eq!(
            assertion.message,
            "the body is not JSON: expected a value at line 1 column 1"
        );
    }
}

#[test]
fn what_does_not_compile_is_an_error_that_names_its_key() {
    let error = |expect: Value| try_run(&expect, header("x", "{}")).unwrap_err();
    assert_eq!(
        error(json!({ "body": { "matches": "a(b" } })),
        "`expect.body.matches`: not a regular expression: unclosed group"
    );
    assert!(
        error(json!({ "headers": { "x": { "matches": "[" } } })).starts_with("`expect.headers.x.matches`: ")
    );
    assert!(error(json!({ "final_url": { "matches": "*" } })).starts_with("`expect.final_url.matches`: "));
    assert!(error(json!({ "body": { "not_matches": "(a{1000}){1000}" } })).contains("size limit"));
    assert!(error(json!({ "json": { "$[": 1 } })).starts_with("`expect.json`: `$[` is not a JSONPath: "));
}

#[test]
fn latency_warns_before_it_fails() {
    let expect = |warn: &str, fail: &str| json!({ "latency": { "warn": warn, "fail": fail } });
    assert_eq!(eval(expect("10ms", "20ms"), fake::response(200)), pass("10ms"));
    assert_eq!(
        eval(expect("9ms", "20ms"), fake::response(200)),
        warn("10ms is more than 9.0ms")
    );
    assert_eq!(
        eval(expect("1ms", "9ms"), fake::response(200)),
        fail("10ms is more than 9.0ms")
    );
    let last = fake::response(200);
    let hop = Hop {
        url: String::new(),
        status: 302,
        peer: String::new(),
        timings: last.timings,
    };
    let redirected = Response {
        hops: vec![hop],
        ..last
    };
    assert_eq!(
        eval(json!({ "latency": { "warn": "15ms" } }), redirected),
        warn("20ms is more than 15ms")
    );
}

#[test]
fn a_certificate_warns_and_fails_before_it_expires() {
    let tls = || Response {
        tls: Some(fake::session([fake::certificate("example.com")])),
        ..fake::response(200)
    };
    let eval = |warn: &str, fail: &str, response: Response| {
        eval(
            json!({ "certificate": { "warn_within": warn, "fail_within": fail } }),
            response,
        )
    };
    assert_eq!(
        eval("21d", "7d", tls()),
        pass("expires in 60d, on 2026-03-02T00:00:00Z")
    );
    assert_eq!(
        eval("61d", "7d", tls()),
        warn("expires in 60d, within 61d, on 2026-03-02T00:00:00Z")
    );
    assert_eq!(eval("90d", "61d", tls()).0, Status::Fail);
    assert_eq!(
        eval("21d", "7d", fake::response(200)),
        fail("the answer did not come over TLS")
    );
    let mut future = fake::certificate("example.com");
    future.not_before = canary_sdk::Timestamp::from_unix(fake::NOW.unix() + 3 * 86_400);
    let future = Response {
        tls: Some(fake::session([future])),
        ..fake::response(200)
    };
    assert_eq!(
        eval("0s", "0s", future),
        fail("valid only in 3d, from 2026-01-04T00:00:00Z")
    );
    let mut expired = fake::certificate("example.com");
    expired.not_after = canary_sdk::Timestamp::from_unix(fake::NOW.unix() - 3 * 86_400);
    let expired = Response {
        tls: Some(fake::session([expired])),
        ..fake::response(200)
    };
    assert_eq!(
        eval("0s", "0s", expired),
        fail("expired 3d ago, on 2025-12-29T00:00:00Z")
    );
}

/// A guest has a stack of 128 KiB, and what is read from a configuration is moved several times.
#[test]
fn rules_are_small_enough_for_the_stack_of_a_guest() {
    let size = size_of::<super::Expect>();
    assert!(size <= 4 << 10, "{size}");
}
