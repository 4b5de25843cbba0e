//! What every match of a pattern needs.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Something that no line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// A byte of an empty class, such as `[a&&b]`: there is none.
    Nothing,
    /// A line feed.
    LineFeed,
}

impl Need {
    /// What every match of the pattern needs and no line has.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        let mut parser = ParserBuilder::new();
        let parsed = parser.unicode(false).utf8(false).build().parse(pattern).ok()?;
        if needs_one_of(&parsed, &[]) {
            Some(Self::Nothing)
        } else {
            needs_one_of(&parsed, b"\n").then_some(Self::LineFeed)
        }
    }
}

/// Whether every match has one of these bytes, or one of an empty class. The parser bounds the recursion depth.
fn needs_one_of(part: &Hir, bytes: &[u8]) -> bool {
    match part.kind() {
        HirKind::Literal(literal) => literal.0.iter().any(|byte| bytes.contains(byte)),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .all(|range| (range.start()..=range.end()).all(|byte| bytes.contains(&byte))),
        HirKind::Repetition(repetition) => repetition.min > 0 && needs_one_of(&repetition.sub, bytes),
        HirKind::Capture(capture) => needs_one_of(&capture.sub, bytes),
        HirKind::Concat(parts) => parts.iter().any(|part| needs_one_of(part, bytes)),
        HirKind::Alternation(parts) => parts.iter().all(|part| needs_one_of(part, bytes)),
        // A pattern for bytes has classes of characters only where it turns Unicode on.
        HirKind::Class(Class::Unicode(class)) => class.ranges().is_empty(),
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Need;

    #[test]
    fn a_pattern_may_need_a_line_feed() {
        for pattern in [
            "\n",
            "^220 .*\\r\\n",
            "a\\x0ab",
            "(ok\\n)+",
            "a\\n|b\\n$",
            "(?m)^[\\n]$",
            "a[\\n]b",
        ] {
            assert_eq!(Need::of(pattern), Some(Need::LineFeed), "{pattern}");
        }
        for pattern in ["^220", "[^\\n]+", "a\\n?", "a\\n|b", "\\s", "(?s).", "\\\\n", ""] {
            assert_eq!(Need::of(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_may_need_what_there_is_not() {
        for pattern in ["[a&&b]", "x(?:[^\\s\\S]\\n)+", "[a&&b]|\\n[c&&d]"] {
            assert_eq!(Need::of(pattern), Some(Need::Nothing), "{pattern}");
        }
        for pattern in ["[a&&b]?", "[a&&b]|ab", "[a-c&&b]", "x[a&&b]*"] {
            assert_eq!(Need::of(pattern), None, "{pattern}");
        }
    }
}
