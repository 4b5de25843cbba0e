//! Where secrets stand in a file, by the names of keys: found in one pass over the text, which need not be valid YAML.
//! In doubt a text is hidden: a secret goes on until something is clearly an entry of its own.

mod anchors;
mod key;
mod private_key;
#[cfg(test)]
mod tests;
mod url_query;
mod user_info;
mod value;

use std::ops::Range;

use self::anchors::Anchors;
use self::key::{Key, Place, WordPlace};
pub(super) use self::user_info::masked as without_user_info;
use super::secret_keys::{Secrecy, SecretKeys, is_mapping};

/// Maximum number of secrets, and of their parts; with more, the whole text is hidden.
const MAX_SPANS: usize = 100_000;

/// A text in which secrets are masked.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) text: String,
    /// Whether a secret is at its end, so that the secret may go on in what follows it.
    pub(super) is_to_end: bool,
}

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
        let mut values = anchors::values(text, keys);
        values.extend(private_key::spans(text).take(MAX_SPANS));
        let queries = url_query::spans(text).filter(|_| keys.include_queries());
        let of_urls: Vec<_> = user_info::spans(text).chain(queries).take(MAX_SPANS).collect();
        let spans = values.iter().chain(&of_urls);
        let hidden = spans.flat_map(|span| value::hidden(text, span));
        let hidden: Vec<_> = hidden.take(MAX_SPANS).collect();
        if [&values, &of_urls, &hidden]
            .iter()
            .any(|spans| spans.len() >= MAX_SPANS)
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
    pub(super) fn masked(text: &str, keys: &SecretKeys) -> Option<Masked> {
        let mut hidden = Self::of(text, keys).hidden;
        let is_example = |span: &Range<usize>| text.get(span.clone()).is_none_or(|part| part == "..");
        hidden.retain(|span| !is_example(span));
        let last = hidden.last()?;
        Some(Masked {
            text: without(text, &hidden),
            is_to_end: last.end >= text.trim_end().len(),
        })
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
    /// Where its value begins.
    value: usize,
    line: usize,
    /// Lines that are indented more belong to it.
    indent: usize,
    is_flow: bool,
}

/// A mapping whose values are all secret.
struct Scope {
    /// Absent if it ends at a line that is indented less.
    end: Option<usize>,
    line: usize,
    /// Lines that are indented more belong to it.
    indent: usize,
}

struct Search<'a> {
    text: &'a str,
    keys: &'a SecretKeys,
    anchors: &'a Anchors<'a>,
    line: Line,
    open: Option<Open>,
    secret_entries: Option<Scope>,
    /// Where a text begins that is in place of a mapping.
    text_start: Option<usize>,
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
            secret_entries: None,
            text_start: None,
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
        let place = match self.line.last {
            b',' => WordPlace::AfterComma,
            b'{' => WordPlace::First,
            _ if self.text_start == Some(at) => WordPlace::Item,
            _ if self.line.content != Some(at) => return,
            _ if self.line.lead == Some(at) => WordPlace::First,
            _ => WordPlace::Item,
        };
        let Some(word) = key::word_before_text(self.text, at, place) else {
            return;
        };
        if word.is_unknown || self.keys.secrecy(word.name) == Some(Secrecy::Value) {
            self.begin(word.end, Secrecy::Value, self.line.indent());
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
        let secrecy = if key.is_unknown || self.is_secret_entry(&key, at) {
            Some(Secrecy::Value)
        } else {
            let of_phrase = || self.keys.secrecy(key.phrase);
            self.keys.secrecy(key.name).or_else(of_phrase)
        };
        if secrecy.is_none() && is_mapping(key.name) {
            self.text_start = value::start_of_text(self.text, at + 1);
        }
        if let Some(secrecy) = secrecy {
            let indent = match key.place {
                Place::Lead => key.start - self.line.start,
                _ => self.line.indent(),
            };
            self.begin(at + 1, secrecy, indent);
        }
    }

    /// Whether a key is in a mapping whose values are all secret.
    fn is_secret_entry(&mut self, key: &Key<'_>, at: usize) -> bool {
        let is_inside = self.secret_entries.as_ref().is_some_and(|scope| match scope.end {
            Some(end) => at < end,
            None => {
                let column = self.line.lead.unwrap_or(at) - self.line.start;
                key.place != Place::Lead || self.line.start == scope.line || column > scope.indent
            }
        });
        self.secret_entries.take_if(|_| !is_inside);
        is_inside
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
                let is_beside = column == open.indent && !is_item && key.start > open.value;
                self.line.start > open.line && (column < open.indent || is_beside)
            }
            Place::Flow => open.is_flow && key.start > open.value,
            Place::Inside => false,
        }
    }

    /// Opens a secret after a key or an anchor.
    fn begin(&mut self, from: usize, secrecy: Secrecy, indent: usize) {
        if secrecy != Secrecy::Value && !value::is_text(self.text, from) {
            if secrecy == Secrecy::Entries {
                self.secret_entries = Some(Scope {
                    end: value::end_of_mapping(self.text, from),
                    line: self.line.start,
                    indent,
                });
            }
            return;
        }
        self.quiet_until = value::end_of_enclosed(self.text, from);
        self.open = Some(Open {
            start: from,
            value: value::start(self.text, from),
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
