//! Rules for values of a JSON body, selected by JSONPath (RFC 9535).

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

use super::EvaluationContext;
use super::body::{extent, is_cut};
use super::pattern::{Budget, Mode};
use super::rule::{Condition, Extra, Rule, Subject};
use crate::body;
use crate::effort::{Effort, TooCostly};
use crate::memory::OutOfMemory;
use crate::mismatch::Mismatch;
use document::Document;
use expected::Expected;
use node::Value;
use path::{Path, Stop, Walk};

/// The rules for the values that a path selects. Every one of them has to meet the rules.
pub(super) type Rules = Rule<Expected, Presence>;

/// Whether a path leads to anything.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Presence {
    /// Whether the path must select a value.
    exists: Option<bool>,
    /// Whether the other rules apply only if the path selects a value.
    optional: bool,
}

impl Extra for Presence {
    const KEYS: &'static [&'static str] = &["exists", "optional"];

    fn allows_absence(&self) -> Option<bool> {
        Some(self.exists.map_or(self.optional, |exists| !exists))
    }
}

/// One assertion per path.
///
/// # Errors
/// A path or a pattern does not compile.
pub(super) fn evaluate(
    rules: &BTreeMap<String, Rules>,
    response: &Response,
    context: &EvaluationContext<'_>,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let document = parse_body(response, context);
    for (path, rules) in rules {
        let compiled = parse(path)?;
        let conditions = rules.conditions(&location(path), Mode::Text)?;
        let result = document.as_ref().map_err(Mismatch::clone).and_then(|document| {
            let evaluation = Evaluation {
                document,
                presence: &rules.extra,
                conditions: &conditions,
                effort: context.effort,
            };
            evaluation.evaluate(&compiled)
        });
        let label = format!("json {path}");
        verdict.extend([match result {
            Ok(message) => Assertion::new(label, true, message),
            Err(mismatch) => mismatch.assertion(label),
        }]);
    }
    Ok(())
}

/// The location of a path's rules in the configuration.
pub(super) fn location(path: &str) -> String {
    format!("expect.json.{path}")
}

fn parse(path: &str) -> Result<Path, Error> {
    Path::parse(path).map_err(|error| Error::plugin(format!("`expect.json`: `{path}` is {}", error.message)))
}

/// Reports an invalid path, and rules that cannot be evaluated or met together.
pub(super) fn check(path: &str, rules: &Rules, budget: &Budget, problems: &mut Problems) {
    if let Err(error) = Path::parse(path) {
        match error.hint {
            Some(hint) => problems.report_with(error.message, hint),
            None => problems.report(error.message),
        }
    }
    rules.check(Mode::Text, budget, node::mismatch, problems);
    rules.check_numbers(problems);
    if rules.extra.exists == Some(false) && !rules.is_empty() {
        problems.at("exists", |problems| {
            problems.report("a path that must not exist has no value for the other rules");
        });
    }
    check_optional(rules, problems);
}

/// Reports `optional` where it makes no difference, or where every document meets the rules.
fn check_optional(rules: &Rules, problems: &mut Problems) {
    let Presence { exists, optional } = rules.extra;
    if !optional {
        return;
    }
    problems.at("optional", |problems| {
        if exists.is_some() {
            problems.report_with(
                "only one of `exists` and `optional` can apply",
                "leave `optional` out",
            );
        } else if rules.is_empty() {
            problems.report_with(
                "without another rule nothing is expected of the path",
                "add a rule, or leave the path out",
            );
        }
    });
}

/// Parses the body as JSON, or says why it cannot.
fn parse_body<'r>(response: &'r Response, context: &EvaluationContext<'_>) -> Result<Document<'r>, Mismatch> {
    let memory = context.memory.without(response.body.capacity());
    let text = body::json(response, memory, context.effort)
        .map_err(|costly| Mismatch::unknown(format!("decoding the body {costly}")))?;
    if is_cut(response, text.read) {
        let extent = extent(response, text.read, context.is_decompressed);
        return Err(Mismatch::unknown(format!("cannot be read as JSON: {extent}")));
    }
    let hint = body::compression_hint(response).filter(|_| !context.is_decompressed);
    let memory = memory.without(text.memory());
    let text = match text.bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    let document = match text {
        Some(text) => Document::parse(text, memory, context.effort).map_err(|read_error| {
            if read_error.is_beyond_quotas() {
                Mismatch::unknown(read_error.to_string())
            } else {
                Mismatch::new(read_error.to_string())
            }
        }),
        None => Err(Mismatch::new("the body is not JSON: it is not UTF-8")),
    };
    document.map_err(|mismatch| match hint {
        Some(hint) if !mismatch.is_unknown => Mismatch::new(format!("the body is not JSON: it is {hint}")),
        _ => mismatch,
    })
}

/// What was found, as `Ok` if it is as expected.
type Evaluated = Result<String, Mismatch>;

/// The evaluation of a path and its rules on a body.
struct Evaluation<'j> {
    document: &'j Document<'j>,
    presence: &'j Presence,
    conditions: &'j [Condition<'j, Expected>],
    effort: &'j Effort,
}

impl<'j> Evaluation<'j> {
    fn evaluate(&self, path: &Path) -> Evaluated {
        let walk = Walk::through(self.document, self.effort);
        let (mut first, mut count) = (None, 0_usize);
        let mut mismatch = None;
        let walked = walk.follow(path, &mut |node| {
            let value = Value::of(node);
            first.get_or_insert(value.node());
            count += 1;
            mismatch = self.mismatch(value);
            if mismatch.is_some() {
                Err(Stop::Enough)
            } else {
                Ok(())
            }
        });
        match (walked, mismatch, first) {
            (_, Some(mismatch), _) => Err(mismatch),
            (Err(Stop::TooCostly | Stop::Enough), ..) => Err(Mismatch::unknown(format!(
                "{TooCostly}, after {count} of its values in a body with {}",
                self.document.values()
            ))),
            (Err(Stop::TooLarge), ..) => Err(Mismatch::unknown(format!("takes {OutOfMemory}"))),
            (Ok(()), None, Some(first)) => Ok(seen(&Value::of(first), count)),
            (Ok(()), None, None) => self.absent(),
        }
    }

    fn absent(&self) -> Evaluated {
        let message = "not found".to_owned();
        if self.presence.allows_absence() == Some(true) {
            Ok(message)
        } else {
            Err(Mismatch::new(message))
        }
    }

    fn mismatch(&self, mut value: Value<'j>) -> Option<Mismatch> {
        if self.presence.exists == Some(false) {
            return Some(Mismatch::new(format!("found {}", value.quoted())));
        }
        let looks_into_text = self.conditions.iter().any(Condition::looks_into_text);
        if let Err(reason) = value.read(looks_into_text, self.document.memory, self.effort) {
            return Some(Mismatch::unknown(reason));
        }
        self.conditions
            .iter()
            .find_map(|condition| condition.mismatch(&value, self.effort))
    }
}

fn seen(first: &Value<'_>, count: usize) -> String {
    match count {
        1 => first.quoted(),
        count => format!("{} and {} more", first.quoted(), count - 1),
    }
}
