//! `profiles:` and `defaults:`, and how checks inherit from them.

use super::variables::load_files;
use super::*;

fn load_one(text: &str) -> Result<Suite, String> {
    load_files(&[("suite.yaml", text)], &VariableOverrides::default())
}

fn config(check: &Check) -> serde_json::Value {
    serde_json::from_str(check.config.expose()).unwrap()
}

const LAYERS: &str = r#"
defaults:
  plugin: http
  interval: 2m
  labels: { team: web, tier: low }
  allow: ["tcp://proxy.test:3128"]
  config: { method: GET, headers: { accept: "*/*", x-one: default }, expect: { status: [200] } }
profiles:
  api:
    interval: 20s
    labels: { tier: high }
    config: { headers: { authorization: "Bearer ${env:TOKEN}", x-one: profile } }
  port: { plugin: tcp, timeout: 1s }
checks:
  - { name: plain, target: "https://a.test" }
  - { name: api, profile: api, target: "https://b.test", config: { expect: { status: [204] } }, labels: { a: b } }
  - { name: own, profile: api, target: "https://c.test", interval: 1m, allow: [], config: { headers: { x-one: check } } }
  - { name: port, profile: port, target: "d.test:1" }
"#;

#[test]
fn mappings_are_merged_and_lists_replaced() {
    let suite = load_one(LAYERS).unwrap();
    let [plain, api, own, port] = suite.checks.as_slice() else {
        panic!()
    };
    assert_eq!(
        config(plain),
        serde_json::json!({ "method": "GET", "headers": { "accept": "*/*", "x-one": "default" }, "expect": { "status": [200] } })
    );
    let headers = |one: &str| serde_json::json!({ "accept": "*/*", "authorization": format!("Bearer {TOKEN}"), "x-one": one });
    assert_eq!(
        config(api),
        serde_json::json!({ "method": "GET", "headers": headers("profile"), "expect": { "status": [204] } })
    );
    assert_eq!(config(own)["headers"], headers("check"));
    assert_eq!(
        format!("{:?}", api.labels),
        r#"{"a": "b", "team": "web", "tier": "high"}"#
    );
    assert_eq!(
        [plain, api, own].map(|check| check.cadence.min_interval().as_secs()),
        [120, 20, 60]
    );
    assert_ne!(format!("{:?}", plain.grants), format!("{:?}", own.grants));
    assert_eq!(api.secrets.redact(TOKEN), "***");
    assert_eq!((&*port.plugin, port.timeout), ("tcp", Duration::from_secs(1)));
    assert_eq!(
        config(port),
        serde_json::json!({}),
        "a configuration for another plugin is not inherited"
    );
}

#[test]
fn a_profile_and_the_defaults_of_the_suite_may_be_in_another_file() {
    let shared = "defaults: { plugin: http, labels: { team: web } }\nprofiles:\n  api:\n    config: { method: HEAD }\n";
    let checks = "checks: [{ name: a, profile: api, target: \"https://a.test\" }]\n";
    let suite = load_files(
        &[("a.yaml", checks), ("b.yaml", shared)],
        &VariableOverrides::default(),
    )
    .unwrap();
    assert_eq!(config(&suite.checks[0]), serde_json::json!({ "method": "HEAD" }));
    assert_eq!(suite.checks[0].labels["team"], "web");
}

#[test]
fn what_is_wrong_is_reported_where_it_is_written() {
    let shared = "defaults:\n  plugin: http\n  config:\n    expect: { status: [999] }\nprofiles:\n  slow:\n    timeout: 10m\n    \
                  config:\n      method: FETCH\n  mine: { quota: { sockets: many }, plugin: nothing, colour: red }\n";
    let checks = "checks:\n  - { name: a, profile: slow, target: \"https://a.test\" }\n  \
                  - { name: b, target: \"https://b.test\", config: { headres: {} } }\n  \
                  - { name: c, profile: slwo, target: \"https://c.test\" }\n  \
                  - { name: d, profile: mine, plugin: tcp, target: \"d.test:1\" }\n";
    let problems = load_files(
        &[("a.yaml", checks), ("b.yaml", shared)],
        &VariableOverrides::default(),
    )
    .unwrap_err();
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        snapshot_path => "../testdata/invalid",
    }, { insta::assert_snapshot!("profiles_of_another_file", problems) });
}

