//! Where secrets stand in a file, by the names of keys: found in one pass over the text, which need not be valid YAML.
//! In doubt a text is hidden: a secret goes on until something is clearly an entry of its own.

mod key;
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
        let values = merged(values(text, keys));
        let user_info = user_info::spans(text);
        let spans = values.iter().chain(&user_info);
        let hidden = spans.flat_map(|span| value::hidden(text, span));
        Self {
            hidden: merged(hidden.collect()),
            values,
        }
    }

    /// Whether the character at an offset must not be shown.
    pub(super) fn is_hidden(&self, offset: usize) -> bool {
        last_before(&self.hidden, offset).is_some_and(|span| span.contains(&offset))
    }

    /// What is hidden of the secret at an offset.
    pub(super) fn hidden_at(&self, offset: usize) -> &[Range<usize>] {
        let value = last_before(&self.values, offset).filter(|value| value.contains(&offset));
        let Some(value) = value else { return &[] };
        let start = self.hidden.partition_point(|span| span.end <= value.start);
        let end = self.hidden.partition_point(|span| span.start < value.end);
        self.hidden.get(start..end).unwrap_or_default()
    }
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
            match byte {
                b'\n' | b'\r' => {
                    self.line = Line {
                        start: at + 1,
                        ..Line::default()
                    }
                }
                b' ' | b'\t' => {}
                _ => self.visit(at, byte),
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
            _ => {}
        }
    }

    /// A `:` or `=`, which may follow a key.
    fn separator(&mut self, at: usize, byte: u8) {
        let Some(key) = Key::before(self.text, self.line.start, at) else {
            return;
        };
        if self.open.is_some() {
            if byte != b':' || !self.is_next_entry(&key, at) {
                self.quiet_until = value::end_of_enclosed(self.text, at + 1);
                return;
            }
            self.close(match key.place {
                Place::Lead => self.line.start,
                _ => key.start,
            });
        }
        let secrecy = if key.is_escaped {
            Some(Secrecy::Value)
        } else {
            self.keys.secrecy(key.name)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let spans = SecretSpans::of(text, &SecretKeys::default());
        let characters = text.char_indices();
        characters
            .map(|(offset, char)| if spans.is_hidden(offset) { '*' } else { char })
            .collect()
    }

    #[test]
    fn secrets_are_hidden_and_what_clearly_follows_is_not() {
        for (text, expected) in [
            ("{ token: \"a, b: c\", x: 1 }", "{ token: \"*******\", x: 1 }"),
            ("{ token: a, b, x: 1 }", "{ token: ****, x: 1 }"),
            ("{ token: a } b, c: 1 }", "{ token: *****, c: 1 }"),
            ("{ token: [a, { b: c }], d: 1 }", "{ token: ********** }], d: 1 }"),
            ("{ token: ä, 'x': 1 }", "{ token: *, 'x': 1 }"),
            ("{ token: &a !!str 'a', x: 1 }", "{ token: ************, x: 1 }"),
            ("{\"token\":\"a\",\"x\":1}", "{\"token\":\"*\",\"x\":1}"),
            ("{ \"tok\\x65n\": a, x: 1 }", "{ \"tok\\x65n\": *, x: 1 }"),
            (
                "{ auth: a:b, x: { auth: { y: 1 } } }",
                "{ auth: ***, x: { auth: { y: 1 } } }",
            ),
            ("{ digest: \"sha256:a\", x: 1 }", "{ digest: \"sha256:a\", x: 1 }"),
            ("- token: a\n  b: 1\n- c: 2", "- token: *\n  b: 1\n- c: 2"),
            ("token: a\n  b: 1\nc: 2", "token: ********\nc: 2"),
            ("token: |\n  a\n b\nc: 2", "token: ********\nc: 2"),
            ("token:\n- a: 1\nc: 2", "token:\n******\nc: 2"),
            ("token:a", "token:*"),
            ("? token\n: a\nb: 1", "? *********\nb: 1"),
            ("a: ?token=b, c", "a: ?token=****"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn in_doubt_a_secret_goes_on() {
        for text in [
            "{ token: \"a, x: 1 }",
            "{ token: [a, x: 1 }",
            "{ token: 'a'b, x: 1 }",
            "{ token: \"a\n\", x: 1 }",
        ] {
            assert!(!shown(text).contains('x'), "{}", shown(text));
        }
    }

    #[test]
    fn references_are_shown_as_they_are_no_secrets() {
        for (text, expected) in [
            ("token: ${env:A}", "token: ${env:A}"),
            ("token: '${TOKEN}'", "token: '${TOKEN}'"),
            ("token: 'a ${file:/b/c.d} e'", "token: '**${file:/b/c.d}**'"),
            ("token: a${b}c", "token: ******"),
            ("token: ${env:A:-b}", "token: ${env:A:-**"),
            ("x: ${TOKEN:-a}, b", "x: ${TOKEN:-a}, b"),
            ("x: ${env:TOKEN:-a}, b", "x: ${env:TOKEN:-a}, b"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn anchors_of_secrets_are_hidden_and_others_are_not() {
        let text = "a: &a b\nc: &c [ &d e ]\ntoken: *a";
        assert_eq!(shown(text), "a: &a *\nc: &c [ &d e ]\ntoken: **");
        let nested = "a: &a b\nc: &c [ *a ]\ntoken: *c";
        assert_eq!(shown(nested), "a: &a *\nc: &c **** ]\ntoken: **");
    }
    /// It would take hours if each key searched the rest of the text.
    #[test]
    fn the_time_to_find_secrets_is_linear_in_the_size_of_a_text() {
        for piece in [
            "{token: ",
            "{token: 1, x: 1, ",
            "token: \"",
            "token: 'a', x: 'b', ",
            "x token: 'a' b\n",
            "token: [\n",
            "token:\n\n",
            "http://u:x ",
            "http://u:x@ ",
            "? \n",
            "token: &",
            "{!,\"token\": ",
            "{token: *a, x: &a b, ",
            "{",
            "token: ${env:",
            "auth: { ",
            "{auth: a, ",
            "auth:\n",
            "token: &",
            "&",
            "token: *",
            "a? {? ",
            "token: { a: '} ",
            ": ",
        ] {
            let text = piece.repeat((4 << 20) / piece.len());
            let spans = SecretSpans::of(&text, &SecretKeys::default());
            assert!(!spans.is_hidden(text.len()), "{piece}");
        }
    }
}
