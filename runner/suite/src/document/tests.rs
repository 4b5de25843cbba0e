use std::io;
use std::path::Path;

use super::*;

/// `TOKEN` is set; files are those on disk.
struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "hunter2".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular_file::read(Owner::Suites, path, 1 << 20)
    }
}

fn document(text: &str) -> Document {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    std::fs::write(&path, text).unwrap();
    Document::read(&path, 1 << 10, &Fixed)
}

fn problem(document: &Document) -> String {
    assert_eq!(document.problems.len(), 1);
    let problem = document.problems[0].to_string();
    let (_, place) = problem.split_once("canary.yaml").unwrap();
    place.to_owned()
}

#[test]
fn a_text_is_available_with_and_without_interpolated_values() {
    let Some(Value {
        content: Content::Map(members),
        ..
    }) = document("a: Bearer ${env:TOKEN}").root
    else {
        panic!("no mapping");
    };
    let Content::Text { text, masked } = &members[0].value.content else {
        panic!("no text");
    };
    assert_eq!((text.as_str(), masked.as_str()), ("Bearer hunter2", "Bearer ***"));
    assert_eq!(members[0].value.location.at, Some(Position::new(1, 4)));
}

#[test]
fn a_reference_to_nothing_is_a_problem_at_its_place() {
    let document = document("a:\n  b: ${env:NOTHING}");
    insta::assert_snapshot!(problem(&document), @r"
    :2:6: the environment variable `NOTHING` is not set
    hint: set it, or give a default: `${env:NOTHING:-default}`
    ");
}

#[test]
fn a_problem_does_not_quote_its_line() {
    let document = document("authorization: Bearer: hunter2");
    let problem = problem(&document);
    assert!(!problem.contains("hunter2"), "{problem}");
    assert!(problem.starts_with(":1:22: invalid YAML: "), "{problem}");
}

#[test]
fn an_empty_file_is_no_problem() {
    for text in ["", "# nothing yet\n"] {
        let document = document(text);
        assert!(document.problems.is_empty());
        assert!(
            !document
                .root
                .is_some_and(|root| matches!(root.content, Content::Map(_)))
        );
    }
}

#[test]
fn a_file_beyond_the_limit_is_a_problem() {
    let document = document(&"#".repeat(2 << 10));
    assert_eq!(problem(&document), ": the file is larger than 1 KiB");
}
