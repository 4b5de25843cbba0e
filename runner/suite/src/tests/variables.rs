//! `vars:` and `${var:NAME}`.

use super::*;

fn given(arguments: &[&str]) -> VariableOverrides {
    arguments
        .iter()
        .map(|argument| argument.parse::<VariableOverride>().unwrap())
        .collect()
}

/// A suite of files with these names and texts, in this order; paths in problems are the names.
pub(super) fn load_files(files: &[(&str, &str)], overrides: &VariableOverrides) -> Result<Suite, String> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let draft = super::super::read(&paths, &EMBEDDED, &Fixed, overrides, &Session::new(Owner::Suites));
    let catalog = catalog(&draft);
    let suite = draft.finish(&catalog, &host_limits());
    suite.map_err(|problems| {
        let prefix = format!("{}/", folder.path().display());
        problems
            .iter()
            .map(|problem| format!("{problem}\n").replace(&prefix, ""))
            .collect()
    })
}

pub(super) fn load_given(text: &str, arguments: &[&str]) -> Result<Suite, String> {
    load_files(&[("suite.yaml", text)], &given(arguments))
}

const EVERYWHERE: &str = r#"
vars:
  stage: prod
  domain: ${var:stage}.example.com
  every: 2m
  retries: 3
  status: 204
  secret: "no ${name} $${env:X}"
groups: { "${var:stage}": { concurrency: 2 } }
checks:
  - name: web ${var:stage}
    plugin: http
    target: https://${var:domain}/$${var:x}
    interval: ${var:every}
    retries: ${var:retries}
    group: "${var:stage}"
    quota: { sockets: "${var:retries}" }
    labels: { stage: "${var:stage}", "${var:stage}_x": "1" }
    allow: ["tcp://${var:domain}:5432"]
    config:
      method: GET
      headers: { authorization: "Bearer ${env:TOKEN}", "x-${var:stage}": "${var:secret}", d: "${env:NO:-${var:every}}" }
      expect: { status: ["${var:status}"] }
"#;

#[test]
fn a_variable_stands_in_any_text() {
    let suite = load_given(EVERYWHERE, &[]).unwrap();
    let check = &suite.checks[0];
    assert_eq!(check.name, "web prod");
    assert_eq!(check.target.to_string(), "https://prod.example.com/${var:x}");
    assert_eq!(check.cadence.min_interval(), Duration::from_secs(120));
    assert_eq!((check.retries, check.quota.sockets), (3, 3));
    assert_eq!(check.group.as_deref(), Some("prod"));
    assert_eq!(
        format!("{:?}", check.labels),
        r#"{"prod_x": "1", "stage": "prod"}"#
    );
    let config: serde_json::Value = serde_json::from_str(check.config.expose()).unwrap();
    let headers = &config["headers"];
    assert_eq!(headers["x-prod"], "no ${name} ${env:X}");
    assert_eq!(headers["d"], "2m");
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(config["expect"]["status"], serde_json::json!([204]));
}

/// The configuration of the only check.
fn config_of(suite: &Suite) -> serde_json::Value {
    serde_json::from_str(suite.checks[0].config.expose()).unwrap()
}

#[test]
fn a_variable_is_as_it_is_written_wherever_a_text_will_do() {
    let text = r#"
vars: { commit: abc, release: 1.10, zip: 007, big: 12345678901234567890123, on: True, number: 8 }
checks:
  - name: "a ${var:release}"
    plugin: http
    target: "http://a.test/${var:release}"
    labels: { release: "${var:release}" }
    config:
      headers: { commit: "${var:commit}", release: "${var:release}", number: "${var:number}", on: "${var:on}" }
  - name: b
    plugin: leak
    target: "a:1"
    config: { zip: "${var:zip}", big: "${var:big}", number: "${var:number}", part: "v${var:release}", on: "${var:on}" }
"#;
    for (given, commit, zip) in [
        ("abc", "abc", "08"),
        ("1234567", "1234567", "8"),
        ("1e5", "1e5", "0x1f"),
        ("7e12345", "7e12345", "7e12345"),
        ("true", "true", "+8"),
    ] {
        let given = [format!("commit={given}"), format!("zip={zip}")];
        let suite = load_given(text, &[&given[0], &given[1]]).unwrap();
        assert_eq!(
            (&*suite.checks[0].name, &*suite.checks[0].labels["release"]),
            ("a 1.10", "1.10")
        );
        assert_eq!(
            config_of(&suite)["headers"],
            serde_json::json!({ "commit": commit, "release": "1.10", "number": "8", "on": "True" })
        );
        let zip = match zip {
            "8" => serde_json::json!(8),
            text => serde_json::json!(text),
        };
        let config = suite.checks[1].config.expose();
        assert_eq!(
            config,
            format!(r#"{{"big":12345678901234567890123,"number":8,"on":"True","part":"v1.10","zip":{zip}}}"#)
        );
    }
}

#[test]
fn a_variable_is_a_number_where_only_a_number_will_do() {
    let text = "vars: { most: 2 }\nchecks: [{ name: a, plugin: http, target: \"http://a.test\", config: { redirects: \
                \"${var:most}\" } }]\n";
    let config = config_of(&load_given(text, &["most=05"]).unwrap());
    assert_eq!(config["redirects"], 5);
    let problems = load_given(text, &["most=abc"]).unwrap_err();
    assert!(problems.contains("found the string `abc`"), "{problems}");
    let problems = load_given(text, &["most=99"]).unwrap_err();
    assert!(problems.contains("found the number `99`"), "{problems}");
}

#[test]
fn a_plugin_undoes_the_escapes_of_its_own_references() {
    let text = r#"checks: [{ name: a, plugin: leak, target: "a:1", config: {
        own: "$${x} ${y} $$${z} $${a} b: $${", host: "$${env:TOKEN} $${file:x} $${other:y}" } }]"#;
    let config = config_of(&load_given(text, &[]).unwrap());
    assert_eq!(config["own"], "$${x} ${y} $$${z} $${a} b: $${");
    assert_eq!(config["host"], "${env:TOKEN} ${file:x} ${other:y}");
    let target = r#"checks: [{ name: a, plugin: http, target: "http://a.test/$${x}" }]"#;
    let suite = load_given(target, &[]).unwrap();
    assert_eq!(suite.checks[0].target.expose(), "http://a.test/${x}");
}

