//! A mapping of the file, from which settings are taken key by key; what is left over is unknown.

use std::fmt;
use std::sync::Arc;

use super::written::{Origin, Written};
use super::{NONE, Problem, Report};
use crate::suite::Content;
use crate::suite::Location;
use crate::suite::Member;
use crate::suite::Value;
use crate::suite::quoted;
use crate::suite::suggest;

/// Keys that a file may hold for its own use, such as a place for anchors.
const EXTENSION: &str = "x-";

/// What is written below a key. `Debug` shows only the key.
#[derive(Default)]
pub struct Section {
    /// Such as `telemetry.traces`; empty for the file as a whole.
    path: String,
    members: Vec<Member>,
    asked: Vec<&'static str>,
    /// Absent where nothing is written.
    location: Option<Location>,
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Section {
    pub(super) fn root(value: Option<Value>, report: &mut Report) -> Self {
        value
            .map(|value| Self::of(String::new(), value, report))
            .unwrap_or_default()
    }

    fn of(path: String, value: Value, report: &mut Report) -> Self {
        let location = Some(value.location.clone());
        let members = match value.content {
            Content::Map(members) => members,
            Content::Nothing => Vec::new(),
            other => {
                report.add(unexpected(origin(&path, value.location), "a mapping", &other));
                Vec::new()
            }
        };
        Self {
            path,
            members,
            asked: Vec::new(),
            location,
        }
    }

    /// The text, number or boolean below `key`; what is something else is left for [`Section::finish`].
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Written> {
        let found = self.asked(key)?;
        if !matches!(
            self.members.get(found)?.value.content,
            Content::Text { .. } | Content::Plain(_)
        ) {
            return None;
        }
        let member = self.members.swap_remove(found);
        let origin = origin(&self.path_of(key), member.value.location);
        written(origin, member.value.content)
    }

    /// The text below `key`: `1.10` without quotes would be the number 1.1.
    pub(crate) fn text(&mut self, key: &'static str, report: &mut Report) -> Option<Written> {
        let value = self.take(key)?;
        text(self.path_of(key), value, report)
    }

    /// The texts of the list below `key`.
    pub(crate) fn list(&mut self, key: &'static str, report: &mut Report) -> Option<Vec<Written>> {
        let value = self.take(key)?;
        let path = self.path_of(key);
        match value.content {
            Content::Nothing => None,
            Content::List(values) => {
                let texts = values
                    .into_iter()
                    .filter_map(|value| text(path.clone(), value, report));
                Some(texts.collect())
            }
            other => {
                report.add(unexpected(origin(&path, value.location), "a list", &other));
                None
            }
        }
    }

    /// The names and texts of the mapping below `key`.
    pub(crate) fn pairs(
        &mut self,
        key: &'static str,
        report: &mut Report,
    ) -> Option<Vec<(Arc<str>, Written)>> {
        let value = self.take(key)?;
        if matches!(value.content, Content::Nothing) {
            return None;
        }
        let Self { path, members, .. } = Self::of(self.path_of(key), value, report);
        let pairs = members.into_iter().filter_map(|member| {
            let text = text(join(&path, &quoted_key(&member.key)), member.value, report)?;
            Some((member.key, text))
        });
        Some(pairs.collect())
    }

    /// The mapping below `key`; an empty one when there is none.
    pub(crate) fn section(&mut self, key: &'static str, report: &mut Report) -> Self {
        match self.take(key) {
            Some(value) => Self::of(self.path_of(key), value, report),
            None => Self {
                path: self.path_of(key),
                ..Self::default()
            },
        }
    }

    /// The mappings of the mapping below `key`, by names that the operator chose.
    pub(crate) fn sections(&mut self, key: &'static str, report: &mut Report) -> Vec<(Arc<str>, Self)> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Self { path, members, .. } = Self::of(self.path_of(key), value, report);
        let sections = members.into_iter().map(|member| {
            let section = Self::of(join(&path, &quoted_key(&member.key)), member.value, report);
            (member.key, section)
        });
        sections.collect()
    }

    /// Says of the section as such what is wrong.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        let origin = self.location.clone().map(|location| origin(&self.path, location));
        Problem {
            origin: origin.unwrap_or_else(|| Origin::Variable(self.path.clone())),
            message: message.into(),
            hint: None,
        }
    }

    /// Whether the word below `key` is `none`; if so, it is taken.
    pub(crate) fn is_none(&mut self, key: &'static str) -> bool {
        let Some(found) = self.asked(key) else {
            return false;
        };
        let is_none = self.members.get(found).is_some_and(
            |member| matches!(&member.value.content, Content::Text { text, .. } if text == NONE),
        );
        if is_none {
            self.members.swap_remove(found);
        }
        is_none
    }

    /// Reports every key that nobody asked for, and every value of another kind than was asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        for member in &self.members {
            let key = &*member.key;
            if self.asked.contains(&key) {
                let place = origin(&self.path_of(key), member.value.location.clone());
                if !matches!(member.value.content, Content::Nothing) {
                    report.add(unexpected(place, "one value", &member.value.content));
                }
            } else if !key.starts_with(EXTENSION) {
                let problem = Problem {
                    origin: Origin::File(member.location.clone()),
                    message: match self.path.as_str() {
                        "" => format!("unknown key {}", quoted(key)),
                        path => format!("unknown key {} in `{path}`", quoted(key)),
                    },
                    hint: None,
                };
                report.add(problem.maybe_hint(suggest::hint(key, self.asked.iter().copied())));
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        let found = self.asked(key)?;
        Some(self.members.swap_remove(found).value)
    }

    /// Where `key` is among the members; it is known from now on.
    fn asked(&mut self, key: &'static str) -> Option<usize> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.members.iter().position(|member| &*member.key == key)
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

/// A key that a user chose, fit for a message.
fn quoted_key(key: &str) -> String {
    quoted(key).trim_matches('`').to_owned()
}

fn origin(path: &str, location: Location) -> Origin {
    match path {
        "" => Origin::File(location),
        path => Origin::Key {
            path: path.to_owned(),
            location,
        },
    }
}

fn written(origin: Origin, content: Content) -> Option<Written> {
    match content {
        Content::Text { text, shown } if !text.is_empty() => Some(Written::redacted(text, shown, origin)),
        Content::Plain(text) => Some(Written::new(text, origin)),
        _ => None,
    }
}

fn text(path: String, value: Value, report: &mut Report) -> Option<Written> {
    let origin = origin(&path, value.location);
    match value.content {
        content @ (Content::Text { .. } | Content::Nothing) => written(origin, content),
        other => {
            let hint = matches!(other, Content::Plain(_)).then(|| "put it in quotes".to_owned());
            report.add(unexpected(origin, "a text", &other).maybe_hint(hint));
            None
        }
    }
}

fn unexpected(origin: Origin, expected: &str, found: &Content) -> Problem {
    Problem {
        origin,
        message: format!("expected {expected}, found {}", found.found()),
        hint: None,
    }
}
