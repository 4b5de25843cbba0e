//! The order of crates and modules: data flows in one direction.

use std::collections::BTreeSet;

use canary_tests::documentation::first_cells;

use super::{Source, fail, is_word, names, parts, root};

/// The program's crate, which is in `runner` itself; the others are in folders of it.
const PROGRAM: &str = "";
/// Stands for the root of a crate, with all of its modules that the order does not name.
const ROOT: &str = "lib";

/// Crates with several subjects, and the order of their modules: each may use those before it. The compiler refuses
/// that two crates use each other, but not that two modules of a crate do.
const ORDER: [(&str, &[&str]); 7] = [
    (
        "system",
        &[
            "clock",
            "backoff",
            "liveness",
            "age",
            "io_class",
            "pem",
            "regular_file",
            "signal",
        ],
    ),
    ("record", &["quota", "redact", ROOT, "trace"]),
    // A problem of a suite or of the settings has nothing to do with what a run records.
    ("suite", &["problem", "canary_record", "grant", ROOT]),
    (
        "run",
        &["outcome", "status", "account", "schedule", "report", "publish"],
    ),
    ("net", &["pool", "ledger", ROOT]),
    ("sandbox", &[ROOT, "plugin", "dispatch"]),
    (PROGRAM, &["fuzzing", "app", "demo", "cli", "main"]),
];

/// The modules of a crate in order; none for a crate with one subject.
fn order(folder: &str) -> &'static [&'static str] {
    let found = ORDER.iter().find(|(known, _)| *known == folder);
    found.map_or(&[], |(_, modules)| modules)
}

/// The folder of a file's crate in `runner`, and the file's path in `src` without its extension.
fn place(source: &Source) -> (&str, &str) {
    let path = source.path.strip_prefix("runner/").unwrap();
    let path = path.strip_suffix(".rs").unwrap();
    match path.strip_prefix("src/") {
        Some(path) => (PROGRAM, path),
        None => path.split_once("/src/").unwrap(),
    }
}

fn first_segment(path: &str) -> &str {
    path.split('/').next().unwrap()
}

/// `suite/parse` of `runner/suite/src/parse.rs`, `suite` of its `lib.rs`, `app/load` of `runner/src/app/load.rs`.
pub(super) fn module_path(source: &Source) -> String {
    match place(source) {
        (PROGRAM, path) => path.to_owned(),
        (folder, ROOT) => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

/// The module with a place in the order that a file belongs to, or else its crate: `net/pool`, but `net` of
/// `net/http/body`.
pub(super) fn module(source: &Source) -> String {
    let (folder, path) = place(source);
    let first = first_segment(path);
    if folder == PROGRAM {
        first.to_owned()
    } else if first != ROOT && order(folder).contains(&first) {
        format!("{folder}/{first}")
    } else {
        folder.to_owned()
    }
}

/// The use of a module or an item of the same crate.
#[derive(Debug, PartialEq)]
struct OwnUse {
    line: usize,
    /// The first name after `crate::`, or `*`.
    name: String,
    /// Whether it is in a list that begins with `crate::{`.
    is_listed: bool,
}

/// What a file uses of its own crate, by paths from the crate's root or relative to the file.
fn own_uses(source: &Source) -> Vec<OwnUse> {
    let lines: Vec<(usize, &str)> = source.code().collect();
    let text = lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
    let (_, file) = place(source);
    let mut uses = Vec::new();
    let (mut index, mut end) = (0, 0);
    for piece in text.split_inclusive(|char| !is_word(char) && char != ':') {
        let path = piece.trim_end_matches(|char| !is_word(char) && char != ':');
        if let Some(inner) = from_root(file, path) {
            let name = inner.split("::").next().unwrap();
            let found = if name.is_empty() {
                list(&text[end + path.len()..])
            } else {
                vec![name]
            };
            uses.extend(found.into_iter().map(|found| OwnUse {
                line: lines[index].0,
                name: found.to_owned(),
                is_listed: path == "crate::",
            }));
        }
        index += piece.matches('\n').count();
        end += piece.len();
    }
    uses
}

/// A path of a file as it continues at the root of the crate, if it leads there.
fn from_root<'a>(file: &str, path: &'a str) -> Option<&'a str> {
    if let Some(inner) = path.strip_prefix("crate::") {
        return Some(inner);
    }
    if file == ROOT {
        let inner = path.strip_prefix("self::").unwrap_or(path);
        return path.contains("::").then_some(inner);
    }
    path.strip_prefix(&"super::".repeat(file.split('/').count()))
}

