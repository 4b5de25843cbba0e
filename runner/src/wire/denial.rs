//! What the body of an answer says against its status: some services, and whatever stands before them, answer 200 to
//! everything.

use serde_json::Value;

/// Words of a field that say that nothing came of a request.
const FAILED: [&str; 4] = ["error", "fail", "failed", "failure"];

/// Why an answer with a status of success is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// A page for people, such as a login: no service answers a program so.
    Page,
    /// It says that it failed, with the words that it has for that.
    Error(String),
}

/// What a body says against a status of success, as far as its form is known: a page of HTML, or an object of JSON that
/// says `"ok": false` or has an error.
#[must_use]
pub fn denial(body: &[u8]) -> Option<Denial> {
    let body = body.trim_ascii_start();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.first() {
        Some(b'<') => is_page(body).then_some(Denial::Page),
        Some(b'{') => {
            let object: Value = serde_json::from_slice(body).ok()?;
            has_failed(&object).then(|| Denial::Error(words(&object)))
        }
        _ => None,
    }
}

fn is_page(body: &[u8]) -> bool {
    let begin = body.get(..1_024).unwrap_or(body).to_ascii_lowercase();
    let has = |tag: &[u8]| begin.windows(tag.len()).any(|bytes| bytes == tag);
    has(b"<!doctype html") || has(b"<html") || has(b"<head") || has(b"<body")
}

fn has_failed(object: &Value) -> bool {
    let field = |name: &str| object.get(name).unwrap_or(&Value::Null);
    let is_false = |name| field(name).as_bool() == Some(false);
    let has_any = |name| !is_nothing(field(name));
    let is_failed = |name| {
        let word = field(name).as_str().unwrap_or_default();
        FAILED.iter().any(|failed| word.eq_ignore_ascii_case(failed))
    };
    // WeCom and DingTalk, and Lark, which has a code of 0 for success where others have that of HTTP.
    let is_code = |name| field(name).as_i64().is_some_and(|code| code != 0);
    let is_status = |name| {
        let code = field(name).as_i64();
        code.is_some_and(|code| code != 0 && !(200..300).contains(&code))
    };
    is_false("ok")
        || is_false("success")
        || has_any("error")
        || has_any("errors")
        || is_failed("status")
        || is_failed("result")
        || is_code("errcode")
        || (is_status("code") && has_any("msg"))
}

/// What is written where there is no error.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_error) => !is_error,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn words(object: &Value) -> String {
    let names = ["error", "errors", "description", "errmsg", "msg", "message"];
    let found = names.iter().filter_map(|name| object.get(name));
    let found = found.filter(|value| !is_nothing(value)).take(2);
    let words = found.map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    words.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(words: &str) -> Option<Denial> {
        Some(Denial::Error(words.to_owned()))
    }

    #[test]
    fn a_page_for_people_is_no_answer_of_a_service() {
        for page in [
            "<!DOCTYPE html><title>Log in</title>",
            "\r\n <html lang=en>",
            "\u{feff}<!-- proxy --><HTML>",
            "<?xml version=\"1.0\"?><!DOCTYPE html>",
            "<head><title>Log in</title>",
            "<body class=login>",
        ] {
            assert_eq!(denial(page.as_bytes()), Some(Denial::Page), "{page}");
        }
        assert_eq!(denial(b"<response>taken</response>"), None);
        // Its begin tells.
        let page = |before: usize| format!("<{}<html>", "-".repeat(before - 1));
        assert_eq!(denial(page(1_024 - 5).as_bytes()), Some(Denial::Page));
        assert_eq!(denial(page(1_024 - 4).as_bytes()), None);
    }

    #[test]
    fn an_error_in_the_body_of_a_success_is_read_with_its_words() {
        for (body, words) in [
            (r#"{"ok": false, "error": "invalid_auth"}"#, "invalid_auth"),
            (
                r#"{"ok":false,"error_code":400,"description":"chat not found"}"#,
                "chat not found",
            ),
            (r#"{"success": false}"#, ""),
            (r#"{"errors": ["no such key"]}"#, r#"["no such key"]"#),
            (r#"{"error": {"code": 7}, "message": "no"}"#, r#"{"code":7}: no"#),
            (r#"{"status": "error", "error": "bad"}"#, "bad"),
            (r#"{"result": "failure"}"#, ""),
            (r#"{"status": "Failed"}"#, ""),
            (r#"{"error": 7}"#, "7"),
            (r#"{"ok": false, "error": "", "message": "no"}"#, "no"),
            (r#"{"error": "a", "description": "b", "message": "c"}"#, "a: b"),
            (r#"{"code": 199, "msg": "early"}"#, "early"),
            (r#"{"code": 300, "msg": "moved"}"#, "moved"),
            (
                r#"{"errcode": 310000, "errmsg": "keywords not in content"}"#,
                "keywords not in content",
            ),
            (
                r#"{"code": 19001, "data": {}, "msg": "token invalid"}"#,
                "token invalid",
            ),
        ] {
            assert_eq!(denial(body.as_bytes()), error(words), "{body}");
        }
    }

    #[test]
    fn what_services_say_that_took_a_request_is_no_denial() {
        for body in [
            "",
            "ok",
            "1",
            "{}",
            "{",
            "[]",
            "\u{1}",
            r#"{"ok": true, "error": null}"#,
            r#"{"status": "success", "message": "Event processed", "dedup_key": "x"}"#,
            r#"{"result": "Request will be processed", "took": 0.1, "requestId": "x"}"#,
            r#"{"errcode": 0, "errmsg": "ok"}"#,
            r#"{"code": 0, "msg": "success"}"#,
            r#"{"code": 200, "msg": "taken"}"#,
            r#"{"code": 299, "msg": "taken"}"#,
            r#"{"code": 19001}"#,
            r#"{"error": 0, "errors": {}}"#,
            r#"{"errors": [], "error": false}"#,
            r#"{"partialSuccess": {}}"#,
        ] {
            assert_eq!(denial(body.as_bytes()), None, "{body}");
        }
    }
}
