//! Keys before a colon, in a text that need not be valid YAML.

/// Maximum distance in bytes of what is examined before a colon.
const MAX_BEFORE: usize = 256;
/// Beginnings of references whose name may be followed by a colon.
const REFERENCES: [&str; 4] = ["${", "${env:", "${file:", "${var:"];

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// First in its line, after `-` and brackets at most.
    Lead,
    /// After a comma.
    Flow,
    /// Elsewhere, such as in the middle of a text.
    Inside,
}

/// The name before a colon.
#[derive(Debug)]
pub(super) struct Key<'t> {
    /// Offset of the name, or of its quote.
    pub(super) start: usize,
    pub(super) name: &'t str,
    pub(super) is_quoted: bool,
    /// Whether escapes may spell any name.
    pub(super) is_escaped: bool,
    pub(super) place: Place,
}

impl<'t> Key<'t> {
    /// The key before the colon at `colon`, in the line that begins at `line`.
    pub(super) fn before(text: &'t str, line: usize, colon: usize) -> Option<Self> {
        let from = beginning(text, line, colon);
        let head = text.get(from..colon)?.trim_end_matches(is_blank);
        let last = head.chars().next_back()?;
        let inner = head.strip_suffix(['"', '\'']);
        let quoted = inner.and_then(|inner| inner.rsplit_once(last));
        let (before, name) = quoted.unwrap_or_else(|| {
            let head = inner.unwrap_or(head);
            head.split_at(head.trim_end_matches(is_in_name).len())
        });
        // A JSON text in a text: `"{\"password\":..`.
        let name = name.trim_end_matches('\\');
        let is_reference = REFERENCES.iter().any(|reference| before.ends_with(reference));
        if name.is_empty() || is_reference {
            return None;
        }
        Some(Self {
            start: from + before.len(),
            name,
            is_quoted: quoted.is_some(),
            is_escaped: quoted.is_some() && last == '"' && name.contains('\\'),
            place: place(before, from == line),
        })
    }
}

/// The place of a key after `before`, which is all of the line or its end.
fn place(before: &str, is_whole: bool) -> Place {
    let before = before.trim_end_matches([' ', '\t', '{', '[']);
    if is_whole && before.trim_end_matches([' ', '\t', '-']).is_empty() {
        Place::Lead
    } else if before.ends_with(',') {
        Place::Flow
    } else {
        Place::Inside
    }
}

/// Whether the `?` at `mark` says that a key follows, whose value is on another line.
pub(super) fn is_explicit(text: &str, line: usize, mark: usize) -> bool {
    let from = beginning(text, line, mark);
    let before = text.get(from..mark).unwrap_or_default();
    let next = text.as_bytes().get(mark + 1);
    let is_separate = next.is_none_or(u8::is_ascii_whitespace);
    let before = before.trim_end_matches(is_blank);
    is_separate && (place(before, from == line) != Place::Inside || before.ends_with(['{', '[']))
}

/// Where to begin to examine what is before an offset: at a character, at most [`MAX_BEFORE`] bytes before it.
fn beginning(text: &str, line: usize, end: usize) -> usize {
    let from = end.saturating_sub(MAX_BEFORE).max(line);
    (from..end).find(|at| text.is_char_boundary(*at)).unwrap_or(end)
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t')
}

fn is_in_name(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '.')
}