/// The first names of the items of a list in braces at the start of `text`; `*` without a list.
fn list(text: &str) -> Vec<&str> {
    if !text.starts_with('{') {
        return vec!["*"];
    }
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (depth, char) {
            (0, _) => break,
            (1, '{' | ',') => {
                let item = text[at + 1..].trim_start();
                let name = item.split(|char| !is_word(char)).next();
                found.extend(name.filter(|name| !name.is_empty()));
            }
            _ => {}
        }
    }
    found
}

/// What a file uses that comes later than itself in the order of its crate.
fn later_uses(source: &Source) -> Vec<(usize, String)> {
    let (folder, path) = place(source);
    let order = order(folder);
    let rank = |name: &str| order.iter().position(|known| *known == name);
    let rank_or_root = |name: &str| rank(name).or_else(|| rank(ROOT));
    let Some(own) = rank_or_root(first_segment(path)) else {
        return Vec::new();
    };
    let uses = own_uses(source).into_iter();
    let uses = uses.filter(|used| rank_or_root(&used.name).is_some_and(|rank| rank > own));
    let mut later: Vec<_> = uses.map(|used| (used.line, used.name)).collect();
    for module in &order[own + 1..] {
        // Another crate.
        let lines = source
            .code()
            .filter(|(_, line)| module.starts_with("canary_") && names(line, module));
        later.extend(lines.map(|(number, _)| (number, (*module).to_owned())));
    }
    later
}

#[test]
fn modules_of_a_crate_use_those_before_them() {
    let mut problems = Vec::new();
    for source in Source::of_the_runner() {
        let own = module(&source);
        for (number, later) in later_uses(&source) {
            problems.push(format!(
                "{}:{number}: `{own}` must not know `{later}`, which comes later",
                source.path
            ));
        }
    }
    fail(&problems);
}

#[test]
fn every_module_of_a_crate_with_an_order_has_a_place_in_it() {
    let mut problems = Vec::new();
    for source in Source::of_the_runner() {
        let (folder, path) = place(&source);
        let (order, first) = (order(folder), first_segment(path));
        let is_known = order.is_empty() || order.contains(&ROOT) || order.contains(&first);
        if !is_known && path != ROOT {
            problems.push(format!(
                "{}: say in the order of modules where `{first}` stands",
                source.path
            ));
        }
    }
    fail(&problems);
}

#[test]
fn every_place_in_the_order_is_taken() {
    let sources = Source::of_the_runner();
    let is_taken = |folder: &str, name: &str| {
        sources
            .iter()
            .map(place)
            .any(|(own, path)| own == folder && first_segment(path) == name)
    };
    let places = ORDER
        .iter()
        .flat_map(|(folder, modules)| modules.iter().map(move |name| (*folder, *name)));
    let vacant: Vec<_> = places
        .filter(|(folder, name)| match name.strip_prefix("canary_") {
            Some(part) => !parts().contains(part),
            None => !is_taken(folder, name),
        })
        .collect();
    assert_eq!(vacant, []);
}

#[test]
fn a_list_of_imports_is_of_one_module() {
    let sources = Source::of_the_runner();
    let modules: BTreeSet<(&str, &str)> = sources.iter().map(place).collect();
    let mut problems = Vec::new();
    for source in &sources {
        let (folder, _) = place(source);
        let uses = own_uses(source).into_iter();
        for used in uses.filter(|used| used.is_listed && modules.contains(&(folder, &used.name))) {
            problems.push(format!(
                "{}:{}: import the modules of this crate one a line",
                source.path, used.line
            ));
        }
    }
    fail(&problems);
}

