//! A mapping of the file, from which settings are read key by key; the remaining keys are unknown.

use std::fmt;
use std::sync::Arc;

use super::value::ConfigValue;
use super::{NONE, Origin, Problem, Report};
use canary_suite::mismatch::{self, Mismatch};
use canary_suite::{Content, Location, Member, Value, quoted};

/// A mapping of the settings file. `Debug` shows only its path.
#[derive(Default)]
pub struct Section {
    /// Such as `telemetry.traces`; empty for the file as a whole.
    path: String,
    members: Vec<Member>,
    known_keys: Vec<&'static str>,
    /// Absent if the section is not set.
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
            .map(|value| Self::new(String::new(), value, report))
            .unwrap_or_default()
    }

    fn new(path: String, value: Value, report: &mut Report) -> Self {
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
            known_keys: Vec::new(),
            location,
        }
    }

    /// The text, number or boolean at `key`; other values are reported by [`Section::finish`].
    pub fn value(&mut self, key: &'static str) -> Option<ConfigValue> {
        let found = self.index_of(key)?;
        if !matches!(
            self.members.get(found)?.value.content,
            Content::Text { .. } | Content::Plain(_)
        ) {
            return None;
        }
        let member = self.members.swap_remove(found);
        let origin = origin(&self.path_of(key), member.value.location);
        config_value(origin, member.value.content)
    }

    /// The text at `key`. Unquoted numbers are rejected: `1.10` would be the number 1.1.
    pub fn text(&mut self, key: &'static str, report: &mut Report) -> Option<ConfigValue> {
        let value = self.remove(key)?;
        text(self.path_of(key), value, report)
    }

    /// The texts of the list at `key`.
    pub fn list(&mut self, key: &'static str, report: &mut Report) -> Option<Vec<ConfigValue>> {
        let value = self.remove(key)?;
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

    /// The names and texts of the mapping at `key`.
    pub fn pairs(&mut self, key: &'static str, report: &mut Report) -> Option<Vec<(Arc<str>, ConfigValue)>> {
        let value = self.remove(key)?;
        if matches!(value.content, Content::Nothing) {
            return None;
        }
        let Self { path, members, .. } = Self::new(self.path_of(key), value, report);
        let pairs = members.into_iter().filter_map(|member| {
            let text = text(join(&path, &quoted_key(&member.key)), member.value, report)?;
            Some((member.key, text))
        });
        Some(pairs.collect())
    }

    /// The mapping at `key`; empty if it is not set.
    pub fn section(&mut self, key: &'static str, report: &mut Report) -> Self {
        match self.remove(key) {
            Some(value) => Self::new(self.path_of(key), value, report),
            None => Self {
                path: self.path_of(key),
                ..Self::default()
            },
        }
    }

    /// The mappings in the mapping at `key`, by names that the operator chose.
    pub fn sections(&mut self, key: &'static str, report: &mut Report) -> Vec<(Arc<str>, Self)> {
        let Some(value) = self.remove(key) else {
            return Vec::new();
        };
        let Self { path, members, .. } = Self::new(self.path_of(key), value, report);
        let sections = members.into_iter().map(|member| {
            let section = Self::new(join(&path, &quoted_key(&member.key)), member.value, report);
            (member.key, section)
        });
        sections.collect()
    }

    /// A problem of the section as a whole.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let origin = self.location.clone().map(|location| origin(&self.path, location));
        let origin = origin.unwrap_or_else(|| Origin::Variable(self.path.clone()));
        Problem::new(origin, message)
    }

    /// Whether the value at `key` is `none`; if so, it is removed.
    pub fn is_none(&mut self, key: &'static str) -> bool {
        let Some(found) = self.index_of(key) else {
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

    /// Reports unknown keys, and values of an unexpected type.
    pub fn finish(self, report: &mut Report) {
        for member in &self.members {
            let key = &*member.key;
            if self.known_keys.contains(&key) {
                let place = origin(&self.path_of(key), member.value.location.clone());
                if !matches!(member.value.content, Content::Nothing) {
                    report.add(unexpected(place, "one value", &member.value.content));
                }
            } else if !mismatch::is_extension(key) {
                let known = self.known_keys.iter().copied();
                let unknown = if self.path.is_empty() {
                    Mismatch::unknown_setting(key, known)
                } else {
                    let mut unknown = Mismatch::unknown_key(key, known);
                    unknown.message += &format!(" in `{}`", self.path);
                    unknown
                };
                report.add(problem(Origin::File(member.location.clone()), unknown));
            }
        }
    }

    fn remove(&mut self, key: &'static str) -> Option<Value> {
        let found = self.index_of(key)?;
        Some(self.members.swap_remove(found).value)
    }

    /// The index of `key` among the members; marks it as known.
    fn index_of(&mut self, key: &'static str) -> Option<usize> {
        if !self.known_keys.contains(&key) {
            self.known_keys.push(key);
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

/// A user-defined key for use in a message.
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

fn config_value(origin: Origin, content: Content) -> Option<ConfigValue> {
    match content {
        Content::Text { text, masked } if !text.is_empty() => {
            Some(ConfigValue::redacted(text, masked, origin))
        }
        Content::Plain(text) => Some(ConfigValue::new(text, origin)),
        _ => None,
    }
}

fn text(path: String, value: Value, report: &mut Report) -> Option<ConfigValue> {
    let origin = origin(&path, value.location);
    match value.content {
        content @ (Content::Text { .. } | Content::Nothing) => config_value(origin, content),
        other => {
            let is_plain = matches!(other, Content::Plain(_));
            report.add(problem(origin, Mismatch::not_a_string(other.found(), is_plain)));
            None
        }
    }
}

fn unexpected(origin: Origin, expected: &str, found: &Content) -> Problem {
    problem(origin, Mismatch::unexpected(expected, found.found()))
}

fn problem(origin: Origin, mismatch: Mismatch) -> Problem {
    Problem::new(origin, mismatch.message).maybe_hint(mismatch.hint)
}
