//! No problem of a suite hides an unrelated one.

use serde_json::{Value, json};

use super::*;

/// One problem.
#[derive(serde::Deserialize)]
struct Kind {
    /// Text at the top of the file.
    #[serde(default = "nothing")]
    top: Value,
    /// Text in the check.
    #[serde(default = "nothing")]
    check: Value,
    /// Part of the message.
    expected: String,
}

fn nothing() -> Value {
    json!({})
}

fn kinds() -> Vec<Kind> {
    let kinds = include_str!("../testdata/problems.json").replace("\"TOKEN\"", &format!("\"{TOKEN}\""));
    serde_json::from_str(&kinds).unwrap()
}

/// Merges mappings and concatenates lists; `null` removes a key.
fn merged(base: Value, more: &Value) -> Value {
    match (base, more) {
        (Value::Object(mut base), Value::Object(more)) => {
            for (key, value) in more {
                let merged = match base.remove(key) {
                    Some(known) => merged(known, value),
                    None => value.clone(),
                };
                base.insert(key.clone(), merged);
            }
            Value::Object(base)
        }
        (Value::Array(base), Value::Array(more)) => base.iter().chain(more).cloned().collect(),
        (_, more) => more.clone(),
    }
}

/// The problems of a suite with these checks and a valid one.
fn problems<'v>(tops: impl IntoIterator<Item = &'v Value>, checks: &[Value]) -> Vec<String> {
    let sound = json!({ "name": "sound", "plugin": "tcp", "target": "a:1" });
    let checks: Vec<&Value> = checks.iter().chain([&sound]).collect();
    let suite = tops.into_iter().fold(json!({ "checks": checks }), merged);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(&path, suite.to_string()).unwrap();
    let draft = read(&[path], &EMBEDDED, &Fixed);
    let mut catalog = catalog(&draft);
    let draft = draft.merge_configs(&catalog);
    let (request, uses) = draft.config_request("http", &catalog);
    let picky = request.configs.iter().enumerate();
    let picky = picky.filter(|(_, used)| used.config.contains("picky"));
    let keys = ["expect", "body", "matches"].map(str::to_owned);
    let plugin_problems = picky.map(|(config, _)| ConfigProblem {
        config,
        target: None,
        at: ProblemAt::Config(keys.to_vec()),
        message: "the plugin is picky".to_owned(),
        hint: None,
    });
    let response = ConfigResponse {
        problems: plugin_problems.collect(),
        aborted: None,
    };
    catalog.insert_config_response("http", uses, Ok(response));
    match draft.finish(&catalog, &host_limits()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.message.clone()).collect(),
    }
}

fn base(number: usize) -> Value {
    json!({ "name": format!("c{number}"), "plugin": "http", "target": format!("http://h.test/{number}") })
}

/// The kinds for which no problem is reported.
fn hidden<'k>(kinds: &[&'k Kind], checks: &[Value]) -> Vec<&'k str> {
    let found = problems(kinds.iter().map(|kind| &kind.top), checks);
    let is_said = |kind: &Kind| found.iter().any(|message| message.contains(&kind.expected));
    let hidden = kinds.iter().filter(|kind| !is_said(kind));
    hidden.map(|kind| kind.expected.as_str()).collect()
}

#[test]
fn all_problems_of_one_suite_are_reported() {
    let kinds = kinds();
    let checks = (1..)
        .zip(&kinds)
        .map(|(number, kind)| merged(base(number), &kind.check));
    let checks: Vec<Value> = checks.collect();
    let kinds: Vec<&Kind> = kinds.iter().collect();
    assert_eq!(hidden(&kinds, &checks), [""; 0]);
}

#[test]
fn two_problems_in_one_check_are_both_reported() {
    let kinds = kinds();
    let of_checks: Vec<&Kind> = kinds.iter().filter(|kind| kind.check != json!({})).collect();
    let mut wrong = Vec::new();
    for (number, one) in of_checks.iter().enumerate() {
        for other in of_checks.iter().skip(number + 1) {
            if is_independent(&one.check, &other.check) && is_independent(&other.check, &one.check) {
                let check = merged(merged(base(1), &one.check), &other.check);
                let hidden = hidden(&[*one, *other], &[check]);
                wrong.extend(
                    hidden
                        .into_iter()
                        .map(|hidden| (hidden, &one.expected, &other.expected)),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether one check can have both problems, and neither has to be fixed for the other to be found.
fn is_independent(one: &Value, other: &Value) -> bool {
    let has = |check: &Value, key: &str| check.get(key).is_some();
    if has(one, "plugin") && (has(other, "config") || other["target"] == "nonsense") {
        return false;
    }
    let times = ["interval", "timeout", "retry_interval"];
    if times.iter().any(|key| has(one, key)) && times.iter().any(|key| has(other, key)) {
        return false;
    }
    are_apart(one, other)
}

fn are_apart(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut shared = one
                .iter()
                .filter_map(|(key, value)| Some((value, other.get(key)?)));
            shared.all(|(one, other)| are_apart(one, other))
        }
        _ => false,
    }
}

#[test]
fn a_sound_suite_has_no_problem() {
    assert_eq!(problems([&json!({})], &[base(1)]), [""; 0]);
}

#[test]
fn each_problem_is_reported_alone_and_causes_no_other() {
    let mut wrong = Vec::new();
    for kind in kinds() {
        let found = problems([&kind.top], &[merged(base(1), &kind.check)]);
        let is_said = found.iter().any(|message| message.contains(&kind.expected));
        let references = format!("{}{}", kind.top, kind.check).matches("${").count();
        let expected = match kind.expected.as_str() {
            "`path`: expected" | "`digest`: expected" | "unknown key `colour2`" => 2,
            "circular variables" | "holds a secret" => 1,
            _ => references.max(1),
        };
        if !is_said || found.len() != expected {
            wrong.push((kind.expected, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
