//! Detects failures in JSON bodies by fields that well-known services use.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

/// Maximum depth of nested objects and lists that are examined, each being the only member.
const MAX_DEPTH: usize = 4;
/// HTTP status codes of failed requests.
const FAILURES: std::ops::Range<i64> = 400..600;
/// A `code` of at least this beside a message is an error: Lark's codes start there, while others use 1 for success.
const FIRST_CODE: i64 = 1_000;

const FAILED: [&str; 11] = [
    "error",
    "fail",
    "failed",
    "failure",
    "denied",
    "forbidden",
    "unauthorized",
    "unauthenticated",
    "invalid",
    "rejected",
    "refused",
];
const SUCCEEDED: [&str; 12] = [
    "ok",
    "success",
    "successful",
    "succeeded",
    "accepted",
    "queued",
    "created",
    "delivered",
    "sent",
    "done",
    "processed",
    "received",
];
/// Values that mean that there is no error.
const NOTHING: [&str; 11] = [
    "",
    "none",
    "no",
    "no error",
    "no errors",
    "null",
    "nil",
    "0",
    "false",
    "n/a",
    "-",
];

/// The error message, if a body is JSON that reports a failure.
pub(super) fn error(body: &[u8]) -> Option<String> {
    let value = match body.first()? {
        b'{' => Value::Object(members(body)),
        b'[' => serde_json::from_slice(body).ok()?,
        _ => return None,
    };
    failed(&value, MAX_DEPTH)
}

/// The members of an object, as far as it can be parsed.
fn members(body: &[u8]) -> Map<String, Value> {
    struct Members<'a>(&'a mut Map<String, Value>);

    impl<'de> Visitor<'de> for Members<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                self.0.insert(name, value);
            }
            Ok(())
        }
    }

    let mut members = Map::new();
    // It may be truncated.
    let _result = serde_json::Deserializer::from_slice(body).deserialize_map(Members(&mut members));
    members
}

/// The error message of a value that reports a failure; for a list, only if each item does.
fn failed(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Array(values) => {
            let all: Option<Vec<String>> = values.iter().map(|value| failed(value, depth)).collect();
            all?.into_iter().next()
        }
        Value::Object(object) => {
            let fields = Fields::new(object);
            match fields.is_failure() {
                Some(true) => Some(fields.words()),
                None if object.len() == 1 => object.values().find_map(|value| failed(value, depth)),
                Some(false) | None => None,
            }
        }
        _ => None,
    }
}

/// The members of an object by normalised name: `error_code`, `errorCode` and `ErrorCode` are the same.
struct Fields<'a>(BTreeMap<String, &'a Value>);

impl<'a> Fields<'a> {
    fn new(object: &'a Map<String, Value>) -> Self {
        let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], "");
        Self(object.iter().map(|(name, value)| (plain(name), value)).collect())
    }

    /// Whether the fields report a failure; `None` if no known field is present.
    fn is_failure(&self) -> Option<bool> {
        let statuses = ["status", "statuscode", "httpstatus", "httpcode", "httpstatuscode"];
        if statuses
            .iter()
            .any(|name| self.is_number(name, |status| FAILURES.contains(&status)))
        {
            return Some(true);
        }
        let words = [
            "ok",
            "success",
            "succeeded",
            "successful",
            "status",
            "result",
            "state",
            "outcome",
        ];
        let said = words.iter().find_map(|name| {
            // A status is a number of many kinds.
            let is_flag = !["status", "result", "state", "outcome"].contains(name);
            is_success(self.0.get(*name)?, is_flag)
        });
        if let Some(is_success) = said {
            return Some(!is_success);
        }
        let is_failure = self.has_code()
            || ["error", "errors"]
                .iter()
                .any(|name| self.0.get(*name).is_some_and(|value| !is_nothing(value)));
        is_failure.then_some(true)
    }

    /// WeCom and DingTalk use `errcode`, Lark a `code` with a `msg`; others put the HTTP status there.
    fn has_code(&self) -> bool {
        let codes = ["errcode", "errorcode", "errno"];
        let messages = ["msg", "message"];
        let is_well = |name: &&str| {
            self.0
                .get(*name)
                .is_some_and(|value| is_success(value, false) == Some(true))
        };
        codes.iter().any(|name| self.is_number(name, |code| code != 0))
            || self.is_number("code", |code| FAILURES.contains(&code))
            || self.is_number("code", |code| code >= FIRST_CODE)
                && messages.iter().any(|name| self.0.contains_key(*name))
                && !messages.iter().any(is_well)
    }

    fn is_number(&self, name: &str, is_meant: impl Fn(i64) -> bool) -> bool {
        let number = match self.0.get(name) {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        number.is_some_and(is_meant)
    }

    fn words(&self) -> String {
        let names = [
            "error",
            "errors",
            "description",
            "errordescription",
            "errmsg",
            "errormessage",
            "msg",
            "message",
            "detail",
            "reason",
        ];
        let found = names.iter().filter_map(|name| self.0.get(*name));
        let words = found.filter_map(|value| match value {
            Value::Null | Value::Bool(false) => None,
            Value::String(text) => (!text.is_empty()).then(|| text.clone()),
            Value::Array(values) if values.is_empty() => None,
            other => Some(other.to_string()),
        });
        words.take(2).collect::<Vec<_>>().join(": ")
    }
}

/// Interprets a value as success or failure: a boolean, a known word, or a number if the field is a flag.
fn is_success(value: &Value, is_flag: bool) -> Option<bool> {
    match value {
        Value::Bool(is_success) => Some(*is_success),
        Value::Number(number) => is_flag.then(|| number.as_f64() != Some(0.0)),
        Value::String(text) => {
            let word = text.trim().trim_end_matches(['.', '!']).to_ascii_lowercase();
            let word = word.as_str();
            if SUCCEEDED.contains(&word) || word == "true" || (is_flag && ["1", "yes"].contains(&word)) {
                return Some(true);
            }
            let failed =
                FAILED.contains(&word) || word == "false" || (is_flag && ["0", "no"].contains(&word));
            failed.then_some(false)
        }
        _ => None,
    }
}

/// Whether a value means that there is no error.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_error) => !is_error,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            let text = text.trim().trim_end_matches(['.', '!']).to_ascii_lowercase();
            NOTHING.contains(&text.as_str()) || SUCCEEDED.contains(&text.as_str())
        }
        Value::Array(values) => values.iter().all(is_nothing),
        Value::Object(fields) => fields.is_empty(),
    }
}
