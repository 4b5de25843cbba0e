//! Links of the documentation lead somewhere, and the user guide is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use canary_tests::documentation;

use super::{fail, root};

/// The sources of the user guide. The site has no other files.
const GUIDE: &str = "docs/src";

/// A Markdown file.
struct Page {
    /// From the root of the repository.
    path: PathBuf,
    text: String,
}

impl Page {
    /// Every page of the repository.
    fn all() -> Vec<Self> {
        let pages = documentation::pages().into_iter();
        pages.map(|(path, text)| Self { path, text }).collect()
    }

    fn is_in_guide(&self) -> bool {
        self.path.starts_with(GUIDE)
    }

    /// Lines outside of code blocks, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut in_code = false;
        let lines = self.text.lines().enumerate();
        lines.filter_map(move |(number, line)| {
            let is_fence = line.trim_start().starts_with("```");
            in_code ^= is_fence;
            (!in_code && !is_fence).then_some((number + 1, line))
        })
    }

    /// The targets of relative links and images, with the numbers of their lines.
    fn links(&self) -> impl Iterator<Item = (usize, &str)> {
        let links = self.prose().flat_map(|(number, line)| {
            let after = line.split("](").skip(1);
            after.filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
        });
        links.filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"))
    }

    /// The names under which GitHub and mdBook link to the headings.
    fn anchors(&self) -> BTreeSet<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let headings = self.prose().filter_map(|(_, line)| {
            let heading = line.trim_start_matches('#');
            let is_heading = heading.len() < line.len();
            heading.strip_prefix(' ').filter(|_| is_heading).map(anchor)
        });
        let unique = headings.map(|name| {
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 {
                name
            } else {
                format!("{name}-{}", *count - 1)
            }
        });
        unique.collect()
    }

    /// Files that the page includes, by their paths from the root.
    fn included(&self) -> impl Iterator<Item = PathBuf> {
        let directives = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("{{#include "));
        let paths = directives.filter_map(|line| line.strip_suffix("}}"));
        paths.map(|path| self.resolve(path))
    }

    /// A path relative to this page, from the root.
    fn resolve(&self, path: &str) -> PathBuf {
        let folder = self.path.parent().unwrap();
        let mut resolved = PathBuf::new();
        for component in folder.join(path).components() {
            if component == Component::ParentDir {
                resolved.pop();
            } else {
                resolved.push(component);
            }
        }
        resolved
    }
}

/// Lower case, without punctuation, with `-` for spaces.
fn anchor(heading: &str) -> String {
    let is_kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
    let kept = heading.chars().filter(is_kept);
    kept.flat_map(char::to_lowercase)
        .map(|char| if char == ' ' { '-' } else { char })
        .collect()
}

/// What is wrong with a link, if anything.
fn problem(page: &Page, target: &str, anchors: &BTreeMap<PathBuf, BTreeSet<String>>) -> Option<&'static str> {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let file = if path.is_empty() {
        page.path.clone()
    } else {
        page.resolve(path)
    };
    if !root().join(&file).exists() {
        return Some("does not exist");
    }
    if page.is_in_guide() && !file.starts_with(GUIDE) {
        return Some("is not part of the site: name the file in backticks");
    }
    let known = anchors.get(&file);
    let is_broken = anchor.is_some_and(|anchor| !known.is_some_and(|known| known.contains(anchor)));
    is_broken.then_some("has no such heading")
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let pages = Page::all();
    let anchors: BTreeMap<PathBuf, BTreeSet<String>> = pages
        .iter()
        .map(|page| (page.path.clone(), page.anchors()))
        .collect();
    let mut problems = Vec::new();
    for page in &pages {
        for (line, target) in page.links() {
            if let Some(problem) = problem(page, target, &anchors) {
                problems.push(format!("{}:{line}: `{target}` {problem}", page.path.display()));
            }
        }
    }
    fail(&problems);
}

#[test]
fn the_summary_of_the_user_guide_has_every_page() {
    let pages = Page::all();
    let summary_path = Path::new(GUIDE).join("SUMMARY.md");
    let summary = pages.iter().find(|page| page.path == summary_path).unwrap();
    let listed: BTreeSet<PathBuf> = summary
        .links()
        .map(|(_, target)| summary.resolve(target))
        .collect();
    let written = pages.iter().filter(|page| page.is_in_guide());
    let written: BTreeSet<PathBuf> = written
        .map(|page| page.path.clone())
        .filter(|path| *path != summary_path)
        .collect();
    assert_eq!(listed, written);
}

/// Its relative links would count from the page that includes it.
#[test]
fn what_the_user_guide_includes_exists_and_has_no_relative_links() {
    let pages = Page::all();
    for page in pages.iter().filter(|page| page.is_in_guide()) {
        for path in page.included() {
            let included = pages.iter().find(|page| page.path == path);
            let included = included.unwrap_or_else(|| panic!("{} does not exist", path.display()));
            let links: Vec<_> = included.links().collect();
            assert!(links.is_empty(), "{}: {links:?}", path.display());
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = std::fs::read_to_string(root().join("README.md"))
        .unwrap()
        .lines()
        .count();
    assert!(lines < 250, "{lines} lines: move text to docs/src");
}

#[test]
fn links_and_headings_are_found_outside_of_code() {
    let page = Page {
        path: "docs/src/a/b.md".into(),
        text: "# It can't stop\n## A `key`: x_y\n[one\nword](../c.md#d) and ![x](e.png), [f](https://g)\n\
            ```sh\n# code\n[h](i)\n```\n## A `key`: x_y\n"
            .to_owned(),
    };
    assert_eq!(page.links().collect::<Vec<_>>(), [(4, "../c.md#d"), (4, "e.png")]);
    let anchors = ["a-key-x_y", "a-key-x_y-1", "it-cant-stop"];
    assert_eq!(page.anchors(), anchors.map(str::to_owned).into());
    assert_eq!(page.resolve("../c.md"), Path::new("docs/src/c.md"));
}

#[test]
fn every_symbolic_link_leads_somewhere() {
    let mut dangling = Vec::new();
    for folder in ["runner", "sdk", "plugins", "tests", "docs", "examples", "deploy"] {
        collect_dangling(&root().join(folder), &mut dangling);
    }
    fail(&dangling);
}

fn collect_dangling(folder: &Path, dangling: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            if !path.exists() {
                dangling.push(format!("{} leads nowhere", path.display()));
            }
        } else if path.is_dir() {
            collect_dangling(&path, dangling);
        }
    }
}
