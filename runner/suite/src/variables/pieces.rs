//! The parts of a text with variables. Other references are replaced elsewhere.

const OPEN: &str = "${";
const VARIABLE: &str = "var:";

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Literal text.
    Literal(&'t str),
    /// The name in `${var:NAME}`.
    Variable(&'t str),
    /// `${var:` without a closing brace.
    Unclosed,
}

/// Whether a text may refer to a variable.
pub(super) fn has_variable(text: &str) -> bool {
    text.contains("${var:")
}

/// The name, if a text is a single reference and nothing else.
pub(super) fn only_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${var:")?.strip_suffix('}')?;
    (!name.contains('}')).then_some(name)
}

/// A text with `*` in place of each reference to a variable.
pub(crate) fn as_pattern(text: &str) -> String {
    let piece = |piece| match piece {
        Piece::Literal(literal) => literal,
        Piece::Variable(_) | Piece::Unclosed => "*",
    };
    pieces(text).map(piece).collect()
}

/// The parts of a text, in order. `$${var:` is an escaped `${var:`.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut waiting = None;
    std::iter::from_fn(move || {
        if let Some(piece) = waiting.take() {
            return Some(piece);
        }
        let (literal, variable, behind) = next(rest)?;
        rest = behind;
        waiting = variable;
        Some(Piece::Literal(literal))
    })
}

/// A literal, the variable after it, and the rest.
fn next(text: &str) -> Option<(&str, Option<Piece<'_>>, &str)> {
    if text.is_empty() {
        return None;
    }
    let Some((before, after)) = text.split_once(OPEN) else {
        return Some((text, None, ""));
    };
    let opened = text.get(..before.len() + OPEN.len()).unwrap_or(text);
    match (after.strip_prefix(VARIABLE), before.strip_suffix('$')) {
        // The escaping `$` is dropped, and the rest is not parsed again.
        (Some(_), Some(unescaped)) => {
            let rest = text.get(before.len()..).unwrap_or_default();
            let end = OPEN.len() + VARIABLE.len();
            let (plain, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            Some((unescaped, Some(Piece::Literal(plain)), behind))
        }
        (Some(name), None) => match name.split_once('}') {
            Some((name, behind)) => Some((before, Some(Piece::Variable(name)), behind)),
            None => Some((before, Some(Piece::Unclosed), "")),
        },
        (None, _) => Some((opened, None, after)),
    }
}

/// The start of a reference to something other than a variable, such as `${env:`.
pub(super) fn foreign_reference(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (kind, _) = after.split_once(':').unwrap_or(("", after));
        let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_kind && kind != "var" && !before.ends_with('$') {
            return rest
                .get(before.len()..)
                .and_then(|found| found.get(..OPEN.len() + kind.len() + 1));
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let show = |piece| match piece {
            Piece::Literal(text) => text.to_owned(),
            Piece::Variable(name) => format!("<{name}>"),
            Piece::Unclosed => "<?>".to_owned(),
        };
        pieces(text).map(show).collect()
    }

    #[test]
    fn variables_are_found_and_the_rest_stays_as_it_is() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${var:a}", "<a>"),
            ("x${var:a}y${var:b}", "x<a>y<b>"),
            ("${var:a}${var:}", "<a><>"),
            ("$${var:a} ${var:b}", "${var:a} <b>"),
            ("${env:A:-${var:b}}", "${env:A:-<b>}"),
            ("$${env:A} ${name} $", "$${env:A} ${name} $"),
            ("${var:a", "<?>"),
            ("é${var:é}é", "é<é>é"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_to_something_else_is_found() {
        for (text, expected) in [
            ("${env:A}", Some("${env:")),
            ("x ${var:a} ${file:/x}", Some("${file:")),
            ("${evn:A}", Some("${evn:")),
            ("$${env:A} ${name} ${1:2} ${var:a}", None),
        ] {
            assert_eq!(foreign_reference(text), expected, "{text}");
        }
    }
}