/// Rules name both in the same way.
#[test]
fn no_module_of_the_program_has_the_name_of_a_crate() {
    let sources = Source::below("runner/src");
    let modules: BTreeSet<String> = sources.iter().map(module).collect();
    let ambiguous: Vec<_> = modules.intersection(&parts()).cloned().collect();
    assert_eq!(ambiguous, [""; 0]);
}

/// The folders of the program's parts that these names have, in order: `canary-net` and `runner/net/src/dns` name
/// `net`.
fn named_parts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let parts = parts();
    let mut named = Vec::new();
    for name in names {
        let rest = name
            .strip_prefix("canary-")
            .or_else(|| name.strip_prefix("runner/"));
        let folder = first_segment(rest.unwrap_or_default());
        if parts.contains(folder) && !named.contains(&folder) {
            named.push(folder);
        }
    }
    named
}

/// Those for tests are among them: Cargo would accept a circle.
#[test]
fn crates_depend_on_those_before_them_in_the_table_of_architecture() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let order = named_parts(first_cells(&text));
    let listed: BTreeSet<String> = order.iter().map(|&folder| folder.to_owned()).collect();
    assert_eq!(listed, parts(), "the table has every crate");
    let mut problems = Vec::new();
    for (rank, folder) in order.iter().enumerate() {
        let manifest = root().join("runner").join(folder).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let keys = manifest.lines().filter_map(|line| line.split([' ', '.']).next());
        for dependency in named_parts(keys) {
            if !order[..rank].contains(&dependency) {
                problems.push(format!(
                    "`{folder}` must not depend on `{dependency}`, which comes later in ARCHITECTURE.md"
                ));
            }
        }
    }
    fail(&problems);
}

#[test]
fn uses_of_the_own_crate_are_found() {
    let uses = |path: &str, text: &str| -> Vec<(usize, String)> {
        let (path, text) = (path.to_owned(), text.to_owned());
        let uses = own_uses(&Source { path, text }).into_iter();
        uses.map(|used| (used.line, used.name)).collect()
    };
    let owned = |(line, name): (usize, &str)| (line, name.to_owned());
    let text = "// crate::comment\nuse crate::a::B;\nuse crate::{\n    C,\n    d::{E, F},\n    G,\n};\n\
        use super::h::I;\nuse super::super::j;\nlet k = other::crate_::l(crate::m());\nmod tests {\ncrate::n";
    let expected = [(2, "a"), (3, "C"), (3, "d"), (3, "G"), (9, "j"), (10, "m")];
    assert_eq!(uses("runner/net/src/x/y.rs", text), expected.map(owned));
    let text = "mod a;\nuse a::B;\nuse self::c;\nuse crate::*;";
    let expected = [(2, "a"), (3, "c"), (4, "*")];
    assert_eq!(uses("runner/net/src/lib.rs", text), expected.map(owned));
}

#[test]
fn what_comes_later_is_found() {
    let later = |path: &str, text: &str| {
        let (path, text) = (path.to_owned(), text.to_owned());
        later_uses(&Source { path, text }).len()
    };
    assert_eq!(later("runner/record/src/redact/a.rs", "use crate::trace::B;"), 1);
    assert_eq!(later("runner/record/src/redact/a.rs", "use crate::Text;"), 1);
    assert_eq!(later("runner/record/src/redact.rs", "use super::Text;"), 1);
    assert_eq!(later("runner/record/src/redact.rs", "use crate::quota::B;"), 0);
    assert_eq!(later("runner/record/src/text.rs", "use super::trace::B;"), 1);
    assert_eq!(later("runner/record/src/lib.rs", "use trace::B;"), 1);
    assert_eq!(later("runner/record/src/trace.rs", "use crate::Text;"), 0);
    assert_eq!(later("runner/suite/src/problem.rs", "use canary_record::B;"), 1);
    assert_eq!(later("runner/suite/src/grant.rs", "use canary_record::B;"), 0);
    assert_eq!(later("runner/src/app/a.rs", "use crate::{cli::B, C};"), 1);
    assert_eq!(later("runner/state/src/a.rs", "use crate::b::C;"), 0);
}
