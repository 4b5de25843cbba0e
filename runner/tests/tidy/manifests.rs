//! Manifests: every dependency is used, and every package that is published has what it needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::{Source, fail, is_word, names, root};

/// Dependencies whose library has another name.
const LIBRARIES: [(&str, &str); 1] = [("md-5", "md5")];
/// Dependencies that no code names: the folder of the package, the dependency, and why it is there.
const UNNAMED: [(&str, &str, &str); 2] = [
    ("tests/fuzz", "nix", "its features are those that other tests use"),
    (
        "tests/fuzz",
        "rustix",
        "its features are those that other tests use",
    ),
];
/// What a package needs that is published.
const NEEDED: [&str; 3] = ["description", "license", "include"];

/// A package of the workspace.
struct Package {
    /// From the root of the repository.
    folder: String,
    manifest: String,
    /// Its Rust files, besides those of packages in its folder.
    sources: Vec<Source>,
}

impl Package {
    fn all() -> Vec<Self> {
        let mut manifests = Vec::new();
        for folder in ["runner", "sdk", "plugins", "tests"] {
            collect_manifests(&root().join(folder), &mut manifests);
        }
        let folder = |path: &PathBuf| path.parent().unwrap().to_owned();
        let folders: BTreeSet<PathBuf> = manifests.iter().map(folder).collect();
        manifests.iter().map(|path| Self::read(path, &folders)).collect()
    }

    fn read(path: &Path, folders: &BTreeSet<PathBuf>) -> Self {
        let own = path.parent().unwrap();
        let folder = own.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let manifest = std::fs::read_to_string(path).unwrap();
        let mut sources = Source::below(&folder);
        sources.retain(|source| {
            let file = root().join(&source.path);
            file.ancestors().find(|folder| folders.contains(*folder)) == Some(own)
        });
        // Tests of the package that are in another folder.
        let elsewhere = Regex::new(r#"(?m)^path = "(\.\./.+)/main\.rs""#).unwrap();
        for found in elsewhere.captures_iter(&manifest) {
            let path = own.join(&found[1]).canonicalize().unwrap();
            sources.extend(Source::below(
                path.strip_prefix(root()).unwrap().to_str().unwrap(),
            ));
        }
        Self {
            folder,
            manifest,
            sources,
        }
    }

    /// The dependencies: whether each is for tests alone, and its name.
    fn dependencies(&self) -> impl Iterator<Item = (bool, &str)> {
        let mut section = "";
        self.manifest.lines().filter_map(move |line| {
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
            }
            let is_listed = section.ends_with("dependencies") && line.contains('=');
            let name = line.split(['=', '.', ' ']).next()?;
            let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic());
            (is_listed && is_name).then_some((section.ends_with("dev-dependencies"), name))
        })
    }

    /// Whether the package's code names a library. That of tests may name what is for tests alone.
    fn uses(&self, library: &str, for_tests: bool) -> bool {
        let path = format!("{library}::");
        let is_import = |line: &str| {
            ["use ", "extern crate "]
                .into_iter()
                .filter_map(|word| line.split_once(word))
                .any(|(_, named)| {
                    named
                        .strip_prefix(library)
                        .is_some_and(|rest| !rest.starts_with(is_word))
                })
        };
        let is_named = |line: &str| names(line, &path) || is_import(line);
        self.sources.iter().any(|source| {
            if for_tests {
                source.text.lines().any(is_named)
            } else {
                source.code().any(|(_, line)| is_named(line))
            }
        })
    }

    fn is_published(&self) -> bool {
        !self.manifest.contains("\npublish = false")
    }

    fn has_key(&self, key: &str) -> bool {
        let mut lines = self.manifest.lines();
        lines.any(|line| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with([' ', '.']))
        })
    }

    /// Whether the package has a file, whose path counts from its folder.
    fn contains(&self, path: &Path) -> bool {
        let list = Regex::new(r"(?m)^include = \[(.+)\]$").unwrap();
        let list = list.captures(&self.manifest).map(|found| found[1].to_owned());
        let list = list.unwrap_or_default();
        let mut roots = list.split(", ").map(|path| path.trim_matches(['"', '/']));
        roots.any(|folder| path.starts_with(folder))
    }
}

fn collect_manifests(folder: &Path, manifests: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() && !path.ends_with("target") {
            collect_manifests(&path, manifests);
        } else if path.ends_with("Cargo.toml") {
            manifests.push(path);
        }
    }
}

#[test]
fn every_dependency_is_used() {
    let mut problems = Vec::new();
    let mut unnamed = 0;
    for package in Package::all() {
        for (for_tests, name) in package.dependencies() {
            let library = LIBRARIES.iter().find(|(known, _)| *known == name);
            let library =
                library.map_or_else(|| name.replace('-', "_"), |(_, library)| (*library).to_owned());
            if package.uses(&library, for_tests) {
                continue;
            }
            let is_known =
                |(folder, known, _): &&(&str, &str, &str)| *folder == package.folder && *known == name;
            if UNNAMED.iter().any(|known| is_known(&known)) {
                unnamed += 1;
                continue;
            }
            let place = &package.folder;
            problems.push(format!(
                "{place}/Cargo.toml: no code uses `{name}`, or only that of tests"
            ));
        }
    }
    fail(&problems);
    assert_eq!(
        unnamed,
        UNNAMED.len(),
        "a dependency is used now: remove it from the list"
    );
}

#[test]
fn a_published_package_has_a_description_a_licence_and_every_file_that_it_includes() {
    let included =
        Regex::new(r#"(?:include_str|include_bytes)!\("([^"]+)"\)|#\[path = "([^"]+)"\]"#).unwrap();
    let mut problems = Vec::new();
    for package in Package::all() {
        if !package.is_published() {
            continue;
        }
        let folder = root().join(&package.folder);
        for key in NEEDED.into_iter().filter(|key| !package.has_key(key)) {
            problems.push(format!("{}/Cargo.toml: `{key}` is missing", package.folder));
        }
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let is_the_same =
                folder.join(licence).canonicalize().ok() == root().join(licence).canonicalize().ok();
            if !is_the_same || !package.manifest.contains("/LICENSE-*") {
                problems.push(format!("{}: {licence} is not in the package", package.folder));
            }
        }
        let packaged = package.sources.iter();
        for source in packaged.filter(|source| source.path.starts_with(&package.folder)) {
            for (number, line) in source.code() {
                for found in included.captures_iter(line) {
                    let path = found.get(1).or(found.get(2)).unwrap().as_str();
                    let path = root().join(&source.path).parent().unwrap().join(path);
                    let path = path.canonicalize().unwrap();
                    let own = path.strip_prefix(&folder).unwrap_or(&path);
                    if !package.contains(own) {
                        problems.push(format!(
                            "{}:{number}: {} is not in the package",
                            source.path,
                            own.display()
                        ));
                    }
                }
            }
        }
    }
    fail(&problems);
}
