//! Reads the fields of a mapping one by one, and reports invalid ones.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::interpolate::{Unresolved, has_reference};
use super::mismatch::{self, Mismatch, OutOfRange};
use super::report::Report;
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};
use super::units::{self, UnitError};
use crate::problem::{Position, Problem};

/// A value and its position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<T> {
    pub(super) value: T,
    /// Of the key.
    pub(super) key: Position,
    /// Of the value.
    pub(super) at: Position,
}

impl<T> Located<T> {
    pub(super) fn new(entry: &Entry, value: T) -> Self {
        Self {
            value,
            key: entry.at,
            at: entry.value.at,
        }
    }
}

/// The constraints of a list of names.
pub(super) struct Names {
    /// Such as `names of checks`.
    pub(super) what: &'static str,
    /// The hint for an empty list.
    pub(super) empty_hint: &'static str,
    /// Maximum number of names.
    pub(super) max: usize,
    /// Maximum length of a name, in characters.
    pub(super) max_chars: usize,
}

/// Reads the fields of one entity, which every problem names.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) report: &'a mut Report,
    /// The prefix of each message, such as ``check `home`: ``.
    pub(super) subject: String,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, at: Position, message: impl AsRef<str>) {
        self.problem_with(at, message, None);
    }

    pub(super) fn problem_with(&mut self, at: Position, message: impl AsRef<str>, hint: Option<String>) {
        if let Some(problem) = self.located_problem(at, message.as_ref()) {
            self.report.add(problem.maybe_hint(hint));
        }
    }

    /// Reports a problem of a key, regardless of its value.
    pub(super) fn problem_of_key(&mut self, at: Position, message: impl AsRef<str>, hint: Option<String>) {
        if let Some(problem) = self.located_problem(at, message.as_ref()) {
            self.report.add_of_key(problem.maybe_hint(hint));
        }
    }

    /// The problem with its subject and position, unless there are too many.
    fn located_problem(&mut self, at: Position, message: &str) -> Option<Problem> {
        if self.report.is_full() {
            self.report.omit();
            return None;
        }
        let message = format!("{}{message}", self.subject);
        // A field that is inherited from a profile or defaults may be in another file.
        Some(match self.report.source_of(at) {
            Some(source) => source.problem(at, message),
            None => self.source.problem(at, message),
        })
    }

    pub(super) fn report_unresolved(&mut self, at: Position, reference: &Unresolved) {
        let message = format!("{}{}", self.subject, reference.message);
        let problem = self.source.problem(at, message);
        let problem = problem.maybe_hint(reference.hint.clone());
        // A variable in the same text may be missing as well.
        self.report
            .add_unsuppressed(problem.transient(reference.is_transient));
    }

    pub(super) fn unexpected(&mut self, entry: &Entry, expected: &str, hint: Option<String>) {
        let mismatch = Mismatch::unexpected(expected, &entry.value.found());
        self.mismatch(entry, Mismatch { hint, ..mismatch });
    }

    /// Reports a value that is not allowed.
    fn mismatch(&mut self, entry: &Entry, mismatch: Mismatch) {
        let message = format!("`{}`: {}", entry.key, mismatch.message);
        self.problem_with(entry.value.at, message, mismatch.hint);
    }

    /// The entries of a mapping; keys that are not in `known` are problems. `what` is the prefix of the message.
    pub(super) fn mapping<'n>(&mut self, what: &str, node: &'n Node, known: &[&str]) -> Option<&'n [Entry]> {
        self.mapping_or(what, node, known, |key| {
            Mismatch::unknown_key(key, known.iter().copied())
        })
    }

    /// The entries of a mapping; `unknown` describes a key that is not in `known`.
    pub(super) fn mapping_or<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        known: &[&str],
        unknown: impl Fn(&str) -> Mismatch,
    ) -> Option<&'n [Entry]> {
        let Kind::Map(entries) = &node.kind else {
            self.problem(
                node.at,
                format!("{what}expected a mapping, found {}", node.found()),
            );
            return None;
        };
        let is_known = |key: &str| known.contains(&key) || mismatch::is_extension(key);
        for entry in entries.iter().filter(|entry| !is_known(&entry.key)) {
            if self.report.is_full() {
                self.report.omit();
                continue;
            }
            let unknown = unknown(&entry.key);
            self.problem_of_key(entry.at, unknown.message, unknown.hint);
        }
        Some(entries)
    }

    /// The entries of a mapping that are not `null`; a `null` is treated as absent.
    pub(super) fn fields<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        known: &[&str],
    ) -> Option<impl Iterator<Item = &'n Entry> + Clone + use<'n>> {
        let entries = self.mapping(what, node, known)?.iter();
        Some(entries.filter(|entry| !entry.value.is_null()))
    }

    /// The elements of a list.
    pub(super) fn list<'n>(&mut self, entry: &'n Entry, what: &str) -> Option<&'n [Node]> {
        if let Kind::List(nodes) = &entry.value.kind {
            return Some(nodes);
        }
        let single = matches!(entry.value.kind, Kind::Text(_));
        let hint = single.then(|| format!("put it in brackets: `{}: [..]`", entry.key));
        self.unexpected(entry, &format!("a list of {what}"), hint);
        None
    }

    /// The distinct valid names of a list; the others are reported.
    pub(super) fn names(&mut self, entry: &Entry, allowed: &Names) -> Option<Vec<Located<Arc<str>>>> {
        let Names {
            what, max, max_chars, ..
        } = *allowed;
        let nodes = self.list(entry, what)?;
        let key = &entry.key;
        if nodes.is_empty() {
            let hint = allowed.empty_hint.to_owned();
            self.problem_with(entry.at, format!("`{key}` is empty"), Some(hint));
            return None;
        }
        if nodes.len() > max {
            let message = format!("`{key}`: {} {what}; allowed: up to {max}", nodes.len());
            self.problem(entry.at, message);
        }
        let mut seen = HashSet::new();
        let mut names = Vec::with_capacity(nodes.len().min(max));
        for node in nodes.iter().take(max) {
            let element = Entry {
                key: Arc::clone(key),
                at: entry.at,
                value: node.clone(),
            };
            if matches!(&node.kind, Kind::Text(name) if name.trim().is_empty()) {
                self.problem(node.at, format!("`{key}`: a name is empty"));
                continue;
            }
            let Some(name) = self.text(&element, max_chars) else {
                continue;
            };
            if seen.insert(Arc::clone(name)) {
                names.push(Located::new(&element, Arc::clone(name)));
            } else {
                self.problem(node.at, format!("`{key}`: {} is listed twice", quoted(name)));
            }
        }
        Some(names)
    }

    /// A text of 1 to `limit` characters, without control characters or references.
    pub(super) fn text<'n>(&mut self, entry: &'n Entry, limit: usize) -> Option<&'n Arc<str>> {
        self.text_without(entry, limit, char::is_control)
    }

    /// As [`Self::text`], with line breaks and tabs allowed.
    pub(super) fn multiline_text<'n>(&mut self, entry: &'n Entry, limit: usize) -> Option<&'n Arc<str>> {
        self.text_without(entry, limit, |char| {
            char.is_control() && !matches!(char, '\n' | '\t')
        })
    }

    fn text_without<'n>(
        &mut self,
        entry: &'n Entry,
        limit: usize,
        is_refused: fn(char) -> bool,
    ) -> Option<&'n Arc<str>> {
        let text = self.raw_text(entry)?;
        let name = &entry.key;
        if text.trim().is_empty() {
            self.problem(entry.value.at, format!("`{name}` is empty"));
        } else if text.chars().nth(limit).is_some() {
            self.problem(
                entry.value.at,
                format!("`{name}` is longer than {limit} characters"),
            );
        } else if text.chars().any(is_refused) {
            self.problem(entry.value.at, format!("`{name}` contains a control character"));
        } else if has_reference(text) {
            let message =
                format!("`{name}`: references are replaced in `target`, `targets` and `config` only");
            self.problem(entry.value.at, message);
        } else {
            return Some(text);
        }
        None
    }

    /// A text of any content and length.
    pub(super) fn raw_text<'n>(&mut self, entry: &'n Entry) -> Option<&'n Arc<str>> {
        if let Some(text) = entry.value.text() {
            return Some(text);
        }
        let is_plain = matches!(entry.value.kind, Kind::Plain(_));
        self.mismatch(entry, Mismatch::not_a_string(&entry.value.found(), is_plain));
        None
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, entry: &Entry) -> Option<bool> {
        match &entry.value.kind {
            Kind::Plain(plain) if plain.value.is_boolean() => plain.value.as_bool(),
            // Variables outside of `config` are substituted as text.
            Kind::Text(text) if matches!(&**text, "true" | "false") => Some(&**text == "true"),
            _ => {
                self.unexpected(entry, "`true` or `false`", None);
                None
            }
        }
    }

    pub(super) fn duration(
        &mut self,
        entry: &Entry,
        range: RangeInclusive<Duration>,
    ) -> Option<Located<Duration>> {
        let Kind::Text(text) = &entry.value.kind else {
            let hint = UnitError::Duration.hint().to_owned();
            self.unexpected(entry, "a duration", Some(hint));
            return None;
        };
        let value = self.parsed(entry, mismatch::duration(text, &quoted(text)))?;
        self.in_range(entry, value, range, |limit| units::show(*limit))
    }

    pub(super) fn size(&mut self, entry: &Entry, range: RangeInclusive<u64>) -> Option<Located<u64>> {
        let value = match &entry.value.kind {
            Kind::Plain(plain) if plain.value.is_u64() => plain.value.as_u64()?,
            Kind::Text(text) => self.parsed(entry, mismatch::size(text, &quoted(text)))?,
            _ => {
                self.unexpected(entry, "a size", Some(UnitError::Size.hint().to_owned()));
                return None;
            }
        };
        self.in_range(entry, value, range, |limit| {
            canary_record::quota::format_bytes(*limit)
        })
    }

    pub(super) fn count(&mut self, entry: &Entry, range: RangeInclusive<u64>) -> Option<Located<u64>> {
        let written = match &entry.value.kind {
            Kind::Plain(plain) => plain.value.as_u64(),
            // Variables outside of `config` are substituted as text.
            Kind::Text(text) => text.parse().ok(),
            _ => None,
        };
        if let Some(written) = written {
            return self.in_range(entry, written, range, u64::to_string);
        }
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.unexpected(entry, &expected, None);
        None
    }

    fn parsed<T>(&mut self, entry: &Entry, result: Result<T, Mismatch>) -> Option<T> {
        result.map_err(|mismatch| self.mismatch(entry, mismatch)).ok()
    }

    fn in_range<T: PartialOrd>(
        &mut self,
        entry: &Entry,
        value: T,
        range: RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<Located<T>> {
        match mismatch::in_range(value, &range, show) {
            Ok(value) => Some(Located::new(entry, value)),
            Err(OutOfRange { value, allowed }) => {
                let message = format!("`{}` is {value}; allowed: {allowed}", entry.key);
                self.problem(entry.value.at, message);
                None
            }
        }
    }
}