#[test]
fn a_check_without_a_plugin_anywhere_lacks_one() {
    let problems =
        load_one("profiles: { p: { interval: 1m } }\nchecks: [{ name: a, profile: p, target: \"a:1\" }]\n")
            .unwrap_err();
    assert!(
        problems.starts_with("suite.yaml:2:10: check `a`: `plugin` is missing"),
        "{problems}"
    );
}

#[test]
fn null_takes_back_what_is_inherited_by_a_configuration() {
    let text = "defaults: { plugin: leak, config: { a: { b: 1 }, c: 2, d: 3 } }\n\
                profiles: { p: { config: { c: null, e: 4 } } }\n\
                checks:\n  - { name: a, target: \"a:1\", config: { a: null } }\n  \
                - { name: b, target: \"a:1\", config: }\n  \
                - { name: c, target: \"a:1\", profile: p, config: { a: { b: null }, e: null, f: null } }\n";
    let suite = load_one(text).unwrap();
    let configs: Vec<_> = suite.checks.iter().map(|check| config(check)).collect();
    assert_eq!(
        configs,
        [
            serde_json::json!({ "c": 2, "d": 3 }),
            serde_json::json!({}),
            // Keys that no other layer sets are passed to the plugin, which accepts anything.
            serde_json::json!({ "a": {}, "d": 3, "f": null }),
        ]
    );
}

#[test]
fn null_is_as_if_a_key_were_not_there_where_the_plugin_takes_none() {
    let text = "checks: [{ name: a, plugin: http, target: \"http://a.test\", config: { method: null, expect: { latency: null } } }]\n";
    let suite = load_one(text).unwrap();
    assert_eq!(config(&suite.checks[0]), serde_json::json!({ "expect": {} }));
    let text = text.replace("method: null", "method: null, headers: { a: 1 }");
    let problems = load_one(&text).unwrap_err();
    assert!(
        problems.contains("headers.a`: expected a string") && problems.matches("suite.yaml:").count() == 1,
        "{problems}"
    );
}

/// Every key that a check can inherit, with a value.
const ALL_SETTINGS: &str = "interval: 2m, retry_interval: 30s, timeout: 3s, retries: 7, failure_threshold: 9, \
    success_threshold: 8, quota: { sockets: 2, cpu: 500ms }, group: g, alert: { notify: [ops], repeat_interval: 4h }, \
    description: d, runbook_url: \"https://a.test/\", labels: { a: b }, allow: [\"tcp://b.test:1\"], \
    redirect_secrets_to: [\"https://c.test\"], config: { x: 1 }";

/// The result for a check, without what neither `defaults` nor the check itself can set.
fn result_of(defaults: &str, own: &str) -> String {
    let text = format!(
        "groups: {{ g: {{ concurrency: 1 }} }}\ndefaults: {{ {defaults} }}\n\
         checks: [{{ name: a, plugin: leak, target: \"a:1\", {own} }}]\n"
    );
    let suite = load_one(&text).unwrap_or_else(|problems| panic!("{own}: {problems}"));
    let check = &suite.checks[0];
    format!(
        "{:?} {:?} {:?} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {}",
        check.cadence,
        check.retry_interval,
        check.timeout,
        check.retries,
        check.failure_threshold,
        check.success_threshold,
        check.quota,
        check.group,
        check.alert,
        check.annotations,
        check.labels,
        check.grants,
        check.config.expose(),
    )
}

