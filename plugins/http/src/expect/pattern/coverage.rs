//! Patterns that match everything or nothing.

use regex_syntax::hir::{Hir, HirKind};

/// Which texts a pattern matches, as far as its structure tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expect) enum Coverage {
    /// Every text: it matches the empty one, wherever it stands.
    Everything,
    /// No text.
    Nothing,
    /// Some texts, or it is not known.
    Partial,
}

impl Coverage {
    pub(super) fn of(pattern: &Hir) -> Self {
        let properties = pattern.properties();
        if properties.minimum_len() == Some(0) && properties.look_set().is_empty() {
            Self::Everything
        } else if matches_nothing(pattern) {
            Self::Nothing
        } else {
            Self::Partial
        }
    }
}

/// Whether it has an empty class that every match would need. The minimum length does not tell: it is unknown as soon
/// as one of several alternatives is such a class. The parser bounds the nesting.
fn matches_nothing(pattern: &Hir) -> bool {
    match pattern.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => false,
        HirKind::Class(class) => class.minimum_len().is_none(),
        HirKind::Repetition(repetition) => repetition.min > 0 && matches_nothing(&repetition.sub),
        HirKind::Capture(capture) => matches_nothing(&capture.sub),
        HirKind::Concat(parts) => parts.iter().any(matches_nothing),
        HirKind::Alternation(branches) => branches.iter().all(matches_nothing),
    }
}
