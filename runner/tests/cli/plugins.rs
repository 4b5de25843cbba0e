//! `canary plugin`, `canary schema` and `canary demo`.

use std::io::Write as _;

use canary::plugin::embedded;
use insta::assert_snapshot;
use serde_json::Value;

use super::{canary, folder};

const DEMO: &str = include_str!("../../src/demo/suite.yaml");

/// The output of a command, which must succeed.
fn printed(arguments: &[&str]) -> String {
    let ending = canary(&folder(&[]), arguments).run();
    assert_eq!(
        (ending.code, ending.err.as_str()),
        (0, ""),
        "{arguments:?}: {ending:?}"
    );
    ending.out
}

/// `text` without digests, which differ between builds.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        plain += "sha256:<digest>";
        plain += part.trim_start_matches(|char: char| char.is_ascii_hexdigit());
    }
    plain
}

#[test]
fn the_embedded_plugins_are_listed() {
    assert_snapshot!(without_digests(&printed(&["plugin", "list"])), @r"
    http   0.1.0    sha256:<digest>  Sends an HTTP request and checks status, headers, body, JSON, latency and certificate
    tls    0.1.0    sha256:<digest>  Examines the certificate chain and the handshake of a TLS server
    tcp    0.1.0    sha256:<digest>  Connects to a TCP port and holds a conversation
    script 0.1.0    sha256:<digest>  Runs a check in JavaScript that the suite contains
    leak   0.1.0    sha256:<digest>  Opens connections and never closes them, to show that the host does
    ");
}

#[test]
fn a_plugin_says_what_it_is() {
    let text = printed(&["plugin", "inspect", "http"]);
    let (facts, schema) = text.split_once("\n\nconfig schema:\n").unwrap();
    assert_snapshot!(without_digests(facts), @r"
    name      http
    version   0.1.0
    summary   Sends an HTTP request and checks status, headers, body, JSON, latency and certificate
    target    http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]
    digest    sha256:<digest>
    contract  canary:check 0.2
    measures  http.status {status_code}: Status of the response.
    measures  http.response.size By: Bytes of the body that were read.
    measures  http.duration s: Time from the first lookup to the last byte, redirects included.
    measures  http.phase.duration s: Time of one phase, over all redirects.
    measures  http.auth.duration s: Time to obtain an access token (OAuth 2).
    measures  certificate.days_left d: Time until the server's certificate expires; negative once it has.
    secret    config/auth/basic/password
    secret    config/auth/bearer
    secret    config/auth/digest/password
    secret    config/auth/oauth2/client_secret
    secret    config/auth/oauth2/params/actor_token
    secret    config/auth/oauth2/params/assertion
    secret    config/auth/oauth2/params/client_assertion
    secret    config/auth/oauth2/params/code
    secret    config/auth/oauth2/params/code_verifier
    secret    config/auth/oauth2/params/device_code
    secret    config/auth/oauth2/params/password
    secret    config/auth/oauth2/params/refresh_token
    secret    config/auth/oauth2/params/subject_token
    secret    config/basic_auth/password
    secret    config/bearer_token
    secret    config/tls/client_key
    secret    config/proxy_tls/client_key
    ");
    assert_eq!(schema, printed(&["plugin", "inspect", "http", "--schema"]));
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["properties"]["method"]["default"], "GET");
}

/// The schemas of lists that may be empty.
fn empty_lists<'s>(schema: &'s Value, found: &mut Vec<&'s Value>) {
    if schema.get("items").is_some() && schema.get("minItems").is_none() {
        found.push(schema);
    }
    match schema {
        Value::Object(keys) => keys.values().for_each(|inner| empty_lists(inner, found)),
        Value::Array(values) => values.iter().for_each(|inner| empty_lists(inner, found)),
        _ => {}
    }
}

#[test]
fn no_list_of_an_embedded_plugin_may_be_empty() {
    for line in printed(&["plugin", "list"]).lines() {
        let name = line.split(' ').next().unwrap();
        let schema: Value = serde_json::from_str(&printed(&["plugin", "inspect", name, "--schema"])).unwrap();
        let mut found = Vec::new();
        empty_lists(&schema, &mut found);
        assert_eq!(found, Vec::<&Value>::new(), "{name}");
    }
}

#[test]
fn a_plugin_is_inspected_in_its_file_as_well() {
    let mut file = tempfile::NamedTempFile::with_suffix(".wasm").unwrap();
    file.write_all(&embedded("leak").unwrap()).unwrap();
    let path = file.path().to_str().unwrap();
    let (of_file, of_embedded) = (
        printed(&["plugin", "inspect", path]),
        printed(&["plugin", "inspect", "leak"]),
    );
    assert_eq!(of_file, of_embedded);
}

#[test]
fn a_file_that_is_no_plugin_is_said_to_be_none() {
    let folder = folder(&[("mine.wasm", "hello")]);
    let ending = canary(&folder, &["plugin", "inspect", "mine.wasm"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (1, ""));
    assert_snapshot!(ending.err, @r"
    error: plugin `mine.wasm`: not a wasm component: it does not begin as wasm does
    ");
    let ending = canary(&folder, &["plugin", "inspect", "htpp"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (1, ""));
    assert_snapshot!(ending.err, @r"
    error: plugin `htpp`: cannot read `htpp`: No such file or directory (os error 2)
    ");
}

#[test]
fn the_schema_is_one_and_the_suite_of_the_demo_fits_it() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut suite: Value = serde_yaml::from_str(DEMO).unwrap();
    let problems: Vec<String> = schema
        .iter_errors(&suite)
        .map(|problem| problem.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    suite["checks"][0]["plugin"] = 1.into();
    assert!(!schema.is_valid(&suite));
}

#[test]
fn the_demo_ends_as_it_says_and_leaves_no_descriptor() {
    let text = printed(&["demo", "--once"]);
    for part in ["all 10 checks ended as expected", "4 reclaimed", "0 unaccounted"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_host_that_has_no_room_for_a_plugin_blames_itself() {
    let ending = canary(&folder(&[]), &["plugin", "list"]).file_size(100).run();
    assert_ne!(ending.code, 0, "{ending:?}");
    let whole = ending.err.replace('\n', " ");
    assert!(
        whole.contains("the host cannot keep its memory image"),
        "{ending:?}"
    );
    assert!(!whole.contains("imports"), "{ending:?}");
}
