//! The OpenAPI document describes exactly what the server does.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::access::Permission;
use super::super::routes::ROUTES;
use super::bench::{Bench, TOKEN, ask};
use canary_net::ledger::Lease;
use canary_record::trace::EndCause;
use canary_watch::health::HealthIssue;

/// Resolves a reference to its schema; of several alternatives, the one that is not null.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        return resolved(document, found.unwrap());
    }
    match schema["anyOf"].as_array() {
        Some(several) => {
            let value = several.iter().find(|one| one["type"] != "null");
            resolved(document, value.unwrap())
        }
        None => schema,
    }
}

fn keys(map: &Map<String, Value>) -> Vec<&str> {
    let mut keys: Vec<&str> = map.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Asserts that the response and the schema have the same fields, recursively.
fn compare(document: &Value, schema: &Value, answer: &Value, location: &str) {
    let schema = resolved(document, schema);
    match answer {
        Value::Object(fields) => {
            let Some(properties) = schema["properties"].as_object() else {
                assert!(schema["type"] == "object", "{location}: {schema}");
                return;
            };
            assert_eq!(keys(fields), keys(properties), "{location}");
            for (key, value) in fields {
                compare(document, &properties[key], value, &format!("{location}.{key}"));
            }
        }
        Value::Array(values) => {
            for value in values {
                compare(document, &schema["items"], value, &format!("{location}[]"));
            }
        }
        Value::String(text) => {
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.contains(answer), "{location}: {text}");
            }
            assert!(
                schema["type"].to_string().contains("string"),
                "{location}: {schema}"
            );
        }
        Value::Number(_) => assert!(
            ["number", "integer"]
                .iter()
                .any(|kind| schema["type"].to_string().contains(kind)),
            "{location}: {schema}"
        ),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Asserts that each reference in `value` is to something in the document.
fn assert_references(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "$ref" {
                    let path = value.as_str().unwrap().strip_prefix('#').unwrap();
                    assert!(document.pointer(path).is_some(), "{path}");
                }
                assert_references(document, value);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| assert_references(document, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A state with every kind of data that responses can contain.
fn full() -> Bench {
    let bench = Bench::busy();
    let (leaking, holding) = (bench.page("bad"), bench.page("good"));
    let nowhere = ([192, 0, 2, 1], 80).into();
    std::mem::forget((
        Lease::try_acquire(&leaking, nowhere),
        Lease::try_acquire(&holding, nowhere),
    ));
    leaking.end(EndCause::Returned);
    std::mem::forget(holding);
    bench.set_issues(vec![HealthIssue::RunAccountingMismatch]);
    bench.reloads.failed("bad".to_owned(), super::bench::at(60), None);
    bench
}

#[tokio::test]
async fn every_response_matches_the_document() {
    let state = full().state(|_| String::new());
    let (_, document) = ask(&state, Method::GET, "/openapi.json", "").await;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let uri = path.replace("{id}", "bad");
            let verb = method.to_uppercase().parse().unwrap();
            let (code, answer) = ask(&state, verb, &uri, TOKEN).await;
            let response = &operation["responses"][code.to_string()];
            let content = response["content"].as_object();
            let content = content.unwrap_or_else(|| panic!("{method} {path}: {code} is not in it"));
            if let Some(json) = content.get("application/json") {
                compare(&document, &json["schema"], &answer, path);
            }
        }
    }
}

#[tokio::test]
async fn every_route_is_in_the_document_with_its_method_and_its_permission() {
    let state = full().state(|_| String::new());
    let (_, document) = ask(&state, Method::GET, "/openapi.json", "").await;
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), ROUTES.len());
    for route in ROUTES {
        let operations = paths[route.path].as_object().unwrap();
        let method = route.method.as_str().to_ascii_lowercase();
        assert_eq!(keys(operations), [&method], "{}", route.path);
        let security = match route.permission {
            Permission::Probe => json!([]),
            // The default of the document.
            Permission::Read => Value::Null,
            Permission::Write => json!([{ "token": [] }]),
        };
        assert_eq!(operations[&method]["security"], security, "{}", route.path);
    }
}

#[test]
fn every_listed_route_is_in_the_manual() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/inside/admin.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for route in ROUTES.iter().filter(|route| route.path != "/") {
        let path = route.path.replace("{id}", "ID");
        assert!(manual.contains(&format!("{path}` | ")), "{path}");
    }
}

#[tokio::test]
async fn every_path_is_in_the_document_and_on_the_home_page() {
    let state = full().state(|_| String::new());
    let (_, document) = ask(&state, Method::GET, "/openapi.json", "").await;
    let (_, home) = ask(&state, Method::GET, "/", "").await;
    let home = home.as_str().unwrap();
    let listed: Vec<&str> = home
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|word| word.starts_with('/'))
        .collect();
    let paths = document["paths"].as_object().unwrap();
    let mut documented: Vec<String> = paths.keys().map(|path| path.replace("{id}", "ID")).collect();
    documented.retain(|path| path != "/");
    documented.sort_unstable();
    let mut listed: Vec<String> = listed.into_iter().map(str::to_owned).collect();
    listed.sort_unstable();
    assert_eq!(listed, documented);
}

#[tokio::test]
async fn schemas_are_those_of_the_types_and_are_complete() {
    let state = full().state(|_| String::new());
    let (_, document) = ask(&state, Method::GET, "/openapi.json", "").await;
    assert_references(&document, &document);
    let schemas = &document["components"]["schemas"];
    let status = &schemas["CheckState"]["properties"]["status"];
    assert_eq!(status["description"], "`up`, `degraded`, `down` or `unknown`.");
    // A response has all its keys, while a client accepts one of an older version.
    for (name, schema) in schemas.as_object().unwrap() {
        let required = schema["required"].as_array().unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(required.len(), properties.len(), "{name}");
    }
}

#[tokio::test]
async fn errors_match_the_document() {
    let state = full().state(|_| String::new());
    let (_, document) = ask(&state, Method::GET, "/openapi.json", "").await;
    let schema = &document["components"]["schemas"]["ErrorBody"];
    for path in [
        "/none",
        "/api/v1/checks/none",
        "/api/v1/status?a=b",
        "/api/v1/reload",
    ] {
        let (code, answer) = ask(&state, Method::GET, path, "").await;
        assert!(code >= 400, "{path}");
        compare(&document, schema, &answer, path);
    }
}

#[tokio::test]
async fn common_error_responses_are_documented_for_each_path() {
    let state = full().state(|_| String::new());
    let (_, document) = ask(&state, Method::GET, "/openapi.json", "").await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let is_probe = ["/livez", "/readyz"].contains(&path.as_str());
        for operation in methods.as_object().unwrap().values() {
            let responses = &operation["responses"];
            let misdirected = resolved(&document, &responses["421"]);
            assert!(misdirected["description"].is_string(), "{path}");
            // Probes have separate places; their 503 is about the runner.
            let unavailable = resolved(&document, &responses["503"]);
            assert_eq!(
                unavailable["headers"]["Retry-After"].is_null(),
                is_probe,
                "{path}"
            );
        }
    }
}
