//! Released contracts never change.

use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Released versions of the contract, with the SHA-256 of their definition without comments.
const CONTRACTS: [(&str, &str); 1] = [(
    "0.1",
    "451698fed8f878c1e251571bf77618f5310a42aee997f1c84e5ac44a184bdf55",
)];

#[test]
fn a_contract_that_plugins_are_built_for_stays_as_it_is() {
    for (version, digest) in CONTRACTS {
        let path = format!("../sdk/wit/{version}/check.wit");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(path).unwrap();
        let found = hex::encode(Sha256::digest(definition(&text)));
        assert_eq!(
            found, digest,
            "contract {version} was released: what is new belongs into a version of its own"
        );
    }
}

/// The text without comments, which may still be improved.
fn definition(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().trim().to_owned();
    let lines = text.lines().map(code).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}
