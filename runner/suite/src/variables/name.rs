//! What a variable may be called.

use super::MAX_NAME;

/// Whether this is a valid name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// How to write a name, for a person whose name is invalid.
pub(super) fn name_hint() -> String {
    format!("use up to {MAX_NAME} letters, digits, `_` and `-`, not starting with a digit or `-`")
}
