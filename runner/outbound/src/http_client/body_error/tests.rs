use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::*;

fn body_error_of(body: &str) -> Option<BodyError> {
    body_error(&HeaderMap::new(), body.as_bytes())
}

fn body_error_of_html(body: &[u8]) -> Option<BodyError> {
    let html = HeaderValue::from_static("Text/HTML; charset=utf-8");
    body_error(&HeaderMap::from_iter([(CONTENT_TYPE, html)]), body)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_html_page_is_not_a_response_of_an_api() {
    let comment = format!("<!-- {}--><!doctype html>", "licence ".repeat(200));
    for page in [
        "<!DOCTYPE html><title>Log in</title>",
        "\r\n <html lang=en>",
        "\u{feff}<!-- proxy --><HTML>",
        " \u{feff}\n<!-- a --> <!-- b --><META http-equiv=refresh>",
        "<?xml version=\"1.0\"?><!DOCTYPE html>",
        "<script>top.self.location.href='http://10.0.0.1/eportal/'</script>",
        "<title>Log in</title><form method=post>",
        "<form action=/login>",
        "<head><title>Log in</title>",
        "<body class=login>",
        "<p>Please log in",
        "<h1>It works!</h1>",
        "<br/>",
        "<app-root></app-root><script src=main.js>",
        "<!-- a comment that was cut",
        &comment,
    ] {
        assert_eq!(body_error_of(page), Some(BodyError::HtmlPage), "{page}");
        assert_eq!(
            body_error(&HeaderMap::new(), &gzip(page)),
            Some(BodyError::HtmlPage),
            "{page}"
        );
    }
    for answer in [
        "<response>taken</response>",
        "taken <html",
        "<p:paid>1</p:paid>",
        "<p-paid>1</p-paid>",
        "<p.paid>1</p.paid>",
        "<p_paid>1</p_paid>",
        "<?xml?><!-- a --><ok/>",
        "<paid>1</paid>",
        "a < b",
    ] {
        assert_eq!(body_error_of(answer), None, "{answer}");
    }
}

#[test]
fn markup_with_an_html_content_type_is_a_page_and_plain_words_are_not() {
    for page in [
        "Welcome<br>",
        "Welcome<!-- x -->",
        "<login-form>",
        "<!-- sso -->please log in</div>",
    ] {
        assert_eq!(
            body_error_of_html(page.as_bytes()),
            Some(BodyError::HtmlPage),
            "{page}"
        );
    }
    for words in ["ok", "", "1", "a < b", r#"{"ok": true}"#] {
        assert_eq!(body_error_of_html(words.as_bytes()), None, "{words}");
    }
}

#[test]
fn a_page_is_detected_in_any_encoding() {
    let page = "<html><body>log in</body></html>";
    let cut = gzip(page);
    assert_eq!(
        body_error(&HeaderMap::new(), &cut[..cut.len() - 12]),
        Some(BodyError::HtmlPage)
    );
    let (little, big): (Vec<u8>, Vec<u8>) = (
        "\u{feff}<html>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect(),
        "\u{feff}<html>"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect(),
    );
    assert_eq!(body_error(&HeaderMap::new(), &little), Some(BodyError::HtmlPage));
    assert_eq!(body_error(&HeaderMap::new(), &big), Some(BodyError::HtmlPage));
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/html"))]);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    assert_eq!(body_error(&headers, b"\x0b\x02\x80"), Some(BodyError::HtmlPage));
    assert_eq!(body_error(&headers, b""), None);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    assert_eq!(body_error(&headers, b"\x0b\x02\x80"), None);
    let xhtml = HeaderValue::from_static("application/xhtml+xml");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, xhtml)]);
    assert_eq!(body_error(&headers, b"<login-form>"), Some(BodyError::HtmlPage));
    assert_eq!(body_error(&HeaderMap::new(), &gzip("ok")), None);
    assert_eq!(
        body_error(&HeaderMap::new(), &gzip(r#"{"ok": false}"#)),
        Some(BodyError::Error(String::new()))
    );
    assert_eq!(body_error(&HeaderMap::new(), &GZIP), None);
}

/// Bodies that report a failure, with their error messages.
const FAILURES: &[(&str, &str)] = &[
    (r#"{"ok": false, "error": "invalid_auth"}"#, "invalid_auth"),
    (
        r#"{"ok":false,"error_code":400,"description":"chat not found"}"#,
        "chat not found",
    ),
    (r#"{"success": false}"#, ""),
    (r#"{"Success":false,"Error":"bad key"}"#, "bad key"),
    (r#"{"ok":"false","message":"denied"}"#, "denied"),
    (r#"{"ok":0,"message":"denied"}"#, "denied"),
    (r#"{"status":false}"#, ""),
    (r#"{"errors": ["no such key"]}"#, r#"["no such key"]"#),
    (r#"{"error": {"code": 7}, "message": "no"}"#, r#"{"code":7}: no"#),
    (r#"{"error": true}"#, "true"),
    (r#"{"status": "error", "error": "bad"}"#, "bad"),
    (r#"{"result": "failure"}"#, ""),
    (r#"{"status": "Failed"}"#, ""),
    (r#"{"error": 7}"#, "7"),
    (r#"{"ok": false, "error": "", "message": "no"}"#, "no"),
    (r#"{"error": "a", "description": "b", "message": "c"}"#, "a: b"),
    (r#"{"status": "Unauthorized."}"#, ""),
    (
        r#"{"errcode": 310000, "errmsg": "keywords not in content"}"#,
        "keywords not in content",
    ),
    (
        r#"{"code": 19001, "data": {}, "msg": "token invalid"}"#,
        "token invalid",
    ),
    (r#"{"code":401,"message":"unauthorized"}"#, "unauthorized"),
    (r#"{"code":"403"}"#, ""),
    (r#"{"statusCode":403,"message":"Forbidden"}"#, "Forbidden"),
    (
        r#"{"status":500,"error":"Internal Server Error"}"#,
        "Internal Server Error",
    ),
    (
        r#"{"success":true,"http_status":502,"detail":"gateway"}"#,
        "gateway",
    ),
    (r#"[{"status":"error","message":"no such key"}]"#, "no such key"),
    (
        r#"{"response":{"status":"error","error":"invalid_token"}}"#,
        "invalid_token",
    ),
    (r#"{"success":0,"failure":1}"#, ""),
    (r#"{"code": 1000, "msg": "no"}"#, "no"),
    (r#"{"ok": "no", "error": "bad"}"#, "bad"),
    (r#"{"ok": "0", "error": "none"}"#, "none"),
    (r#"{"success": "no", "error": "none"}"#, "none"),
    (r#"{"status": "1", "error": "bad"}"#, "bad"),
    (r#"{"code": 19001, "msg": "1"}"#, "1"),
    (
        r#"{"ok": false, "error": false, "errors": [], "message": "no"}"#,
        "no",
    ),
    (r#"{"errcode": " 7 "}"#, ""),
    (r#"{"ok": " False! "}"#, ""),
    (r#"[[[{"error": "a"}]]]"#, "a"),
    ("<error><code>403</code></error>", ""),
    ("<?xml version='1.0'?><ErrorResponse xmlns='x'/>", ""),
];

#[test]
fn an_error_in_the_body_of_a_success_is_read_with_its_message() {
    for (body, words) in FAILURES {
        assert_eq!(
            body_error_of(body),
            Some(BodyError::Error((*words).to_owned())),
            "{body}"
        );
    }
}

#[test]
fn an_error_is_read_in_a_truncated_body() {
    let pad = "x".repeat(70_000);
    let cut = format!(r#"{{"ok": false, "error": "invalid_auth", "pad": "{pad}"#);
    assert_eq!(
        body_error_of(&cut),
        Some(BodyError::Error("invalid_auth".to_owned()))
    );
}

#[test]
fn successful_responses_of_services_are_not_errors() {
    for body in [
        "",
        "ok",
        "1",
        "{}",
        "{",
        "[]",
        "[1]",
        "\u{1}",
        "invalid_token",
        r#"{"ok": true, "error": null}"#,
        r#"{"status": "success", "message": "Event processed", "dedup_key": "x"}"#,
        r#"{"result": "Request will be processed", "took": 0.1, "requestId": "x"}"#,
        r#"{"errcode": 0, "errmsg": "ok"}"#,
        r#"{"code": 0, "msg": "success"}"#,
        r#"{"code": 1, "msg": "success"}"#,
        r#"{"code": 10000, "msg": "Success"}"#,
        r#"{"code": 200, "msg": "taken"}"#,
        r#"{"code": 19001}"#,
        r#"{"code": 999, "msg": "no"}"#,
        r#"{"ok": "perhaps", "id": 1}"#,
        r#"{"ok": "true", "error": "bad"}"#,
        r#"{"ok": "1", "error": "bad"}"#,
        r#"{"success": "yes", "error": "bad"}"#,
        r#"{"status": "0", "id": 1}"#,
        r#"{"status": "no", "id": 1}"#,
        r#"{"error": " None. ", "id": 7}"#,
        r#"{"error": "success", "id": 7}"#,
        r#"{"id": 7, "response": {"error": "a"}}"#,
        r#"[[[[{"error": "a"}]]]]"#,
        r#"{"error": 0, "errors": {}}"#,
        r#"{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}"#,
        r#"{"errors": [], "error": false}"#,
        r#"{"errors": "0"}"#,
        r#"{"error": "none", "id": 7}"#,
        r#"{"error": "0", "id": 7}"#,
        r#"{"status": "ok", "error": "no error"}"#,
        r#"{"ok": true, "errors": ["1 duplicate field ignored"]}"#,
        r#"{"success": true, "code": 412}"#,
        r#"{"status": 1, "request": "647d2300-702c-4b38-8b2f-d56326ae460b"}"#,
        r#"{"status": 0}"#,
        r#"{"status": 202}"#,
        r#"{"status": "queued", "id": 403}"#,
        r#"[{"status": "error"}, {"status": "ok"}]"#,
        r#"{"partialSuccess": {}}"#,
        r#"{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}"#,
    ] {
        assert_eq!(body_error_of(body), None, "{body}");
    }
}
