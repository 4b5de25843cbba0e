//! The documentation: its examples are valid, and its reference has every key and option.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use canary_tests::documentation::{blocks, first_cells, page, pages, section};
use serde_json::Value;
use tempfile::TempDir;

use super::{canary, folder};

/// First keys of YAML examples that are neither a whole suite nor a settings file.
const FRAGMENTS: [&str; 8] = [
    "allow",
    "auth",
    "config",
    "expect",
    "plugins",
    "rule_files",
    "scrape_configs",
    "tls",
];
/// First keys of settings files.
const SETTINGS: [&str; 6] = [
    "admin",
    "alerts",
    "concurrency",
    "heartbeat",
    "suites",
    "telemetry",
];
/// Stands for a secret: an acceptable token, header and URL.
const SECRET: &str = "https://example.com/0123456789abcdef";

/// What `canary ARGUMENTS` prints, which must succeed.
fn printed(arguments: &[&str]) -> String {
    let ending = canary(&folder(&[]), arguments).run();
    assert_eq!(ending.code, 0, "{arguments:?}: {ending:?}");
    ending.out
}

/// What is between `start` and `end`, everywhere in the text.
fn all_between<'a>(text: &'a str, start: &'a str, end: char) -> impl Iterator<Item = &'a str> {
    let parts = text.split(start).skip(1);
    parts.filter_map(move |part| part.split_once(end).map(|(found, _)| found))
}

/// Runs `canary validate` on an example. Variables and files that it refers to have the value [`SECRET`].
fn assert_valid(what: &str, example: &str, is_suite: bool) {
    let mut text = example.to_owned();
    for path in all_between(example, "${file:", '}') {
        text = text.replace(&format!("${{file:{path}}}"), "${file:secret}");
    }
    let minimal = "checks: [{ name: a, plugin: tcp, target: \"127.0.0.1:1\" }]";
    let (suite, settings) = if is_suite {
        (text.as_str(), "{}")
    } else {
        (minimal, text.as_str())
    };
    let files = [
        ("suite.yaml", suite),
        ("canary.yaml", settings),
        ("secret", SECRET),
    ];
    let mut arguments = vec!["validate", "suite.yaml", "--config", "canary.yaml"];
    if is_suite {
        // The notifiers that an example names are in another example.
        arguments.truncate(2);
    }
    for variable in all_between(example, "`--var ", '`') {
        arguments.extend(["--var", variable]);
    }
    let folder: TempDir = folder(&files);
    let mut program = canary(&folder, &arguments);
    for name in all_between(example, "${env:", '}') {
        program = program.env(name, SECRET);
    }
    let ending = program.run();
    assert_eq!(ending.code, 0, "{what}\n{example}\n{}", ending.err);
}

#[test]
fn every_example_of_a_suite_or_a_settings_file_is_valid() {
    let mut counts = (0, 0);
    let others = |path: &PathBuf| path.starts_with(".github");
    for (path, text) in pages().into_iter().filter(|(path, _)| !others(path)) {
        for example in blocks(&text, "yaml") {
            let what = path.display().to_string();
            let keys: Vec<&str> = example
                .lines()
                .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
                .filter_map(|line| Some(line.split_once(':')?.0))
                .collect();
            let first = keys.first().copied().unwrap_or_default();
            if keys.contains(&"checks") {
                counts.0 += 1;
                assert_valid(&what, example, true);
            } else if SETTINGS.contains(&first) {
                counts.1 += 1;
                assert_valid(&what, example, false);
            } else {
                assert!(
                    FRAGMENTS.contains(&first),
                    "{what}: is this a whole example?\n{example}"
                );
            }
        }
    }
    assert!(counts.0 > 10 && counts.1 > 5, "{counts:?}");
}

/// The names of an object's properties, at this place of a schema.
fn properties<'a>(schema: &'a Value, pointer: &str) -> BTreeSet<&'a str> {
    let place = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    let place = place.pointer("/anyOf/0").unwrap_or(place);
    let properties = place["properties"].as_object();
    let names = properties.unwrap_or_else(|| panic!("{pointer}: {place}"));
    names.keys().map(String::as_str).collect()
}

#[test]
fn the_reference_has_every_key_of_a_suite_and_no_other() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    let reference = page("reference/suite-keys.md");
    for (heading, pointer) in [
        ("## Keys of a file", ""),
        ("## Keys of a check", "/$defs/check"),
        ("## Quota", "/$defs/check/properties/quota"),
        ("## Groups", "/$defs/group"),
        ("## Maintenance", "/$defs/window"),
        ("## Plugins", "/$defs/plugin"),
    ] {
        let documented: BTreeSet<&str> = first_cells(section(&reference, heading)).collect();
        assert_eq!(documented, properties(&schema, pointer), "{heading}");
    }
}

