//! The key before a colon, in a text that need not be YAML.

/// Maximum distance in bytes of what is examined before a colon.
const MAX_BEFORE: usize = 256;
/// Maximum length in bytes of a word that may be a key without its colon.
const MAX_WORD: usize = 64;
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

/// What precedes a colon.
#[derive(Debug)]
pub(super) struct Key<'t> {
    /// Offset of the name, or of its quote.
    pub(super) start: usize,
    /// A quoted text, or the last word, which may be empty.
    pub(super) name: &'t str,
    /// All words and signs of a key, such as `api key`, `$['token']` and `"token"'`.
    pub(super) phrase: &'t str,
    pub(super) is_quoted: bool,
    /// Whether the key may be any: it is escaped, an alias, or begins on an earlier line or too far away.
    pub(super) is_unknown: bool,
    pub(super) place: Place,
}

impl<'t> Key<'t> {
    /// The key before the colon or equals sign at `separator`, in the line that begins at `line`.
    pub(super) fn before(text: &'t str, line: usize, separator: usize) -> Option<Self> {
        let head = text.get(line..separator)?.trim_end();
        let end = line + head.len();
        let from = beginning(text, line, end);
        let head = text.get(from..end)?;
        let Some(last) = head.trim_start_matches([' ', '\t', '-']).chars().next_back() else {
            return Self::on_earlier_line(text, line, separator);
        };
        let inner = head.strip_suffix(['"', '\'']);
        let quoted = inner.and_then(|inner| inner.rsplit_once(last));
        let (before, name) = quoted.unwrap_or_else(|| {
            let head = inner.unwrap_or(head);
            head.split_at(head.trim_end_matches(is_in_name).len())
        });
        // A JSON text in a text: `"{\"password\":..`.
        let name = name.trim_end_matches('\\');
        if REFERENCES.iter().any(|reference| before.ends_with(reference)) {
            return None;
        }
        let phrase = phrase(head, text.as_bytes().get(separator) == Some(&b'='));
        let next = text.as_bytes().get(separator + 1);
        let is_alias = before.ends_with('*') && next.is_some_and(u8::is_ascii_whitespace);
        let is_cut = from > line && (name.len() == head.len() || phrase.len() == head.len());
        let is_unknown = match quoted {
            Some(_) => last == '"' && name.contains('\\'),
            None => inner.is_some() || is_alias || is_cut,
        };
        let key = Self {
            start: from + before.len(),
            name,
            phrase,
            is_quoted: quoted.is_some(),
            is_unknown,
            place: place(before, from == line),
        };
        Some(key).filter(|key| key.is_unknown || !key.name.is_empty() || !key.phrase.is_empty())
    }

    /// The key before a colon that is the first character of its line.
    fn on_earlier_line(text: &str, line: usize, colon: usize) -> Option<Self> {
        let rest = text.get(colon..)?.strip_prefix(':')?;
        let begins_value = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '{' | '[');
        let is_separator = rest.chars().next().is_none_or(begins_value);
        is_separator.then_some(Self {
            start: line,
            name: "",
            phrase: "",
            is_quoted: false,
            is_unknown: true,
            place: Place::Inside,
        })
    }
}

/// The end of a head, up to where another entry or another word of a query ends.
fn phrase(head: &str, is_parameter: bool) -> &str {
    let is_end =
        |char: char| matches!(char, ',' | '{' | ':') || is_parameter && matches!(char, ' ' | '&' | '?' | ';');
    head.rsplit(is_end).next().unwrap_or_default()
}

/// Where a word stands that may be a key without its colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordPlace {
    /// First in its line or after an opening bracket.
    First,
    /// First after a `-`.
    Item,
    AfterComma,
}

/// A word, or what is in quotes.
#[derive(Debug)]
pub(super) struct Word<'t> {
    pub(super) name: &'t str,
    pub(super) end: usize,
    /// Whether it may be any, since it is escaped.
    pub(super) is_unknown: bool,
}

impl<'t> Word<'t> {
    /// The word at an offset, and whether quotes are around it.
    fn at(text: &'t str, start: usize) -> Option<(Self, bool)> {
        let rest = text.get(start..)?;
        let inner = rest.strip_prefix(['"', '\'']);
        let quote = inner.and(rest.chars().next());
        let inner = inner.unwrap_or(rest);
        let end_where = |is_end: &dyn Fn(char) -> bool| {
            let mut ends = inner.char_indices().take(MAX_WORD);
            ends.find(|(_, char)| is_end(*char)).map(|(end, _)| end)
        };
        let closed = quote.and_then(|quote| end_where(&|char| char == quote || matches!(char, '\r' | '\n')));
        let closed = closed.filter(|end| {
            inner
                .get(*end..)
                .is_some_and(|rest| rest.starts_with(['"', '\'']))
        });
        let end = closed.or_else(|| end_where(&|char| !is_in_name(char)))?;
        let (name, _) = inner.split_at_checked(end)?;
        let word = Self {
            name,
            end: text.len() - inner.len() + end + usize::from(closed.is_some()),
            is_unknown: closed.is_some() && name.contains('\\'),
        };
        Some((word, closed.is_some()))
    }
}

/// The word at `start`, if a text follows it in place of a colon.
pub(super) fn word_before_text(text: &str, start: usize, place: WordPlace) -> Option<Word<'_>> {
    let (word, is_quoted) = Word::at(text, start)?;
    let line = text.get(word.end..)?.trim_start_matches(is_blank);
    let may_go_on = is_quoted && place != WordPlace::Item;
    let after = if may_go_on { line.trim_start() } else { line };
    let is_next_line = after.len() < line.len();
    let next = after.chars().next()?;
    let is_text = match next {
        ':' | '=' | '}' | ']' | '#' | '\r' | '\n' => false,
        ',' => is_quoted && !is_next_line && place == WordPlace::First && begins_text(after),
        '-' | '?' | '&' => !is_next_line,
        _ => true,
    };
    is_text.then_some(word)
}

/// Whether a text follows a comma in its line.
fn begins_text(after: &str) -> bool {
    let rest = after.trim_start_matches([',', ' ', '\t']);
    !rest.is_empty() && !rest.starts_with(['\r', '\n', '#', ']', '}'])
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
