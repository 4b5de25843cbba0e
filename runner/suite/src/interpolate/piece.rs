//! The parts of a text with references.

pub(super) const OPEN: &str = "${";
/// Beginnings of references to secrets.
const SECRETS: [&str; 2] = ["${env:", "${file:"];

/// Whether a text contains a secret reference.
pub(crate) fn has_reference(text: &str) -> bool {
    SECRETS.iter().any(|reference| text.contains(reference))
}

/// A part of a text.
pub(super) enum Piece<'t> {
    /// `$${`.
    Escaped,
    /// Literal text.
    Literal(&'t str),
    /// The text between `${` and `}`.
    Reference(&'t str),
    /// The beginning of a reference without its closing brace: `${env:`.
    Unclosed(&'t str),
}

/// The text before the next `${`, the piece there, and the text after it.
pub(super) fn next_piece(text: &str) -> Option<(&str, Piece<'_>, &str)> {
    let (before, after) = text.split_once(OPEN)?;
    if let Some(before) = before.strip_suffix('$') {
        return Some((before, Piece::Escaped, after));
    }
    if let Some((inner, after)) = after.split_once('}') {
        return Some((before, Piece::Reference(inner), after));
    }
    let unclosed = text.get(before.len()..).unwrap_or_default();
    let reference = SECRETS.into_iter().find(|reference| unclosed.contains(reference));
    let piece = reference.map_or(Piece::Literal(unclosed), Piece::Unclosed);
    Some((before, piece, ""))
}

/// Whether the text after `${` is a reference to be replaced or rejected, not a capture of a plugin.
pub(super) fn is_reference(after: &str) -> bool {
    after.split_once(':').is_some_and(|(kind, _)| is_name(kind))
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
