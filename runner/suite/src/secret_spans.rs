//! Where secrets stand in a file, by the names of keys: found in one pass over the text, which need not be valid YAML.
//! In doubt a text is hidden: a secret goes on until something is clearly an entry of its own.

mod key;
#[cfg(test)]
mod tests;
mod user_info;
mod value;

use std::collections::HashSet;
use std::ops::Range;

use self::key::{Key, Place};
pub(super) use self::user_info::masked as without_user_info;
use super::secret_keys::{Secrecy, SecretKeys};

/// Maximum number of searches for anchors that stand for secrets; then all anchors do.
const MAX_ANCHOR_SEARCHES: usize = 3;

/// Maximum number of aliases in secrets; with more, all anchors stand for secrets.
const MAX_ALIASES: usize = 10_000;

/// Maximum number of secrets, and of their parts; with more, the whole text is hidden.
const MAX_SPANS: usize = 100_000;

/// The byte ranges of secrets in a text.
#[derive(Debug, Default)]
pub(super) struct SecretSpans {
    /// Whole values, with quotes and references, by position.
    values: Vec<Range<usize>>,
    /// What must not be shown of them: in order, without overlaps.
    hidden: Vec<Range<usize>>,
}

impl SecretSpans {
    pub(super) fn of(text: &str, keys: &SecretKeys) -> Self {
        let values = values(text, keys);
        let user_info: Vec<_> = user_info::spans(text).take(MAX_SPANS).collect();
        let spans = values.iter().chain(&user_info);
        let hidden = spans.flat_map(|span| value::hidden(text, span));
        let hidden: Vec<_> = hidden.take(MAX_SPANS).collect();
        if [&values, &user_info, &hidden]
            .iter()
            .any(|spans| spans.len() == MAX_SPANS)
        {
            return Self::whole(text);
        }
        Self {
            values: merged(values),
            hidden: merged(hidden),
        }
    }

    fn whole(text: &str) -> Self {
        let whole = Range {
            start: 0,
            end: text.len(),
        };
        Self {
            values: vec![whole.clone()],
            hidden: vec![whole],
        }
    }

    /// `text` with `***` in place of what is hidden, if anything is. Dots stand for a secret in an example.
    pub(super) fn masked(text: &str, keys: &SecretKeys) -> Option<String> {
        let mut hidden = Self::of(text, keys).hidden;
        let is_example = |span: &Range<usize>| text.get(span.clone()).is_none_or(|part| part == "..");
        hidden.retain(|span| !is_example(span));
        (!hidden.is_empty()).then(|| without(text, &hidden))
    }

    /// Whether the character at an offset must not be shown.
    pub(super) fn is_hidden(&self, offset: usize) -> bool {
        last_before(&self.hidden, offset).is_some_and(|span| span.contains(&offset))
    }

    /// What is hidden of the secret at an offset, or just before it: a tag stands before its value, which may be empty.
    pub(super) fn hidden_at(&self, text: &str, offset: usize) -> &[Range<usize>] {
        let before = text.get(..offset).unwrap_or(text);
        let before = before.trim_end_matches([' ', '\t']).len();
        let places = [Some(offset), before.checked_sub(1)];
        let value = places
            .into_iter()
            .flatten()
            .find_map(|place| self.value_at(place));
        let Some(value) = value else { return &[] };
        let start = self.hidden.partition_point(|span| span.end <= value.start);
        let end = self.hidden.partition_point(|span| span.start < value.end);
        self.hidden.get(start..end).unwrap_or_default()
    }

    fn value_at(&self, offset: usize) -> Option<&Range<usize>> {
        last_before(&self.values, offset).filter(|value| value.contains(&offset))
    }
}

/// `text` with `***` in place of each span.
fn without(text: &str, spans: &[Range<usize>]) -> String {
    let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
    for span in spans {
        shown.push_str(text.get(end..span.start).unwrap_or_default());
        shown.push_str("***");
        end = span.end;
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    shown
}

fn last_before(spans: &[Range<usize>], offset: usize) -> Option<&Range<usize>> {
    let after = spans.partition_point(|span| span.start <= offset);
    after.checked_sub(1).and_then(|index| spans.get(index))
}

fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| span.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans.into_iter().filter(|span| !span.is_empty()) {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

/// The values of secret keys, and of anchors that such values refer to.
fn values(text: &str, keys: &SecretKeys) -> Vec<Range<usize>> {
    let mut anchors = Anchors::Named(HashSet::new());
    for _ in 0..MAX_ANCHOR_SEARCHES {
        let found = Search::new(text, keys, &anchors).run();
        let aliases = found.iter().flat_map(|span| value::aliases(text, span));
        let aliases: HashSet<&str> = aliases.take(MAX_ALIASES).collect();
        if aliases.len() == MAX_ALIASES {
            break;
        }
        if aliases.iter().all(|name| anchors.contain(name)) {
            return found;
        }
        anchors = Anchors::Named(aliases);
    }
    Search::new(text, keys, &Anchors::All).run()
}

/// Anchors whose values are secret.
enum Anchors<'t> {
    Named(HashSet<&'t str>),
    All,
}

impl Anchors<'_> {
    fn contain(&self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(name),
            Self::All => true,
        }
    }
}

