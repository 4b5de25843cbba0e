//! What a string is made of.

pub(super) const OPEN: &str = "${";

/// Whether a string holds a value that must not be shown.
pub(in crate::suite) fn has_reference(text: &str) -> bool {
    text.contains("${env:") || text.contains("${file:")
}

/// A part of a string.
pub(super) enum Piece<'t> {
    /// `$${`.
    Escaped,
    /// As it stands there.
    Literal(&'t str),
    /// What stands between `${` and `}`.
    Reference(&'t str),
    /// A reference without its end.
    Unclosed(&'t str),
}

/// What comes before the next `${`, what it is, and what follows.
pub(super) fn next_piece(text: &str) -> Option<(&str, Piece<'_>, &str)> {
    let (before, after) = text.split_once(OPEN)?;
    if let Some(before) = before.strip_suffix('$') {
        return Some((before, Piece::Escaped, after));
    }
    if let Some((inner, after)) = after.split_once('}') {
        return Some((before, Piece::Reference(inner), after));
    }
    let unclosed = text.get(before.len()..).unwrap_or_default();
    let piece = if has_reference(unclosed) {
        Piece::Unclosed(unclosed)
    } else {
        Piece::Literal(unclosed)
    };
    Some((before, piece, ""))
}

/// Whether what follows `${` says where a value is, so that it would be replaced, or refused.
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
