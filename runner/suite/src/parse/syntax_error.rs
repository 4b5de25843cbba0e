//! Problems with the syntax of a file.

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use super::MAX_DEPTH;
use crate::problem::{Position, Problem};
use crate::source::Source;

/// The hint where a tab indents a line.
const NO_TABS: &str = "indent with spaces: YAML does not allow tabs";

pub(super) fn too_deep(source: &Source, at: Position) -> Problem {
    source.problem(
        at,
        format!("lists and mappings are nested more than {MAX_DEPTH} deep"),
    )
}

pub(super) fn syntax(source: &Source, error: &ScanError) -> Problem {
    let at = Position::new(error.marker().line(), error.marker().col() + 1);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(source, at);
    }
    if matches!(error.kind(), ErrorKind::TabInPlainScalar) {
        return tab_below(source, at, error);
    }
    let hint = match error.kind() {
        _ if end_of_tabs(source, at.line).is_some() => Some(NO_TABS),
        ErrorKind::MappingValueNotAllowed if begins_with_key(source, at) => {
            Some("indent it like the keys beside it, or quote text that contains `: `")
        }
        ErrorKind::MappingValueNotAllowed => Some("quote text that contains `: `"),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            Some("indent it like the keys or the `-` beside it")
        }
        ErrorKind::SimpleKeyExpected => Some("write `KEY: VALUE`, with a space after the colon"),
        ErrorKind::InvalidColonPlacement => Some("a bracket or quote before this may be unclosed"),
        ErrorKind::UnexpectedCharacter { .. } => Some("quote text that starts with this character"),
        ErrorKind::UnknownQuotedScalarEscape => Some("in single quotes a backslash is literal"),
        ErrorKind::UnknownAnchor => Some("an alias `*name` needs an anchor `&name` above it"),
        _ => None,
    };
    let problem = source.problem(at, format!("invalid YAML: {}", error.info()));
    problem.maybe_hint(hint.map(str::to_owned))
}

/// A text that ends at a tab. The parser reports where the text begins; the tab is in the indentation of a line below.
fn tab_below(source: &Source, at: Position, error: &ScanError) -> Problem {
    let lines = (at.line..).take_while(|line| source.line(*line).is_some());
    let mut tabs = lines.filter_map(|line| Some((line, end_of_tabs(source, line)?)));
    let mut at = at;
    if let Some(tab) = tabs.next() {
        (at.line, at.column) = tab;
    }
    let problem = source.problem(at, format!("invalid YAML: {}", error.info()));
    problem.hint(NO_TABS)
}

/// The column after the indentation of a line, if a tab is in it.
fn end_of_tabs(source: &Source, line: u32) -> Option<u32> {
    let (mut column, mut has_tab) = (1, false);
    for char in source.line(line)?.take_while(|char| char.is_whitespace()) {
        column += 1;
        has_tab |= char == '\t';
    }
    has_tab.then_some(column)
}

/// Whether the colon at this place is the first of its line, as that of a key is.
fn begins_with_key(source: &Source, at: Position) -> bool {
    let line = source.line(at.line).into_iter().flatten();
    (1..)
        .zip(line)
        .find(|(_, char)| *char == ':')
        .is_some_and(|(column, _)| column == at.column)
}
