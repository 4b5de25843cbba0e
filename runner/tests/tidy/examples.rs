//! The examples in Rust of the documentation compile.

use canary_tests::documentation::{blocks, pages};

use super::{fail, root};

#[test]
fn the_examples_in_rust_are_those_of_the_sdk_which_are_compiled() {
    // Documentation tests of the SDK compile them.
    let readme = std::fs::read_to_string(root().join("sdk/README.md")).unwrap();
    let compiled: Vec<&str> = blocks(&readme, "rust").collect();
    let pages = pages();
    let examples = pages
        .iter()
        .flat_map(|(path, text)| blocks(text, "rust").map(move |example| (path, example)));
    let others: Vec<String> = examples
        .filter(|(_, example)| !compiled.contains(example))
        .map(|(path, example)| format!("{}: not in sdk/README.md:\n{example}", path.display()))
        .collect();
    fail(&others);
    let guide = pages
        .iter()
        .find(|(path, _)| path.ends_with("writing-plugins.md"));
    assert!(guide.is_some_and(|(_, text)| blocks(text, "rust").next().is_some()));
}
