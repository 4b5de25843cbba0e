//! Durations and sizes have the same grammar in the suite and in its configurations; networks have that of the SDK.

use super::*;

const SCHEMA: &str = r#"{ "properties": {
    "limit": { "type": "string", "format": "canary-duration", "examples": ["5s"] },
    "size": { "type": ["string", "integer"], "format": "canary-size" }
} }"#;

fn load_timed(interval: &str, limit: &str, size: &str) -> Result<Suite, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    let text = format!(
        "plugins: {{ timed: {{ path: timed.wasm }} }}\n\
         checks:\n  - name: a\n    plugin: timed\n    target: h:1\n    interval: '{interval}'\n    \
         quota: {{ bytes_in: '{size}' }}\n    config: {{ limit: '{limit}', size: '{size}' }}\n"
    );
    fs::write(&path, text).unwrap();
    let draft = read(&[path], &EMBEDDED, &Fixed);
    let mut catalog = Catalog::default();
    catalog.insert("timed", Ok(facts(SCHEMA, "HOST:PORT")));
    draft.finish(&catalog, &host_limits())
}

#[test]
fn a_configuration_takes_what_the_suite_takes() {
    for text in ["1h 30m", "1.5h", "2w", "10 s", "1 minute", "100MS", "1h30m"] {
        assert!(load_timed(text, text, "1 MiB").is_ok(), "{text}");
    }
    for text in ["1mib", "1 MiB", "1M", "1.5KiB", "4096"] {
        assert!(load_timed("1m", "1m", text).is_ok(), "{text}");
    }
}

#[test]
fn a_configuration_refuses_what_the_suite_refuses_in_the_same_words() {
    for text in ["soon", "30", "5M", "-5s", "99999999999999999999s"] {
        let problems = load_timed(text, text, "1MiB").unwrap_err();
        let found: Vec<_> = problems.iter().collect();
        assert_eq!(found.len(), 2, "{problems}");
        assert!(
            found[0].message.starts_with("check `a`: `interval`: "),
            "{problems}"
        );
        assert_eq!(
            found[0].message.replace("interval", "config.limit"),
            found[1].message
        );
        assert_eq!(found[0].hint, found[1].hint);
    }
    for text in ["0.3KiB", "8 parsecs", "99999999999999999999"] {
        let problems = load_timed("1m", "1m", text).unwrap_err();
        let found: Vec<_> = problems.iter().collect();
        assert_eq!(found.len(), 2, "{problems}");
        assert_eq!(
            found[0].message.replace("bytes_in", "config.size"),
            found[1].message
        );
    }
}

#[test]
fn each_element_of_a_list_that_is_no_network_is_named_at_its_place() {
    const SCHEMA: &str = r#"{ "properties": { "from": { "items": { "type": "string", "format": "canary-network",
        "pattern": "^[0-9./]+$", "patternErrorMessage": "a network" } }, "limit": { "maximum": 1 } } }"#;
    let text = "plugins: { own: { path: own.wasm } }\nchecks: [{ name: a, plugin: own, target: \"h:1\", \
                config: { from: [10.0.0.0/8, 10.0.0.0/99, 1.2.3.4/40, x], limit: 2 } }]\n";
    let name = Path::new("suite.yaml");
    let draft = read_text(
        name,
        text.to_owned(),
        &EMBEDDED,
        &Fixed,
        &VariableOverrides::default(),
    );
    let mut catalog = Catalog::default();
    catalog.insert("own", Ok(facts(SCHEMA, "HOST:PORT")));
    let problems = draft.finish(&catalog, &host_limits()).unwrap_err();
    let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "check `a`: `config.from[1]`: expected a network, found the string `10.0.0.0/99`",
            "check `a`: `config.from[2]`: expected a network, found the string `1.2.3.4/40`",
            "check `a`: `config.from[3]`: expected a network, found the string `x`",
            "check `a`: `config.limit`: expected at most 1, found the number `2`",
        ]
    );
}