#[test]
fn null_takes_every_setting_back() {
    let keys: Vec<&str> = layer::keys();
    let keys: Vec<&str> = keys
        .into_iter()
        .filter(|key| !matches!(*key, "plugin" | "schedule"))
        .collect();
    let null: Vec<String> = keys.iter().map(|key| format!("{key}: null")).collect();
    assert_ne!(result_of(ALL_SETTINGS, ""), result_of("", ""));
    assert_eq!(result_of(ALL_SETTINGS, &null.join(", ")), result_of("", ""));
}

#[test]
fn none_is_null_where_it_is_no_value_and_parts_are_taken_back_like_the_whole() {
    for key in [
        "retry_interval",
        "group",
        "description",
        "runbook_url",
        "labels",
        "allow",
        "redirect_secrets_to",
    ] {
        assert_eq!(
            result_of(ALL_SETTINGS, &format!("{key}: none")),
            result_of(ALL_SETTINGS, &format!("{key}: null"))
        );
    }
    assert_eq!(
        result_of(ALL_SETTINGS, "quota: { sockets: null, cpu: null }"),
        result_of(ALL_SETTINGS, "quota: null")
    );
    assert_eq!(
        result_of(
            ALL_SETTINGS,
            "alert: { notify: null, repeat_interval: null }, labels: { a: null }"
        ),
        result_of(ALL_SETTINGS, "alert: null, labels: null")
    );
    let scheduled = "schedule: \"0 6 * * *\"";
    assert_eq!(result_of(scheduled, "schedule: null"), result_of("", ""));
    assert_eq!(result_of(scheduled, "schedule: none"), result_of("", ""));
    assert_eq!(result_of(scheduled, "interval: null"), result_of(scheduled, ""));
}

#[test]
fn what_is_inherited_as_it_is_stands_in_memory_once() {
    let checks: String = (0..100)
        .map(|number| format!("  - {{ name: c{number}, profile: p, target: \"a:{number}1\" }}\n"))
        .collect();
    let text = format!(
        "defaults: {{ config: {{ d: 1 }}, labels: {{ tier: low }} }}\n\
         profiles: {{ p: {{ plugin: leak, config: {{ body: {} }}, labels: {{ a: b }}, allow: [\"tcp://b.test:1\"] }} }}\n\
         checks:\n{checks}",
        "b".repeat(1_000)
    );
    let suite = load_one(&text).unwrap();
    let addresses: std::collections::HashSet<_> = suite
        .checks
        .iter()
        .map(|check| {
            (
                check.config.expose().as_ptr().addr(),
                Arc::as_ptr(&check.labels).addr(),
            )
        })
        .collect();
    assert_eq!((suite.checks.len(), addresses.len()), (100, 1));
}

#[test]
fn what_is_merged_with_what_is_inherited_has_a_bound() {
    let load = |count: usize, own: &str| {
        let checks: String = (0..count)
            .map(|number| format!("  - {{ name: c{number}, profile: p, target: \"a:1\", {own} }}\n"))
            .collect();
        load_one(&format!(
            "profiles: {{ p: {{ plugin: leak, config: {{ body: {}, list: {{ k: [1, 2] }} }} }} }}\nchecks:\n{checks}",
            "b".repeat(1 << 20)
        ))
    };
    assert!(load(60, "config: { own: 1 }").is_ok());
    let problems = load(200, "config: { list: { own: 1 } }").unwrap_err();
    assert!(
        problems.starts_with("suite.yaml:66:5: check `c63`: `profiles` and `defaults` add more than 64 MiB")
            && problems.matches("suite.yaml").count() == 1,
        "{problems}"
    );
    assert!(load(200, "retries: 1").is_ok());
}

#[test]
fn labels_of_all_layers_together_have_a_bound() {
    let labels = |prefix: &str| -> String { (0..9).map(|number| format!("{prefix}{number}: x, ")).collect() };
    let text = format!(
        "defaults: {{ labels: {{ {} }} }}\nchecks:\n  - {{ name: a, plugin: tcp, target: \"a:1\", labels: {{ {} }} }}\n",
        labels("a"),
        labels("b"),
    );
    let problems = load_one(&text).unwrap_err();
    assert!(
        problems.contains("18 labels with those of `profile` and `defaults`; allowed: up to 16"),
        "{problems}"
    );
}