/// A line so far.
#[derive(Clone, Copy, Default)]
struct Line {
    start: usize,
    /// The first offset that is not blank.
    lead: Option<usize>,
    /// The first offset that is neither blank nor `-`.
    content: Option<usize>,
    /// The last byte that is not blank.
    last: u8,
    /// Whether a bracket opened.
    is_flow: bool,
}

impl Line {
    fn indent(&self) -> usize {
        self.content.unwrap_or(self.start) - self.start
    }
}

/// A secret whose end is not found yet.
struct Open {
    start: usize,
    line: usize,
    /// Lines that are indented more belong to it.
    indent: usize,
    is_flow: bool,
}

struct Search<'a> {
    text: &'a str,
    keys: &'a SecretKeys,
    anchors: &'a Anchors<'a>,
    line: Line,
    open: Option<Open>,
    /// No entry begins before this offset: what precedes it is quoted or in brackets.
    quiet_until: usize,
    found: Vec<Range<usize>>,
}

impl<'a> Search<'a> {
    fn new(text: &'a str, keys: &'a SecretKeys, anchors: &'a Anchors<'a>) -> Self {
        Self {
            text,
            keys,
            anchors,
            line: Line::default(),
            open: None,
            quiet_until: 0,
            found: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Range<usize>> {
        for (at, byte) in self.text.bytes().enumerate() {
            if self.found.len() == MAX_SPANS {
                return self.found;
            }
            match byte {
                b'\n' | b'\r' => {
                    self.line = Line {
                        start: at + 1,
                        ..Line::default()
                    }
                }
                b' ' | b'\t' => {}
                _ => {
                    self.visit(at, byte);
                    self.line.last = byte;
                }
            }
        }
        self.close(self.text.len());
        self.found
    }

    fn visit(&mut self, at: usize, byte: u8) {
        self.line.lead.get_or_insert(at);
        if byte != b'-' {
            self.line.content.get_or_insert(at);
        }
        match byte {
            b'{' | b'[' => self.line.is_flow = true,
            _ if at < self.quiet_until => {}
            b':' | b'=' => self.separator(at, byte),
            b'?' if self.open.is_none() && key::is_explicit(self.text, self.line.start, at) => {
                self.begin(at + 1, Secrecy::Value, self.line.indent());
            }
            b'&' if self.open.is_none() => {
                let name = value::anchor_name(self.text, at + 1);
                if self.anchors.contain(name) {
                    self.begin(at + 1 + name.len(), Secrecy::Value, self.line.indent());
                }
            }
            _ if self.open.is_none() => self.word(at),
            _ => {}
        }
    }

    /// A word at the beginning of an entry, which may be a key without its colon.
    fn word(&mut self, at: usize) {
        if self.line.content != Some(at) && !matches!(self.line.last, b'{' | b',') {
            return;
        }
        let word = key::word_before_text(self.text, at);
        if let Some(word) = word.filter(|word| self.keys.secrecy(word) == Some(Secrecy::Value)) {
            self.begin(at + word.len(), Secrecy::Value, self.line.indent());
        }
    }

    /// A `:` or `=`, which may follow a key.
    fn separator(&mut self, at: usize, byte: u8) {
        let Some(key) = Key::before(self.text, self.line.start, at) else {
            return;
        };
        if self.open.is_some() {
            let may_be_entry = byte == b':' && !key.name.is_empty() && !key.is_unknown;
            if !may_be_entry || !self.is_next_entry(&key, at) {
                self.quiet_until = value::end_of_enclosed(self.text, at + 1);
                return;
            }
            self.close(match key.place {
                Place::Lead => self.line.start,
                _ => key.start,
            });
        }
        let secrecy = if key.is_unknown {
            Some(Secrecy::Value)
        } else {
            let of_phrase = || self.keys.secrecy(key.phrase);
            self.keys.secrecy(key.name).or_else(of_phrase)
        };
        if let Some(secrecy) = secrecy {
            let indent = match key.place {
                Place::Lead => key.start - self.line.start,
                _ => self.line.indent(),
            };
            self.begin(at + 1, secrecy, indent);
        }
    }

    /// Whether a key is clearly an entry after the open secret, not a part of it.
    fn is_next_entry(&self, key: &Key<'_>, colon: usize) -> bool {
        let Some(open) = &self.open else { return true };
        let next = self.text.as_bytes().get(colon + 1);
        if !key.is_quoted && next.is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return false;
        }
        let lead = self.line.lead.unwrap_or(colon);
        let (column, is_item) = (lead - self.line.start, self.line.content != Some(lead));
        match key.place {
            Place::Lead => {
                self.line.start > open.line && (column < open.indent || (column == open.indent && !is_item))
            }
            Place::Flow => open.is_flow,
            Place::Inside => false,
        }
    }

    /// Opens a secret after a key or an anchor.
    fn begin(&mut self, from: usize, secrecy: Secrecy, indent: usize) {
        if secrecy == Secrecy::Text && !value::is_text(self.text, from) {
            return;
        }
        self.quiet_until = value::end_of_enclosed(self.text, from);
        self.open = Some(Open {
            start: from,
            line: self.line.start,
            indent,
            is_flow: self.line.is_flow,
        });
    }

    fn close(&mut self, end: usize) {
        if let Some(open) = self.open.take() {
            self.found.push(value::trimmed(self.text, open.start..end));
        }
    }
}
