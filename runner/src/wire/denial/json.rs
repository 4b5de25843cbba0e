//! What JSON says of success or failure, by the fields that services are known to have for that.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

/// Objects in objects, or in lists, that are looked into where each has nothing beside it.
const MAX_DEPTH: usize = 4;
/// The statuses of HTTP that say that a request failed.
const FAILURES: std::ops::Range<i64> = 400..600;
/// From here on a `code` beside a message is an error's: Lark's begin there, and others count a success as 1.
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
/// What is written where there is no error.
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

/// The words of an error, if a body is JSON that says that it failed.
pub(super) fn error(body: &[u8]) -> Option<String> {
    let value = match body.first()? {
        b'{' => Value::Object(members(body)),
        b'[' => serde_json::from_slice(body).ok()?,
        _ => return None,
    };
    failed(&value, MAX_DEPTH)
}

/// The members of an object, as far as it can be read.
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
    // The end may be cut off.
    let _as_far_as_it_goes =
        serde_json::Deserializer::from_slice(body).deserialize_map(Members(&mut members));
    members
}

/// The words of the error that a value says; of a list, where each in it says one.
fn failed(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Array(values) => {
            let all: Option<Vec<String>> = values.iter().map(|value| failed(value, depth)).collect();
            all?.into_iter().next()
        }
        Value::Object(object) => {
            let fields = Fields::of(object);
            match fields.is_failure() {
                Some(true) => Some(fields.words()),
                None if object.len() == 1 => object.values().find_map(|value| failed(value, depth)),
                Some(false) | None => None,
            }
        }
        _ => None,
    }
}

/// The members of an object, however their names are written: `error_code`, `errorCode`, `ErrorCode`.
struct Fields<'a>(BTreeMap<String, &'a Value>);

impl<'a> Fields<'a> {
    fn of(object: &'a Map<String, Value>) -> Self {
        let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], "");
        Self(object.iter().map(|(name, value)| (plain(name), value)).collect())
    }

    /// None where nothing is said that is known.
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

    /// WeCom and DingTalk have `errcode`, Lark a `code` with a `msg`; others write the status of HTTP there.
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

/// What a value says of success, if it is one of the words for that, or a number where that is a flag.
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

/// What is written where there is no error.
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
