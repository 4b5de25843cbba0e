//! Values, in a text that need not be valid YAML.

use std::ops::Range;

/// Maximum length in bytes of an anchor or a tag before a value.
const MAX_PROPERTY: usize = 256;
/// Maximum length of the name of an anchor in characters; longer ones are known by their beginning.
const MAX_ANCHOR: usize = 64;
/// Maximum number of references in a value that are shown; with more, none is.
const MAX_SHOWN: usize = 1_000;
/// Kinds of references, which say where a secret is and hold none.
const KINDS: [&str; 3] = ["env:", "file:", "var:"];

/// A value without spaces, and without commas and brackets at its end, which may belong to what holds it.
pub(super) fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let value = text.get(span.clone()).unwrap_or_default().trim_start();
    let is_around = |char: char| char.is_whitespace() || matches!(char, ',' | '{' | '}' | '[' | ']');
    let mut kept = value.trim_end_matches(is_around).len();
    // The end of a reference.
    let last = value.get(..kept).and_then(|kept| kept.rsplit("${").next());
    if last.is_some_and(|last| last.len() < kept && !last.contains('}'))
        && value.get(kept..kept + 1) == Some("}")
    {
        kept += 1;
    }
    let start = span.end - value.len();
    start..start + kept
}

/// The parts of a value that must not be shown: what is in its quotes, without references. A default is shown by none.
pub(super) fn hidden(text: &str, span: &Range<usize>) -> Vec<Range<usize>> {
    let span = unquoted(text, span);
    let value = text.get(span.clone()).unwrap_or_default();
    if reference_end(value, true) == Some(value.len()) {
        return Vec::new();
    }
    let (mut parts, mut start) = (Vec::new(), span.start);
    for (offset, _) in value.match_indices("${") {
        let shown = value.get(offset..);
        let shown = shown.and_then(|rest| reference_end(rest, false).or_else(|| default_start(rest)));
        if let Some(length) = shown {
            if parts.len() == MAX_SHOWN {
                return vec![span];
            }
            parts.push(start..span.start + offset);
            start = span.start + offset + length;
        }
    }
    parts.push(start..span.end);
    parts
}

/// The end of the reference that a text begins with. One without a kind may be meant as text.
fn reference_end(text: &str, needs_no_kind: bool) -> Option<usize> {
    let rest = after_name(text, needs_no_kind)?.strip_prefix('}')?;
    Some(text.len() - rest.len())
}

/// Where the default of the reference begins that a text begins with.
fn default_start(text: &str) -> Option<usize> {
    let default = after_name(text, false)?.strip_prefix(":-")?;
    Some(text.len() - default.len())
}

/// What follows the name in a reference.
fn after_name(text: &str, needs_no_kind: bool) -> Option<&str> {
    let inner = text.strip_prefix("${")?;
    let kind = KINDS.iter().find_map(|kind| inner.strip_prefix(kind));
    let name = kind.or_else(|| needs_no_kind.then_some(inner))?;
    let is_in_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/');
    Some(name.trim_start_matches(is_in_name))
}

fn unquoted(text: &str, span: &Range<usize>) -> Range<usize> {
    let value = text.get(span.clone()).unwrap_or_default();
    let is_quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') {
        span.start + 1..span.end - 1
    } else {
        span.clone()
    }
}

/// The names of aliases in a value.
pub(super) fn aliases<'t>(text: &'t str, span: &Range<usize>) -> impl Iterator<Item = &'t str> {
    let start = span.start;
    let value = text.get(span.clone()).unwrap_or_default();
    let marks = value.match_indices('*');
    marks.map(move |(offset, _)| anchor_name(text, start + offset + 1))
}

/// The name of an anchor or an alias at an offset.
pub(super) fn anchor_name(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or_default();
    let is_end = |char: char| char.is_whitespace() || matches!(char, ',' | '[' | ']' | '{' | '}');
    let mut ends = rest.char_indices().enumerate();
    let end = ends.find(|(index, (_, char))| *index == MAX_ANCHOR || is_end(*char));
    rest.get(..end.map_or(rest.len(), |(_, (offset, _))| offset))
        .unwrap_or_default()
}

/// Whether the value after `from` is a text or a list, and not what may hold further keys.
pub(super) fn is_text(text: &str, from: usize) -> bool {
    let start = after_properties(text, from);
    if has_unknown_tag(text.get(from..start).unwrap_or_default()) {
        return true;
    }
    match byte(text, start) {
        None | Some(b'{' | b'#') => return false,
        Some(b'[') => return true,
        Some(_) => {}
    }
    // The digest of a plugin.
    let unquoted = skip(text, start, |byte| matches!(byte, b'"' | b'\''));
    if text
        .get(unquoted..)
        .is_some_and(|value| value.starts_with("sha256:"))
    {
        return false;
    }
    // Otherwise each key of a long line would search the rest of it.
    if !has_line_end(text, from..start) {
        return true;
    }
    let line = text.get(start..line_end(text, start)).unwrap_or_default();
    let entry = line.split(',').next().unwrap_or_default();
    !entry.contains(": ") && !entry.ends_with(':')
}

