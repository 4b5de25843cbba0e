//! Valid suites, and the checks that result.

use super::*;
use canary_record::quota::QuotaKind;

fn only(path: &str) -> Vec<Arc<Check>> {
    load(&[testdata(path)])
        .unwrap_or_else(|problems| panic!("{problems}"))
        .checks
}

#[test]
fn every_key_arrives_in_the_check() {
    let suite = load(&[testdata("valid/everything.yaml")]).unwrap();
    let mut text: Vec<String> = suite.checks.iter().map(|check| show(check)).collect();
    text.push(format!("groups {:?}", suite.groups));
    text.extend(suite.maintenance.iter().map(|window| format!("{window:?}")));
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        snapshot_path => "../testdata/valid",
    }, { insta::assert_snapshot!("everything", text.join("\n\n")) });
}

fn show(check: &Check) -> String {
    let Check {
        cadence,
        retry_interval,
        timeout,
        retries,
        failure_threshold,
        success_threshold,
        ..
    } = check;
    let quota: Vec<String> = QuotaKind::ALL
        .iter()
        .map(|kind| format!("{kind} {}", kind.format_value(check.quota.limit(*kind))))
        .collect();
    format!(
        "{} ({}), {}, target {}\nevery {cadence}, then {retry_interval:?}, within {timeout:?}, {retries} retries, \
         down after {failure_threshold}, up after {success_threshold}\n{}\n{:?} {:?} {:?}\n\
         group {:?}, depends on {:?}, {:?}\n{:?}, expects failure: {}",
        check.id,
        check.name,
        check.plugin,
        check.target,
        quota.join(", "),
        check.labels,
        check.config,
        check.secrets,
        check.group,
        check.depends_on,
        check.alert,
        check.annotations,
        check.expect_failure,
    )
}

#[test]
fn a_check_that_is_not_enabled_is_validated_and_left_out() {
    let suite = |enabled: &str, target: &str| {
        load_text(format!(
            "vars: {{ in_use: {enabled} }}\ndefaults: {{ plugin: tcp, enabled: \"${{var:in_use}}\" }}\n\
             maintenance: [{{ name: w, checks: [old], from: \"2026-12-24T18:00:00Z\", for: 1h }}]\n\
             checks:\n  - {{ name: old, target: \"{target}\" }}\n  \
             - {{ name: new, target: \"a:1\", depends_on: [old], enabled: true }}\n"
        ))
    };
    let Suite { checks, disabled, .. } = suite("false", "${env:TOKEN}:1").unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["new"]);
    let disabled: Vec<_> = disabled
        .iter()
        .map(|check| (check.name.as_str(), check.id.as_str()))
        .collect();
    assert_eq!(disabled, [("old", "old")]);
    assert_eq!(checks[0].secrets.redact(TOKEN), "***");
    assert_eq!(suite("true", "b:1").unwrap().checks.len(), 2);
    let problems = suite("false", "no-port").unwrap_err().to_string();
    assert!(problems.contains("check `old`: `no-port`"), "{problems}");
}

#[test]
fn a_suite_in_which_no_check_is_enabled_is_a_problem() {
    let problems = load_text(
        "checks:\n  - { name: a, plugin: tcp, target: 'a:1', enabled: false }\n  \
         - { name: b, plugin: tcp, target: 'b:1', enabled: false }\n",
    );
    let problems = problems.unwrap_err().to_string();
    assert!(
        problems.contains(":2:5: no check of the suite is enabled") && problems.ends_with("1 problem"),
        "{problems}"
    );
}

