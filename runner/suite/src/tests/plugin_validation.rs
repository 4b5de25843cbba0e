//! Problems that plugins report with configurations that their schemas allow.

use super::*;

const SUITE: &str = "\
checks:
  - name: web
    plugin: own
    targets: ['a:1', 'b:1']
    config:
      ca: '${env:TOKEN}'
      paths:
        - first
        - { '$.a/b]': x }
  - { name: again, plugin: own, target: 'a:1', config: { paths: [first, { '$.a/b]': x }], ca: '${env:TOKEN}' } }
  - { name: other, plugin: own, target: 'c:1' }
plugins: { own: { path: own.wasm } }
";

/// A suite, and a catalog with the response of one plugin to its request.
fn with_response(
    response: impl FnOnce(&ConfigRequest) -> Result<ConfigResponse, Unusable>,
) -> (MergedDraft, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(&path, SUITE).unwrap();
    let draft = read(&[path], &EMBEDDED, &Fixed);
    let mut catalog = catalog(&draft);
    let draft = draft.merge_configs(&catalog);
    let (request, uses) = draft.config_request("own", &catalog);
    catalog.insert_config_response("own", uses, response(&request));
    (draft, catalog)
}

/// The problems for a response, with their positions, without the folder.
fn problems_of(response: Result<ConfigResponse, Unusable>) -> Vec<String> {
    let (draft, catalog) = with_response(|_| response);
    let problems = draft.finish(&catalog, &host_limits()).unwrap_err();
    let line = |problem: &Problem| {
        let at = problem.at().unwrap();
        let hint = problem.hint.as_deref().unwrap_or("-");
        format!("{}:{}: {} ({hint})", at.line, at.column, problem.message)
    };
    problems.iter().map(line).collect()
}

fn problem(config: usize, target: Option<usize>, at: ProblemAt, message: &str) -> ConfigProblem {
    ConfigProblem {
        config,
        target,
        at,
        message: message.to_owned(),
        hint: None,
    }
}

fn keys(keys: &[&str]) -> ProblemAt {
    ProblemAt::Config(keys.iter().map(|key| (*key).to_owned()).collect())
}

#[test]
fn each_configuration_is_asked_about_once_with_each_of_its_targets() {
    let mut asked = Vec::new();
    let _answered = with_response(|request| {
        asked.clone_from(&request.configs);
        Ok(ConfigResponse::default())
    });
    let targets: Vec<_> = asked.iter().map(|config| config.targets.clone()).collect();
    assert_eq!(targets, [vec!["a:1", "b:1"], vec!["c:1"]]);
    let config: serde_json::Value = serde_json::from_str(&asked[0].config).unwrap();
    assert_eq!(config["ca"], TOKEN);
    assert_eq!(asked[1].config, "{}");
}

#[test]
fn an_objection_is_a_problem_at_its_place_in_every_check_that_it_holds_for() {
    let deep = keys(&["paths", "1", "$.a/b]"]);
    let response = ConfigResponse {
        problems: vec![
            problem(0, None, deep, "not a path"),
            problem(0, Some(1), ProblemAt::Target, "leads nowhere"),
            ConfigProblem {
                hint: Some("write it".to_owned()),
                ..problem(1, None, keys(&["missing", "0"]), "is needed")
            },
        ],
        aborted: None,
    };
    assert_eq!(
        problems_of(Ok(response)),
        [
            "4:22: check `web`: `target`: leads nowhere (-)",
            "9:13: check `web`: `config.paths[1].$.a/b]`: not a path (-)",
            "10:75: check `again`: `config.paths[1].$.a/b]`: not a path (-)",
            "11:5: check `other`: `config.missing.0`: is needed (write it)",
        ]
    );
}

#[test]
fn what_a_plugin_reports_shows_no_secret_and_is_bounded() {
    let long = format!("{TOKEN}\u{1b}[1m {}", "x".repeat(5_000));
    let response = ConfigResponse {
        problems: vec![problem(0, None, keys(&["ca"]), &long)],
        aborted: None,
    };
    let problems = problems_of(Ok(response));
    assert_eq!(problems.len(), 2);
    for problem in problems {
        assert!(problem.contains("`config.ca`: ***"), "{problem}");
        assert!(problem.len() < 1_200 && !problem.contains('\u{1b}'), "{problem}");
    }
}

#[test]
fn a_plugin_that_comes_to_no_answer_is_one_problem_that_names_it() {
    let response = ConfigResponse {
        problems: Vec::new(),
        aborted: Some(ConfigAborted {
            config: 0,
            reason: "wasm trap: unreachable".to_owned(),
            is_transient: false,
        }),
    };
    assert_eq!(
        problems_of(Ok(response)),
        [
            "12:12: plugin `own`: failed while validating the configuration of check `web`: wasm trap: \
             unreachable (-)"
        ]
    );
    let response = Err(Unusable {
        reason: "it took too long".to_owned(),
        is_transient: false,
    });
    assert_eq!(
        problems_of(response),
        ["12:12: plugin `own`: cannot validate configurations: it took too long (-)"]
    );
}

#[test]
fn a_plugin_validates_what_its_schema_leaves_of_a_configuration() {
    let text =
        "checks: [{ name: a, plugin: http, target: 'http://a/', config: { nonsense: 1, method: GET } }]";
    let config = only_config(text.to_owned(), "http");
    assert_eq!(config.config, r#"{"method":"GET"}"#);
}
