//! Limits on the length, name and content of files.

use super::{Source, names};

const MAX_LINES: usize = 400;
/// Product code. Tests and benches are exempt.
const FOLDERS: [&str; 4] = ["runner/src", "runner/build", "sdk", "plugins"];
const UNFINISHED: [&str; 5] = ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX"];

fn sources() -> impl Iterator<Item = Source> {
    FOLDERS.into_iter().flat_map(Source::below)
}

fn fail(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n\n{}\n", problems.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let long = |source: Source| {
        let lines = source.text.lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines, {MAX_LINES} are enough", source.path))
    };
    fail(sources().filter_map(long).collect());
}

#[test]
fn no_module_is_named_for_nothing() {
    let names = [
        "mod", "util", "utils", "common", "helper", "helpers", "manager", "types", "misc",
    ];
    let is_vague = |source: &Source| {
        let file = source.path.rsplit('/').next().unwrap();
        names.contains(&file.strip_suffix(".rs").unwrap())
    };
    let vague = sources()
        .filter(is_vague)
        .map(|source| format!("{}: name it for what it holds", source.path));
    fail(vague.collect());
}

#[test]
fn nothing_is_left_unfinished() {
    let mut problems = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            if UNFINISHED.iter().any(|mark| names(line, mark)) {
                problems.push(format!(
                    "{}:{}: finish it\n    {}",
                    source.path,
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    fail(problems);
}