#[test]
fn a_profile_has_one_declaration() {
    let check = "profiles: { p: { plugin: tcp } }\nchecks: [{ name: a, profile: p, target: \"a:1\" }]\n";
    let problems = load_files(
        &[("a.yaml", check), ("b.yaml", "profiles: { p: {} }\n")],
        &VariableOverrides::default(),
    );
    let problems = problems.unwrap_err();
    assert!(
        problems.contains("b.yaml:1:13: profile `p`: the name is already used by the profile at a.yaml:1:13"),
        "{problems}"
    );
}

#[test]
fn null_is_as_if_a_key_were_not_there_wherever_it_stands() {
    let text = "vars: null\ndefaults: null\nprofiles: null\nplugins: null\ngroups: null\nmaintenance: null\n\
                checks: [{ name: a, plugin: tcp, target: \"a:1\", targets: null, profile: null, depends_on: null, expect_failure: null, \
                schedule: { cron: \"@daily\", timezone: null } }]\n";
    let suite = load_one(text).unwrap();
    assert_eq!(suite.checks.len(), 1);
    let text = text.replace(
        "maintenance: null",
        "maintenance: [{ name: w, checks: null, labels: null, from: \"2026-12-24T18:00:00Z\", to: null, for: 1h, days: null, at: null, timezone: null }]",
    );
    assert_eq!(load_one(&text).unwrap().maintenance.len(), 1);
    for (text, expected) in [
        (
            "checks: [{ name: null, plugin: tcp, target: \"a:1\" }]",
            "`name` is missing",
        ),
        (
            "checks: [{ name: a, plugin: tcp, target: null }]",
            "`target` is missing",
        ),
        (
            "groups: { g: { concurrency: null } }\nchecks: [{ name: a, plugin: tcp, target: \"a:1\" }]",
            "`concurrency` is missing",
        ),
        ("checks: null", "`checks` is empty"),
    ] {
        let problems = load_one(text).unwrap_err();
        assert!(
            problems.contains(expected) && problems.matches("suite.yaml:").count() == 1,
            "{problems}"
        );
    }
}

#[test]
fn a_check_names_its_own_plugin_and_leaves_out_a_configuration_for_another_one() {
    let text = "defaults: { plugin: http, config: { method: GET } }\nprofiles: { p: { plugin: leak, config: { a: 1 }, labels: { a: b } } }\n\
                checks: [{ name: a, plugin: tcp, target: \"a:1\", profile: p }]\n";
    let suite = load_one(text).unwrap();
    let check = &suite.checks[0];
    assert_eq!((check.plugin.as_str(), check.labels["a"].as_str()), ("tcp", "b"));
    assert_eq!(config(check), serde_json::json!({}));
}

#[test]
fn a_layer_that_no_check_uses_is_validated_as_far_as_it_can_be() {
    let text = "defaults: { plugin: http, config: { headers: 5 } }\nprofiles:\n  part: { plugin: http, config: { auth: { username: a } } }\n  \
                wrong: { plugin: http, config: { auth: { username: 5 }, expect: { status: [] } } }\n  any: { config: { x: 1 } }\n\
                checks: [{ name: a, plugin: tcp, target: \"a:1\" }]\n";
    let problems = load_one(text).unwrap_err();
    for (line, expected) in [
        (1, "`defaults`: `config.headers`: expected a mapping"),
        (4, "profile `wrong`: `config.auth.username`: expected a string"),
        (
            4,
            "profile `wrong`: `config.expect.status`: expected a non-empty list",
        ),
    ] {
        let is_it =
            |message: &str| message.starts_with(&format!("suite.yaml:{line}:")) && message.contains(expected);
        assert!(problems.lines().any(is_it), "{expected}: {problems}");
    }
    assert!(!problems.contains("profile `part`"), "{problems}");
}
