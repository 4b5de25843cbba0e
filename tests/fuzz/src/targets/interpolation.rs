//! References in the texts of a suite.

use canary::fuzzing::suite::{Expansion, expand};

use super::environment::{Fixed, PASSWORD, TOKEN, is_leak};

/// Maximum length of the value of one reference, in bytes.
const LONGEST: usize = if TOKEN.len() > PASSWORD.len() {
    TOKEN.len()
} else {
    PASSWORD.len()
};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // A text may contain a secret literally.
    if !is_leak(text) {
        replaces_references(text);
    }
    keeps_what_is_escaped(text);
}

fn replaces_references(text: &str) {
    match expand(text, &Fixed) {
        Ok(Expansion { text: exposed, shown }) => {
            assert!(!is_leak(&shown), "shown: {shown}");
            let references = text.matches("${").count();
            assert!(exposed.len() <= text.len() + references * LONGEST, "{exposed}");
            if references == 0 {
                assert_eq!((exposed.as_str(), shown.as_str()), (text, text));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= text.matches("${").count());
            for problem in problems {
                assert!(!is_leak(&problem), "{problem}");
                assert!(problem.len() < 16 << 10, "{} bytes", problem.len());
            }
        }
    }
}

fn keeps_what_is_escaped(text: &str) {
    let escaped = text.replace("${", "$${");
    match expand(&escaped, &Fixed) {
        Ok(expansion) => assert_eq!((expansion.text.as_str(), expansion.shown.as_str()), (text, text)),
        Err(problems) => assert!(problems.is_empty(), "{escaped}: {problems:?}"),
    }
}
