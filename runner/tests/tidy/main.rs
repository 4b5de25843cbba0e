//! Rules about the source: which modules may use which, how long a file may be, and which words it must not contain;
//! and about the documentation: its links, and its reference of codes and settings.
#![cfg(test)]

mod imports;
mod links;
mod reference;
mod released;
mod shape;
mod words;

use std::path::{Path, PathBuf};

/// A Rust file.
struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// Every Rust file below `folder`, which counts from the root of the repository.
    fn below(folder: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut paths = Vec::new();
        collect(&root.join(folder), &mut paths);
        let source = |path: PathBuf| Self {
            path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
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
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(path).any(|(start, found)| {
        let before = line[..start].chars().next_back();
        let after = line[start + found.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(|char| path.ends_with(is_word) && is_word(char))
    })
}
