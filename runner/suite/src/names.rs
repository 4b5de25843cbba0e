//! Names that a suite gives to checks, plugins, profiles and groups.

/// Maximum length of the name of a check or a maintenance window, in characters.
pub(super) const MAX_NAME: usize = 200;
/// Maximum length of the name of a plugin, a profile or a group, in characters.
pub(super) const MAX_KEY_NAME: usize = 64;

/// Whether this is a valid name for a plugin, a profile or a group.
pub(super) fn is_key_name(name: &str) -> bool {
    name.len() <= MAX_KEY_NAME
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// What a valid name looks like.
pub(super) fn key_name_hint() -> String {
    format!("use up to {MAX_KEY_NAME} letters, digits, `-`, `_` and `.`")
}
