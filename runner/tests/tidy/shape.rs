//! Limits on the length, name and content of files.

use super::{Source, fail, names};

const MAX_LINES: usize = 400;
/// Product code besides that of the runner. Tests and benches are exempt.
const FOLDERS: [&str; 3] = ["runner/sandbox/build", "sdk", "plugins"];
const UNFINISHED: [&str; 5] = ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX"];

fn sources() -> impl Iterator<Item = Source> {
    let others = FOLDERS.into_iter().flat_map(Source::below);
    Source::of_the_runner().into_iter().chain(others)
}

#[test]
fn no_file_is_too_long() {
    let long = |source: Source| {
        let lines = source.text.lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines, {MAX_LINES} are enough", source.path))
    };
    let problems: Vec<_> = sources().filter_map(long).collect();
    fail(&problems);
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
    fail(&vague.collect::<Vec<_>>());
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
    fail(&problems);
}
