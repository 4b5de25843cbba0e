//! Detection of patterns that cannot match within a line.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// Whether every match of a pattern contains a line feed.
pub(super) fn is_wanted(pattern: &str) -> bool {
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern);
    parsed.is_ok_and(|parsed| is_in_all(&parsed))
}

/// The parser bounds the recursion depth.
fn is_in_all(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Repetition(repetition) => repetition.min > 0 && is_in_all(&repetition.sub),
        HirKind::Capture(capture) => is_in_all(&capture.sub),
        HirKind::Concat(parts) => parts.iter().any(is_in_all),
        HirKind::Alternation(parts) => parts.iter().all(is_in_all),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_wanted;

    #[test]
    fn a_pattern_may_want_a_line_feed() {
        for pattern in [
            "\n",
            "^220 .*\\r\\n",
            "a\\x0ab",
            "(ok\\n)+",
            "a\\n|b\\n$",
            "(?m)^[\\n]$",
        ] {
            assert!(is_wanted(pattern), "{pattern}");
        }
        for pattern in ["^220", "[^\\n]+", "a\\n?", "a\\n|b", "\\s", "(?s).", "\\\\n", ""] {
            assert!(!is_wanted(pattern), "{pattern}");
        }
    }
}