#[test]
fn the_command_line_wins() {
    let given = ["stage=dev", "every=1h 30m", "retries=5", "stage=test"];
    let suite = load_given(EVERYWHERE, &given).unwrap();
    let check = &suite.checks[0];
    assert_eq!(check.name, "web test");
    assert_eq!(check.target.to_string(), "https://test.example.com/${var:x}");
    assert_eq!(
        (check.cadence.min_interval(), check.retries),
        (Duration::from_secs(5_400), 5)
    );
    let shown: Vec<_> = suite
        .variables
        .iter()
        .map(|variable| (&*variable.name, &*variable.value))
        .collect();
    let of_files = [
        ("domain", "test.example.com"),
        ("secret", "no ${name} $${env:X}"),
        ("status", "204"),
    ];
    assert_eq!(
        shown,
        [
            [("every", "1h 30m"), ("retries", "5"), ("stage", "test")],
            of_files
        ]
        .concat()
    );
}

#[test]
fn a_file_without_checks_gives_all_others_its_variables_and_each_has_its_own() {
    let check = |name: &str| {
        format!(
            "checks:\n  - {{ name: \"{name} ${{var:place}}\", plugin: tcp, target: \"${{var:host}}:1\" }}\n"
        )
    };
    let shared = "vars: { domain: a.test, host: \"${var:place}.${var:domain}\", place: all }\n";
    let one = check("one");
    let two = format!("vars: {{ place: two }}\n{}", check("two"));
    let files = [("one.yaml", &*one), ("two.yaml", &*two), ("vars.yaml", shared)];
    let shown = |suite: Suite| -> Vec<String> {
        suite
            .checks
            .iter()
            .map(|check| format!("{} {}", check.name, check.target))
            .collect()
    };
    let suite = load_files(&files, &VariableOverrides::default()).unwrap();
    assert_eq!(shown(suite), ["one all all.a.test:1", "two two two.a.test:1"]);
    let suite = load_files(&files, &given(&["place=x"])).unwrap();
    assert_eq!(shown(suite), ["one x x.a.test:1", "two x x.a.test:1"]);
}

