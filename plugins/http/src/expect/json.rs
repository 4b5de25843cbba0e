//! The body as JSON, looked into by JSONPath (RFC 9535).

mod document;
mod equality;
mod expected;
mod node;
mod path;

use std::borrow::Cow;
use std::collections::BTreeMap;

use canary_sdk::http::Response;
use canary_sdk::{Assertion, Error, Problems, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Reading;
use super::body::{extent, is_cut};
use super::pattern::{Budget, Mode};
use super::rule::{Condition, Extra, Rule, Subject};
use crate::body;
use crate::complaint::Complaint;
use crate::effort::{Effort, TooCostly};
use crate::memory::OutOfMemory;
use document::Document;
use expected::Expected;
use node::Value;
use path::{Path, Stop, Walk};

/// What a path must lead to. Where it leads to several values, every one of them has to meet the rules.
pub(super) type Rules = Rule<Expected, Presence>;

/// Whether a path leads to anything.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Presence {
    /// Whether the path leads to anything at all.
    exists: Option<bool>,
    /// Whether the other rules hold only where the path leads to something.
    optional: bool,
}

impl Extra for Presence {
    const KEYS: &'static [&'static str] = &["exists", "optional"];
}

/// One assertion a path.
///
/// # Errors
/// A path or a pattern does not compile.
pub(super) fn judge(
    rules: &BTreeMap<String, Rules>,
    response: &Response,
    reading: &Reading<'_>,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let document = parse_body(response, reading);
    for (path, rules) in rules {
        let compiled = parse(path)?;
        let conditions = rules.conditions(&place(path), Mode::Text)?;
        let result = document.as_ref().map_err(Complaint::clone).and_then(|document| {
            let judging = Judging {
                document,
                presence: &rules.extra,
                conditions: &conditions,
                effort: reading.effort,
            };
            judging.judge(&compiled)
        });
        let label = format!("json {path}");
        verdict.extend([match result {
            Ok(message) => Assertion::new(label, true, message),
            Err(complaint) => complaint.assertion(label),
        }]);
    }
    Ok(())
}

/// Where the rules of a path stand in the configuration.
pub(super) fn place(path: &str) -> String {
    format!("expect.json.{path}")
}

fn parse(path: &str) -> Result<Path, Error> {
    Path::parse(path).map_err(|error| Error::plugin(format!("`expect.json`: `{path}` is {}", error.message)))
}

/// Reports a path that is not one, and rules that cannot be judged or met together.
pub(super) fn check(path: &str, rules: &Rules, budget: &Budget, problems: &mut Problems) {
    if let Err(error) = Path::parse(path) {
        match error.hint {
            Some(hint) => problems.report_with(error.message, hint),
            None => problems.report(error.message),
        }
    }
    rules.check(Mode::Text, budget, expected::complaint, problems);
    if rules.extra.exists == Some(false) && !rules.is_empty() {
        problems.at("exists", |problems| {
            problems.report("a path that must lead to nothing has no value for the other rules");
        });
    }
}

/// The body's JSON, or why there is none.
fn parse_body<'r>(response: &'r Response, reading: &Reading<'_>) -> Result<Document<'r>, Complaint> {
    let memory = reading.memory.without(response.body.capacity());
    let text = body::json(response, memory, reading.effort)
        .map_err(|costly| Complaint::unknown(format!("to decode the body {costly}")))?;
    if is_cut(response, text.read) {
        let extent = extent(response, text.read, reading.is_decompressed);
        return Err(Complaint::unknown(format!("cannot be read as JSON: {extent}")));
    }
    let hint = body::compression_hint(response).filter(|_| !reading.is_decompressed);
    let memory = memory.without(text.memory());
    let text = match text.bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    let document = match text {
        Some(text) => {
            Document::parse(text, memory, reading.effort).map_err(|unread| match unread.is_beyond_quotas() {
                true => Complaint::unknown(unread.to_string()),
                false => Complaint::seen(unread.to_string()),
            })
        }
        None => Err(Complaint::seen("the body is not JSON: it is not UTF-8")),
    };
    document.map_err(|complaint| match hint {
        Some(hint) if !complaint.is_unknown => Complaint::seen(format!("the body is not JSON: it is {hint}")),
        _ => complaint,
    })
}

/// What was seen, as `Ok` when it is as it should be.
type Seen = Result<String, Complaint>;

/// A path and what it must lead to, on a body.
struct Judging<'j> {
    document: &'j Document<'j>,
    presence: &'j Presence,
    conditions: &'j [Condition<'j, Expected>],
    effort: &'j Effort,
}

impl<'j> Judging<'j> {
    fn judge(&self, path: &Path) -> Seen {
        let walk = Walk::through(self.document, self.effort);
        let (mut first, mut count) = (None, 0_usize);
        let mut complaint = None;
        let walked = walk.follow(path, &mut |node| {
            let value = Value::of(node);
            first.get_or_insert(value.node());
            count += 1;
            complaint = self.complaint(value);
            if complaint.is_some() {
                Err(Stop::Enough)
            } else {
                Ok(())
            }
        });
        match (walked, complaint, first) {
            (_, Some(complaint), _) => Err(complaint),
            (Err(Stop::TooCostly | Stop::Enough), ..) => Err(Complaint::unknown(format!(
                "{TooCostly}, after {count} of its values in a body with {}",
                self.document.values()
            ))),
            (Err(Stop::TooLarge), ..) => Err(Complaint::unknown(format!("takes {OutOfMemory}"))),
            (Ok(()), None, Some(first)) => Ok(seen(&Value::of(first), count)),
            (Ok(()), None, None) => self.absent(),
        }
    }

    fn absent(&self) -> Seen {
        let Presence { exists, optional } = *self.presence;
        let may_be_absent = exists.map_or(optional, |exists| !exists);
        let message = "leads to nothing".to_owned();
        match may_be_absent {
            true => Ok(message),
            false => Err(Complaint::seen(message)),
        }
    }

    fn complaint(&self, mut value: Value<'j>) -> Option<Complaint> {
        if self.presence.exists == Some(false) {
            return Some(Complaint::seen(format!("leads to {}", value.shown())));
        }
        let looks_into_text = self.conditions.iter().any(Condition::looks_into_text);
        if let Err(reason) = value.read(looks_into_text, self.document.memory, self.effort) {
            return Some(Complaint::unknown(reason));
        }
        self.conditions
            .iter()
            .find_map(|condition| condition.complaint(&value, self.effort))
    }
}

fn seen(first: &Value<'_>, count: usize) -> String {
    match count {
        1 => first.shown(),
        count => format!("{} and {} more", first.shown(), count - 1),
    }
}
