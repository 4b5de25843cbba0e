//! The reference in the documentation has every code and every setting, and no others.

use std::collections::BTreeSet;

use canary_tests::documentation::{first_cells, page, section};
use regex::Regex;

use super::Source;

/// Sections of the page of errors, and the types whose codes they list.
const LISTS: [(&str, &[&str]); 6] = [
    ("### Stopped", &["StopCause"]),
    ("### Faulted", &["Fault"]),
    ("## Error types of failed runs", &["NetError", "Shortage"]),
    ("## Missed runs", &["MissReason"]),
    ("## Health", &["HealthIssue"]),
    ("## Lost telemetry and notifications", &["DropReason"]),
];
/// A code that no type has: of data that are omitted before anything could be dropped.
const TOO_LARGE: &str = "too_large";
/// How a key of the settings file is read.
const READER: &str =
    r#"\b(?:folder|is_none|list|list_or_none|pairs|section|sections|text|value)\(\s*"([a-z_]+)""#;

/// The literals in `code` or `as_str` of all types of this name.
pub(super) fn codes<'a>(sources: &'a [Source], of: &str) -> BTreeSet<&'a str> {
    let marker = format!("\nimpl {of} {{\n");
    let blocks = sources
        .iter()
        .filter_map(|source| source.text.split_once(&marker));
    let bodies = blocks.filter_map(|(_, block)| {
        let (block, _) = block.split_once("\n}\n")?;
        let start = ["fn code(", "fn as_str("]
            .iter()
            .find_map(|name| block.find(*name))?;
        block[start..].split("\n    }\n").next()
    });
    let found: BTreeSet<&str> = bodies
        .flat_map(|body| body.split('"').skip(1).step_by(2))
        .collect();
    assert!(!found.is_empty(), "`{of}` has no codes");
    found
}

#[test]
fn the_documentation_has_every_code() {
    let sources = Source::of_the_runner();
    let reference = page("reference/errors.md");
    for (heading, types) in LISTS {
        let documented: BTreeSet<&str> = first_cells(section(&reference, heading))
            .filter(|code| *code != TOO_LARGE)
            .collect();
        let codes: BTreeSet<&str> = types.iter().flat_map(|of| codes(&sources, of)).collect();
        assert_eq!(documented, codes, "{heading}");
    }
}

/// The keys that are read from sections of the settings file.
fn settings(sources: &[Source]) -> BTreeSet<&str> {
    let reader = Regex::new(READER).unwrap();
    let product = sources.iter().filter(|source| !source.is_test());
    let texts = product.filter_map(|source| source.text.split("\nmod tests {").next());
    let keys: BTreeSet<&str> = texts
        .filter(|text| text.contains("section"))
        .flat_map(|text| reader.captures_iter(text).filter_map(|found| found.get(1)))
        .map(|key| key.as_str())
        .collect();
    assert!(keys.len() > 40, "{keys:?}");
    keys
}

#[test]
fn the_documentation_has_every_setting() {
    let sources = Source::of_the_runner();
    let keys = settings(&sources);
    let reference = page("reference/settings.md");
    let documented: BTreeSet<&str> = first_cells(&reference).collect();
    let unknown: Vec<_> = documented.difference(&keys).collect();
    assert!(unknown.is_empty(), "no such setting: {unknown:?}");
    let pages = ["alerts.md", "heartbeat.md", "telemetry/settings.md"].map(page);
    let text = pages.iter().fold(reference.clone(), |text, page| text + page);
    let is_missing = |key: &&str| {
        let forms = [format!("`{key}`"), format!(".{key}`"), format!("`{key}: ")];
        !forms.iter().any(|form| text.contains(form))
    };
    let missing: Vec<_> = keys.into_iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "not in the documentation: {missing:?}");
}