#[test]
fn a_variable_without_a_value_has_to_be_given() {
    let text = "vars: { host: }\nchecks: [{ name: a, plugin: tcp, target: \"${var:host}:1\" }]\n";
    insta::assert_snapshot!(load_given(text, &[]).unwrap_err(), @r#"
    suite.yaml:2:42: the variable `host` has no value
        2 | checks: [{ name: a, plugin: tcp, target: "${var:host}:1" }]
          |                                          ^^^^^^^^^^^^^^^
    hint: give it one with `--var host=VALUE`, or under `vars`
    "#);
    assert!(load_given(text, &["host=h"]).is_ok());
}

#[test]
fn what_is_given_and_not_known_is_refused() {
    let text = "vars: { stage: x }\nchecks: [{ name: \"a ${var:free}\", plugin: tcp, target: \"h:1\" }]\n";
    assert!(load_given(text, &["free=1"]).is_ok());
    let problems = load_given(text, &["free=1", "stagee=2"]).unwrap_err();
    assert!(
        problems.contains("`--var`: unknown variable `stagee`\nhint: did you mean `stage`?"),
        "{problems}"
    );
}

#[test]
fn an_argument_is_a_name_and_a_value() {
    let parse = |text: &str| text.parse::<VariableOverride>();
    assert!(parse("a=").is_ok() && parse("a=b=c").is_ok() && parse("a=${name}").is_ok());
    for text in [
        "",
        "a",
        "=x",
        "1a=x",
        "-a=x",
        "a b=x",
        "a=${env:X}",
        "a=${var:b}",
        "a=${file:/x}",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(parse(&format!("a={}", "x".repeat(4_096))).is_ok());
    assert!(parse(&format!("a={}", "x".repeat(4_097))).is_err());
    assert!(parse(&format!("{}=x", "n".repeat(65))).is_err());
}

#[test]
fn the_same_variable_in_two_files_without_checks_is_refused() {
    let check = "checks: [{ name: a, plugin: tcp, target: \"${var:x}:1\" }]\n";
    let files = [
        ("a.yaml", "vars: { x: a }\n"),
        ("b.yaml", "vars: { x: b }\n"),
        ("c.yaml", check),
    ];
    let problems = load_files(&files, &VariableOverrides::default()).unwrap_err();
    assert!(
        problems.starts_with(
            "b.yaml:1:12: the variable `x` is set twice for the whole suite, first at a.yaml:1:12"
        ),
        "{problems}"
    );
}

#[test]
fn a_key_that_a_variable_makes_stands_there_once() {
    let text = "vars: { x: a }\nchecks:\n  - name: n\n    plugin: tcp\n    target: h:1\n    \
                labels:\n      a: \"1\"\n      ${var:x}: \"2\"\n";
    let problems = load_given(text, &[]).unwrap_err();
    assert!(
        problems.contains("suite.yaml:8:7: the key `a` is set twice, first in line 7"),
        "{problems}"
    );
}

#[test]
fn variables_grow_within_bounds() {
    let doubled = |count: usize| -> String {
        let more = (1..count)
            .map(|number| format!("  v{number}: ${{var:v{}}}${{var:v{}}}\n", number - 1, number - 1));
        format!("vars:\n  v0: xxxxxxxxxxxxxxxx\n{}", more.collect::<String>())
    };
    let check = "checks: [{ name: a, plugin: tcp, target: \"h:1\" }]\n";
    assert!(load_given(&format!("{}{check}", doubled(9)), &[]).is_ok());
    let problems = load_given(&format!("{}{check}", doubled(15)), &[]).unwrap_err();
    assert!(
        problems.contains("the variable `v9` is longer than 4096 characters"),
        "{problems}"
    );

    let chain: String = (1..30)
        .map(|number| format!("  v{number}: ${{var:v{}}}\n", number - 1))
        .collect();
    let problems = load_given(&format!("vars:\n  v0: x\n{chain}{check}"), &[]);
    assert!(problems.is_ok(), "values are put together once: {problems:?}");
    let reversed: String = (1..30)
        .map(|number| format!("  v{:02}: ${{var:v{:02}}}\n", number, number + 1))
        .collect();
    let problems = load_given(&format!("vars:\n{reversed}  v30: x\n{check}"), &[]).unwrap_err();
    assert!(
        problems.contains("variables refer to each other more than 16 deep"),
        "{problems}"
    );

    let large = "x".repeat(4_000);
    let many = "${var:x}".repeat(20_000);
    let text = format!("vars: {{ x: {large} }}\nx-many: \"{many}\"\n{check}");
    let problems = load_given(&text, &[]).unwrap_err();
    assert!(
        problems.contains("the variables of the suite expand to more than 32 MiB"),
        "{problems}"
    );

    let lots: String = (0..1_001).map(|number| format!("  v{number}: x\n")).collect();
    let problems = load_given(&format!("vars:\n{lots}{check}"), &[]).unwrap_err();
    assert!(
        problems.contains("`vars`: 1001 variables; allowed: up to 1000"),
        "{problems}"
    );
}

#[test]
fn an_alias_repeats_no_problem() {
    let text = "x-all: &all { labels: { a: \"${var:none}\" } }\nchecks:\n  - { <<: *all, name: a, plugin: tcp, target: \"h:1\" }\n  \
                - { <<: *all, name: b, plugin: tcp, target: \"h:1\" }\n";
    let problems = load_given(text, &[]).unwrap_err();
    assert_eq!(
        problems.matches("unknown variable `none`").count(),
        1,
        "{problems}"
    );
}

#[test]
fn the_settings_of_a_runner_have_no_variables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    fs::write(&path, "state: ${var:x}\n").unwrap();
    let document = Document::read(&path, 1_000, &Fixed);
    assert_eq!(
        document.problems[0].message,
        "`${var:` is supported in suites only"
    );
}

#[test]
fn a_variable_whose_name_says_that_it_is_secret_is_listed_without_its_value() {
    let text = "vars: { api_token: abc, token_url: def, stage: ghi }\nchecks:\n  - { name: a, plugin: http, target: \"https://${var:api_token}.test/${var:token_url}${var:stage}\" }\n";
    let suite = load_given(text, &[]).unwrap();
    let listed: Vec<_> = suite
        .variables
        .iter()
        .map(|variable| (&*variable.name, variable.listed_value()))
        .collect();
    assert_eq!(
        listed,
        [("api_token", "***"), ("stage", "ghi"), ("token_url", "def")]
    );
}
