//! Patterns that match everything or nothing.

use std::ops::RangeInclusive;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Which texts a pattern matches, as far as its structure tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expect) enum Coverage {
    /// Every text: it matches the empty one where every text begins or ends, if not everywhere.
    Everything,
    /// No text.
    Nothing,
    /// The empty text alone.
    Empty,
    /// Some texts, or it is not known.
    Partial,
}

impl Coverage {
    pub(super) fn of(pattern: &Hir) -> Self {
        let properties = pattern.properties();
        let looks = properties.look_set();
        let are_all = |at_that_place: &[Look]| looks.iter().all(|look| at_that_place.contains(&look));
        let is_whole = properties.look_set_prefix().contains(Look::Start)
            && properties.look_set_suffix().contains(Look::End);
        if properties.minimum_len() == Some(0) && (are_all(&AT_START) || are_all(&AT_END)) {
            Self::Everything
        } else if needs(pattern, &[]) {
            Self::Nothing
        } else if properties.maximum_len() == Some(0) && is_whole {
            Self::Empty
        } else {
            Self::Partial
        }
    }
}

/// What holds where a text begins, whatever the text.
const AT_START: [Look; 3] = [Look::Start, Look::StartLF, Look::StartCRLF];
/// What holds where a text ends, whatever the text.
const AT_END: [Look; 3] = [Look::End, Look::EndLF, Look::EndCRLF];

/// Whether every match has one of these characters, or needs one of an empty class. The minimum length does not tell
/// of such a class: it is unknown as soon as one of several alternatives is one. The parser bounds the nesting.
pub(super) fn needs(pattern: &Hir, characters: &[RangeInclusive<char>]) -> bool {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => str::from_utf8(&literal.0).is_ok_and(|text| {
            text.chars()
                .any(|own| characters.iter().any(|range| range.contains(&own)))
        }),
        HirKind::Class(class) => is_within(class, characters),
        HirKind::Repetition(repetition) => repetition.min > 0 && needs(&repetition.sub, characters),
        HirKind::Capture(capture) => needs(&capture.sub, characters),
        HirKind::Concat(parts) => parts.iter().any(|part| needs(part, characters)),
        HirKind::Alternation(branches) => branches.iter().all(|branch| needs(branch, characters)),
    }
}

fn is_within(class: &Class, characters: &[RangeInclusive<char>]) -> bool {
    let is_covered = |start: char, end: char| {
        let mut ranges = characters.iter();
        ranges.any(|range| range.contains(&start) && range.contains(&end))
    };
    match class {
        Class::Unicode(class) => class.iter().all(|range| is_covered(range.start(), range.end())),
        // Beyond ASCII a byte is a part of a character.
        Class::Bytes(class) => class
            .iter()
            .all(|range| range.end().is_ascii() && is_covered(range.start().into(), range.end().into())),
    }
}