/// The descriptions of an object's properties, at this place of a schema.
fn descriptions<'a>(schema: &'a Value, pointer: &str) -> BTreeMap<&'a str, &'a str> {
    let place = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    let place = place.pointer("/anyOf/0").unwrap_or(place);
    let properties = place["properties"].as_object().unwrap().iter();
    let described =
        properties.filter_map(|(key, schema)| Some((key.as_str(), schema["description"].as_str()?)));
    described.collect()
}

#[test]
fn the_reference_has_the_defaults_of_the_schema() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    let reference = page("reference/suite-keys.md");
    let mut compared = 0;
    for (heading, pointer) in [
        ("## Keys of a check", "/$defs/check"),
        ("## Quota", "/$defs/check/properties/quota"),
    ] {
        let descriptions = descriptions(&schema, pointer);
        let rows = section(&reference, heading).lines();
        for row in rows.filter(|row| row.starts_with("| `")) {
            let cells: Vec<&str> = row
                .split(" |")
                .map(|cell| cell.trim_start_matches("| ").trim())
                .collect();
            let described = descriptions.get(cells[0].trim_matches('`'));
            let default = described.and_then(|text| all_between(text, "[default: ", ']').next());
            // Others are in words.
            let Some(default) = default.filter(|text| text.starts_with(|first: char| first.is_ascii_digit()))
            else {
                continue;
            };
            assert_eq!(cells[1], default, "{row}");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn the_page_of_a_plugin_has_every_key_of_its_configuration() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    for plugin in ["http", "tls", "tcp", "script"] {
        let page = page(&format!("plugins/{plugin}.md"));
        let documented: BTreeSet<&str> = first_cells(&page).collect();
        let keys = properties(&schema, &format!("/$defs/config-{plugin}"));
        let missing: Vec<_> = keys.difference(&documented).collect();
        assert!(missing.is_empty(), "{plugin}: {missing:?}");
    }
}

/// The names of commands that a help text lists.
fn commands(help: &str) -> Vec<&str> {
    let (_, list) = help.split_once("Commands:\n").unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    // Continuations of a long description are indented further.
    let named = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    named.filter_map(|line| line.split_whitespace().next()).collect()
}

/// The help texts of all commands, by their names.
fn helps() -> BTreeMap<String, String> {
    let general = printed(&["--help"]);
    let mut helps = BTreeMap::new();
    for command in commands(&general) {
        let help = printed(&[command, "--help"]);
        for inner in commands(&help) {
            let name = format!("{command} {inner}");
            helps.insert(name, printed(&[command, inner, "--help"]));
        }
        if commands(&help).is_empty() {
            helps.insert(command.to_owned(), help);
        }
    }
    helps
}

/// The long options of a help text's lists.
fn options(help: &str) -> impl Iterator<Item = &str> {
    let words = help.lines().flat_map(|line| {
        let line = line.trim_start();
        let is_entry = line.starts_with('-');
        line.split_whitespace().take(if is_entry { 2 } else { 0 })
    });
    let options = words.filter(|word| word.starts_with("--"));
    options.map(|word| word.trim_end_matches(|char: char| !char.is_ascii_lowercase()))
}

#[test]
fn the_reference_has_every_command_option_and_variable_and_no_other() {
    let reference = page("reference/commands.md");
    let documented: Vec<&str> = first_cells(&reference).collect();
    let named = |prefix: &str| -> BTreeSet<&str> {
        let found = documented.iter().filter(|name| name.starts_with(prefix));
        found.map(|name| name.split(' ').next().unwrap()).collect()
    };
    let helps = helps();
    let known: BTreeSet<&str> = helps.values().flat_map(|help| options(help)).collect();
    let global = BTreeSet::from(["--help", "--version"]);
    assert_eq!(
        named("--"),
        known.union(&global).copied().collect::<BTreeSet<_>>()
    );

    let is_word = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
    let commands = reference.split("\n## ").next().unwrap();
    let listed: BTreeSet<String> = first_cells(commands)
        .map(|name| name.split(' ').take_while(is_word).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(listed, helps.keys().cloned().collect::<BTreeSet<_>>());

    for help in helps.values() {
        // In one line, since a long description is wrapped.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for variable in all_between(&help, "[env: ", '=') {
            assert!(reference.contains(&format!("`{variable}`")), "{variable}");
        }
    }
}
