//! Rules about the source: which crates and modules may use which, that files do not use each other, which may use what
//! is dangerous, how long a file may be, and which words it must not contain; about manifests: that dependencies are
//! used, and packages complete; and about the documentation: its links,
//! its examples in Rust, and its reference of codes and settings; and about the values that alert rules and dashboards name.
#![cfg(test)]

mod circles;
mod dashboards;
mod examples;
mod imports;
mod links;
mod manifests;
mod order;
mod reference;
mod released;
mod shape;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A Rust file.
struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// Every Rust file of the product in `runner`: of the program, and of the crates that are its parts.
    fn of_the_runner() -> Vec<Self> {
        let mut sources = Self::below("runner/src");
        for folder in parts() {
            sources.extend(Self::below(&format!("runner/{folder}/src")));
        }
        sources
    }

    /// Every Rust file below `folder`, which counts from the root of the repository.
    fn below(folder: &str) -> Vec<Self> {
        let mut paths = Vec::new();
        collect(&root().join(folder), &mut paths);
        let source = |path: PathBuf| Self {
            path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        };
        let sources: Vec<Self> = paths.into_iter().map(source).collect();
        assert!(!sources.is_empty(), "no Rust file is below `{folder}`");
        sources
    }

    /// Whether the whole file is test code.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Lines of code with their numbers: without comments, and without the tests at the end of a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.is_test();
        let lines = self
            .text
            .lines()
            .take_while(move |line| !is_test && *line != "mod tests {");
        lines.enumerate().filter_map(|(number, line)| {
            let line = line.trim();
            (!line.starts_with("//")).then_some((number + 1, line))
        })
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folders in `runner` of the crates that are parts of the program.
fn parts() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("runner")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let crates = folders.filter(|folder| folder.join("Cargo.toml").exists());
    let name = |folder: PathBuf| folder.file_name().unwrap().to_str().unwrap().to_owned();
    crates.map(name).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Whether a line contains `path` as a whole word: `tokio::spawn` is in `tokio::spawn(`, not in `my_tokio::spawn`.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, found)| {
        let before = line[..start].chars().next_back();
        let after = line[start + found.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(|char| path.ends_with(is_word) && is_word(char))
    })
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn fail(problems: &[String]) {
    assert!(problems.is_empty(), "\n\n{}\n", problems.join("\n"));
}
