//! The project's documentation, for the tests that hold it to what the code does.
#![expect(clippy::panic, reason = "a page that cannot be read must fail its test")]

use std::path::{Path, PathBuf};

/// Folders without sources.
const SKIPPED: [&str; 3] = [".git", "node_modules", "target"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A page of the user guide, such as `reference/metrics.md`.
///
/// # Panics
/// The page does not exist.
#[must_use]
pub fn page(name: &str) -> String {
    read(&root().join("docs/src").join(name))
}

/// Every Markdown file of the repository, by its path from the root, in order.
///
/// # Panics
/// A file or folder cannot be read.
#[must_use]
pub fn pages() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(root(), &mut found);
    found.sort();
    let relative = |path: &PathBuf| {
        path.strip_prefix(root())
            .map_or_else(|_| path.clone(), PathBuf::from)
    };
    found.iter().map(|path| (relative(path), read(path))).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        // Links are not followed: what they lead to is found at its own place.
        let kind = entry
            .file_type()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let is_skipped = path
            .file_name()
            .is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped));
        if kind.is_dir() && !is_skipped {
            collect(&path, found);
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A section of a page, from its heading to the next one of the same or a higher level.
///
/// # Panics
/// The page has no such heading.
#[must_use]
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let Some((_, section)) = page.split_once(&format!("\n{heading}\n")) else {
        panic!("no heading `{heading}`");
    };
    let level = heading.len() - heading.trim_start_matches('#').len();
    let end = (1..=level)
        .filter_map(|level| section.find(&format!("\n{} ", "#".repeat(level))))
        .min();
    &section[..end.unwrap_or(section.len())]
}

/// What the first cells of a page's or a section's tables have in backticks, rows in their order.
pub fn first_cells(text: &str) -> impl Iterator<Item = &str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.flat_map(|row| {
        let cell = row.split(" |").next().unwrap_or_default();
        cell.split('`').skip(1).step_by(2)
    })
}

/// The code blocks of this language, without their fences.
pub fn blocks<'a>(page: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let mut rest = page;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&fence)?;
        let (block, after) = after.split_once("\n```")?;
        rest = after;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n\n## B\n\n| key | value |\n|---|---|\n| `a`, `b` | `c` |\n| d | e |\n\n### C\n\n\
        ```yaml\nx: 1\ny: 2\n```\n\n## D\n\n```yaml\nz: 3\n```\n";

    #[test]
    fn a_section_ends_where_the_next_of_its_level_begins() {
        assert!(section(PAGE, "## B").contains("### C"));
        assert!(!section(PAGE, "## B").contains("z: 3"));
        assert!(!section(PAGE, "### C").contains("z: 3"));
        assert!(section(PAGE, "## D").contains("z: 3"));
    }

    #[test]
    fn names_and_blocks_are_found() {
        assert_eq!(first_cells(PAGE).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(blocks(PAGE, "yaml").collect::<Vec<_>>(), ["x: 1\ny: 2", "z: 3"]);
    }
}