#[test]
fn the_guest_gets_the_values_that_references_stand_for() {
    let checks = only("valid/everything.yaml");
    let website: serde_json::Value = serde_json::from_str(checks[0].config.expose()).unwrap();
    assert_eq!(website["headers"]["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(website["headers"]["x-plain"], "${env:TOKEN}");
    assert_eq!(website["expect"]["status"], serde_json::json!([200, "301-302"]));

    let database = &checks[3];
    assert_eq!(database.target.expose(), "db.secret.internal:5432");
    let config: serde_json::Value = serde_json::from_str(database.config.expose()).unwrap();
    assert_eq!(config["dialogue"][1]["send"], "HELO ${host}\r\n");
    assert_eq!(config["dialogue"][2]["send"], "correct horse battery\r\n");
}

#[test]
fn no_debug_text_shows_a_secret() {
    for check in only("valid/everything.yaml") {
        let text = format!(
            "{check:?} {:?} {:?} {}",
            check.config, check.secrets, check.target
        );
        for secret in [TOKEN, "correct horse", "db.secret.internal"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn the_output_of_a_guest_is_redacted_with_the_secrets_of_every_check() {
    let checks = only("valid/everything.yaml");
    assert_eq!(
        checks[0].secrets.redact(&format!("401 for {TOKEN}")),
        "401 for ***"
    );
    assert_eq!(
        checks[3]
            .secrets
            .redact("db.secret.internal refused correct horse battery"),
        "*** refused ***"
    );
    // It has no secrets of its own.
    assert_eq!(
        checks[1].secrets.redact(&format!("401 for {TOKEN}")),
        "401 for ***"
    );
}

#[test]
fn several_targets_are_several_checks() {
    let checks = only("valid/everything.yaml");
    let ids: Vec<&str> = checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "website",
            "cache@cache-1:6379",
            "cache@cache-2:6379",
            "database port"
        ]
    );
}

#[test]
fn targets_that_look_the_same_when_redacted_keep_ids_of_their_own() {
    let suite = load_text(
        "checks: [{ name: a, plugin: tcp, targets: ['${env:TOKEN}:1', '${env:DB_HOST}:1', 'x:1'] }]",
    );
    let suite = suite.unwrap();
    let ids: Vec<&str> = suite.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["a@***:1", "a@***:1#2", "a@x:1"]);
}

#[test]
fn the_defaults_of_a_file_without_checks_hold_for_the_whole_folder() {
    let timing: Vec<_> = only("valid/folder")
        .iter()
        .map(|check| {
            (
                check.name.clone(),
                check.cadence.min_interval().as_secs(),
                check.timeout.as_secs(),
            )
        })
        .collect();
    assert_eq!(timing, [("one".to_owned(), 5, 2), ("two".to_owned(), 20, 2)]);
}

#[test]
fn a_default_timeout_is_shortened_to_a_short_interval() {
    let check = &only("valid/short_interval.yaml")[0];
    assert_eq!(check.timeout, check.cadence.min_interval());
}

#[test]
fn more_sockets_bring_the_descriptors_they_need() {
    let suite =
        load_text("checks: [{ name: a, plugin: tcp, target: 'x:1', quota: { sockets: 20 } }]").unwrap();
    assert_eq!(suite.checks[0].quota.fds, 24);
}

#[test]
fn a_lower_ceiling_lowers_what_is_not_written() {
    let draft = read(&[testdata("valid/short_interval.yaml")], &EMBEDDED, &Fixed);
    let catalog = catalog(&draft);
    let ceiling = Quota {
        sockets: 1,
        ..Quota::ceiling()
    };
    let host_limits = HostLimits {
        ceiling,
        ..host_limits()
    };
    let suite = draft.finish(&catalog, &host_limits).unwrap();
    assert_eq!(suite.checks[0].quota.sockets, 1);
}

#[test]
fn a_draft_lists_the_plugins_to_load() {
    let draft = read(&[testdata("valid/everything.yaml")], &EMBEDDED, &Fixed);
    let plugins: Vec<_> = draft
        .plugins()
        .iter()
        .map(|plugin| (plugin.name.as_str(), &plugin.source))
        .collect();
    let redis = PluginSource::File {
        path: testdata("valid/plugins/redis.wasm"),
        digest: Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned()),
    };
    let embedded = PluginSource::Embedded;
    assert_eq!(
        plugins,
        [("redis", &redis), ("http", &embedded), ("tcp", &embedded)]
    );
}

#[test]
fn the_schema_for_editors_accepts_what_is_right_and_refuses_what_is_wrong() {
    let schema = schema(&[("http", &http()), ("tcp", &tcp())]);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let valid = |path: &str| validator.is_valid(&json(&testdata(path)));
    for path in [
        "valid/everything.yaml",
        "valid/short_interval.yaml",
        "valid/folder/defaults.yaml",
        "valid/folder/groups.yaml",
    ] {
        let value = json(&testdata(path));
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }
    for name in [
        "unknown_keys",
        "wrong_types",
        "missing_fields",
        "config_unknown_key",
        "no_checks",
        "bad_counts",
        "groups",
        "groups_of_no_mapping",
        "dependencies",
        "alerts",
        "annotations",
        "maintenance",
        "schedules",
    ] {
        assert!(!valid(&format!("invalid/{name}.yaml")), "{name}");
    }
}

#[test]
fn the_schema_for_editors_takes_a_variable_for_any_scalar() {
    let schema = schema(&[("http", &http())]);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let suite = |key: &str, value: serde_json::Value| {
        let mut check = serde_json::json!({ "name": "a", "plugin": "http", "target": "https://a.test" });
        check[key] = value;
        serde_json::json!({ "vars": { "x": 1, "y": "2", "z": true, "w": null }, "checks": [check] })
    };
    let reference = serde_json::json!("${var:x}");
    for key in [
        "name",
        "interval",
        "retries",
        "expect_failure",
        "description",
        "target",
    ] {
        assert!(validator.is_valid(&suite(key, reference.clone())), "{key}");
    }
    let quota = serde_json::json!({ "bytes_in": reference, "sockets": reference, "cpu": reference });
    assert!(validator.is_valid(&suite("quota", quota)));
    for key in ["interval", "retries", "expect_failure"] {
        assert!(!validator.is_valid(&suite(key, "soon".into())), "{key}");
    }
}

#[test]
fn the_schema_for_editors_knows_every_key() {
    let schema = schema(&[]);
    let keys = |pointer: &str| -> Vec<String> {
        let mut keys: Vec<String> = schema
            .pointer(pointer)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    let sorted = |known: &[&str]| {
        let mut known: Vec<String> = known.iter().map(ToString::to_string).collect();
        known.sort();
        known
    };
    assert_eq!(keys("/properties"), sorted(&file_keys::SUITE_KEYS));
    assert_eq!(keys("/$defs/check/properties"), sorted(&check::keys()));
    assert_eq!(keys("/$defs/layer/properties"), sorted(&layer::keys()));
    assert_eq!(keys("/$defs/plugin/properties"), sorted(&syntax::PLUGIN_KEYS));
    assert_eq!(keys("/$defs/group/properties"), sorted(&group::KEYS));
    assert_eq!(
        keys("/$defs/window/properties"),
        sorted(&maintenance::syntax::KEYS)
    );
    let schedule = "/$defs/layer/properties/schedule/anyOf/1/properties";
    assert_eq!(keys(schedule), sorted(&cadence::KEYS));
    let alert = "/$defs/layer/properties/alert/anyOf/1/properties";
    assert_eq!(keys(alert), sorted(&alert::KEYS));
}

/// A YAML file as JSON, references left as they are.
fn json(path: &Path) -> serde_json::Value {
    let mut report = report::Report::default();
    let source = source::Source::new(path, fs::read_to_string(path).unwrap(), 0);
    let root = parse::parse(&source, &mut budget::Budget::of_suite(), &mut report).unwrap();
    let mut interpolator = interpolate::Interpolator::new(&Fixed);
    let context = interpolate::InterpolationContext {
        directory: source.directory(),
        captures: true,
        variables: true,
    };
    let (interpolated, _) = config::interpolate(&root, context, &mut interpolator);
    json::to_value(Some(&interpolated.value), &json::Coercions::default())
}

#[test]
fn the_schema_for_editors_takes_null_for_every_key_that_can_be_inherited() {
    let schema = schema(&[("http", &http())]);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let own = ["profile", "depends_on", "expect_failure"];
    for key in layer::keys().into_iter().chain(own) {
        let layer =
            serde_json::json!({ "plugin": "http", "target": "https://a.test", "name": "a", key: null });
        let suite = serde_json::json!({ "checks": [layer] });
        assert!(validator.is_valid(&suite), "{key}");
    }
}