/// Whether there is a tag that YAML does not define: a text without quotes that begins with `!`.
fn has_unknown_tag(properties: &str) -> bool {
    let mut tags = properties.split_whitespace().filter(|word| word.starts_with('!'));
    tags.any(|tag| !matches!(tag, "!!map" | "!!seq" | "!!str"))
}

/// Where the value after `from` begins, beyond comments, and commas that stand for an empty value.
pub(super) fn start(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        at = skip(text, at, |byte| byte.is_ascii_whitespace() || byte == b',');
        if byte(text, at) != Some(b'#') {
            return at;
        }
        at = line_end(text, at);
    }
}

/// Where the text after `from` begins, without its quote, if one does in the same line.
pub(super) fn start_of_text(text: &str, from: usize) -> Option<usize> {
    let start = skip(text, from, |byte| matches!(byte, b' ' | b'\t'));
    let is_quoted = matches!(byte(text, start), Some(b'"' | b'\''));
    let first = byte(text, start + usize::from(is_quoted))?;
    first
        .is_ascii_alphabetic()
        .then_some(start + usize::from(is_quoted))
}

/// The end of the mapping after `from`, if it is in brackets.
pub(super) fn end_of_mapping(text: &str, from: usize) -> Option<usize> {
    let is_in_brackets = byte(text, after_properties(text, from)) == Some(b'{');
    is_in_brackets.then(|| end_of_enclosed(text, from))
}

/// Up to where the value after `from` is quoted or in brackets, if it is. In doubt, it goes on to the end of its line.
pub(super) fn end_of_enclosed(text: &str, from: usize) -> usize {
    let start = after_properties(text, from);
    let end = match byte(text, start) {
        Some(quote @ (b'"' | b'\'')) => closing_quote(text, start + 1, quote),
        Some(b'{' | b'[') => closing_bracket(text, start),
        _ => return from,
    };
    let Some(end) = end.map(|end| end + 1) else {
        return text.len();
    };
    let is_one_line = !has_line_end(text, start..end);
    let next = byte(
        text,
        skip(text, end, |byte| matches!(byte, b' ' | b'\t' | b'}' | b']')),
    );
    if is_one_line && matches!(next, None | Some(b'\n' | b'\r' | b',' | b'#')) {
        end
    } else {
        line_end(text, end)
    }
}

/// Skips spaces, an anchor and a tag.
fn after_properties(text: &str, from: usize) -> usize {
    let mut at = skip(text, from, |byte| byte.is_ascii_whitespace());
    for _ in 0..2 {
        if !matches!(byte(text, at), Some(b'&' | b'!')) {
            break;
        }
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",[]{}\"'".contains(byte);
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().take(MAX_PROPERTY).position(is_end);
        at = skip(text, at + length.unwrap_or(0), |byte| byte.is_ascii_whitespace());
    }
    at
}

/// The quote that closes a text which begins at `start`.
fn closing_quote(text: &str, start: usize, quote: u8) -> Option<usize> {
    let mut at = start;
    loop {
        match byte(text, at)? {
            b'\\' if quote == b'"' => at += 2,
            b'\'' if quote == b'\'' && byte(text, at + 1) == Some(quote) => at += 2,
            byte if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
}

/// The bracket that closes the one at `start`.
fn closing_bracket(text: &str, start: usize) -> Option<usize> {
    let (mut at, mut depth, mut before) = (start, 0_usize, b' ');
    loop {
        let current = byte(text, at)?;
        match current {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' | b'\'' if before.is_ascii_whitespace() || b"{[,:".contains(&before) => {
                at = closing_quote(text, at + 1, current)?;
            }
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        (before, at) = (current, at + 1);
    }
}

fn has_line_end(text: &str, span: Range<usize>) -> bool {
    text.get(span).is_none_or(|part| part.contains(['\n', '\r']))
}

fn line_end(text: &str, from: usize) -> usize {
    skip(text, from, |byte| !matches!(byte, b'\n' | b'\r'))
}

/// The first offset from `from` whose byte does not match.
fn skip(text: &str, from: usize, matches: impl Fn(u8) -> bool) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches(**byte)).count()
}

fn byte(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}
