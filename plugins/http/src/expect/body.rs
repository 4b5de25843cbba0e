//! Rules for the body as text.

use std::borrow::Cow;
use std::cmp::Ordering;

use canary_sdk::http::Response;
use canary_sdk::{Assertion, ByteSize, Error, Problems, Status, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use super::decimal::Decimal;
use super::find::{self, Haystack};
use super::order;
use super::pattern::{Budget, Mode};
use super::rule::{self, Condition, Extra, Rule, Subject};
use super::{EvaluationContext, UnmetReason};
use crate::body::{self, Text};
use crate::effort::{Effort, TooCostly};
use crate::mismatch::Mismatch;
use crate::text::{quote, size, size_of};

/// What the body must be, and must and must not hold.
pub(super) type Rules = Rule<String, Whole>;

/// What is expected of the body as a whole, and how it is read.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Whole {
    /// Whether to compare the received bytes, ignoring the charset.
    raw: bool,
    /// Maximum size of the body.
    max_size: Option<ByteSize>,
}

impl Extra for Whole {
    const KEYS: &'static [&'static str] = &["raw", "max_size"];
}

impl Rules {
    /// Maximum bytes of the body.
    pub(super) fn max_size(&self) -> Option<u64> {
        self.extra.max_size.map(ByteSize::get)
    }

    pub(super) fn mode(&self) -> Mode {
        if self.extra.raw { Mode::Bytes } else { Mode::Text }
    }
}

/// Reports rules that cannot be evaluated, or that no body can meet.
pub(super) fn check(rules: &Rules, budget: &Budget, problems: &mut Problems) {
    rules.check(
        rules.mode(),
        budget,
        |text, condition| rule::text_mismatch(text, condition),
        problems,
    );
    rules.check_lengths(rules.max_size(), problems);
    rules.check_numbers(problems);
    if rules.is_empty() && rules.max_size().is_none() {
        problems.report_with(
            "nothing is expected of the body",
            "add a rule, or leave `body` out",
        );
    }
}

/// Reports every rule that an empty body does not meet.
pub(super) fn check_without(rules: &Rules, budget: &Budget, unmet: &UnmetReason, problems: &mut Problems) {
    let compiled = (rules.mode(), budget);
    rules.report_unmet(
        &String::new(),
        |text, condition| rule::text_mismatch(text, condition),
        compiled,
        unmet,
        problems,
    );
}

/// The location of the rules in the configuration.
pub(super) const LOCATION: &str = "expect.body";

/// One assertion per text, pattern and limit.
///
/// # Errors
/// A pattern does not compile.
pub(super) fn evaluate(
    rules: &Rules,
    response: &Response,
    context: &EvaluationContext<'_>,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    if let Some(max) = rules.max_size() {
        verdict.extend([evaluate_size(max, response, context.is_decompressed)]);
    }
    let conditions = rules.conditions(LOCATION, rules.mode())?;
    let memory = context.memory.without(response.body.capacity());
    let text = match (conditions.is_empty(), rules.extra.raw) {
        (true, _) => return Ok(()),
        (false, true) => Ok(Text::raw(&response.body)),
        (false, false) => body::text(response, memory, context.effort),
    };
    let text = match text {
        Ok(text) => text,
        Err(costly) => {
            verdict.extend([Assertion::unknown("body", format!("decoding the body {costly}"))]);
            return Ok(());
        }
    };
    let seen = SearchedBody {
        extent: extent(response, text.read, context.is_decompressed),
        is_cut: is_cut(response, text.read),
        decoded: match &text.bytes {
            // It borrows a part of the received body if it is not all of it.
            Cow::Borrowed(_) => None,
            Cow::Owned(decoded) => Some(Haystack::of(decoded)),
        },
        undecoded: Haystack::of(&response.body),
        text: &text.bytes,
        effort: context.effort,
    };
    verdict.extend(conditions.iter().map(|condition| seen.evaluate(condition)));
    Ok(())
}

fn evaluate_size(max: u64, response: &Response, is_decompressed: bool) -> Assertion {
    const NAME: &str = "body max_size";
    let length = response.body_length;
    // Decompressed bytes are not counted beyond what is retained.
    let goes_on = is_decompressed && response.truncated && body::compression_hint(response).is_some();
    match (length.cmp(&max), goes_on) {
        (Ordering::Greater, _) => Assertion::new(
            NAME,
            false,
            format!("{} is more than {}", size(length), size(max)),
        ),
        (Ordering::Equal, true) => Assertion::new(NAME, false, format!("it is more than {}", size(max))),
        (Ordering::Less, true) => Assertion::unknown(
            NAME,
            format!("it is more than {}, the most that is decompressed", size(length)),
        ),
        (_, false) => Assertion::new(NAME, true, size(length)),
    }
}

/// The texts that are searched.
struct SearchedBody<'r> {
    text: &'r [u8],
    /// The decoded text, if it differs from the received one.
    decoded: Option<Haystack<'r>>,
    /// The body as received.
    undecoded: Haystack<'r>,
    extent: String,
    is_cut: bool,
    effort: &'r Effort,
}

impl Subject<String> for SearchedBody<'_> {
    fn is(&self, expected: &String, effort: &Effort) -> Result<bool, TooCostly> {
        Ok(!self.is_cut && find::is(self.text, expected, effort)?)
    }

    fn text(&self) -> &[u8] {
        self.text
    }

    /// Files usually end with a line feed, even those that contain only a number.
    fn number(&self) -> Option<Decimal<'_>> {
        Decimal::parse(str::from_utf8(self.text.trim_ascii()).ok()?)
    }

    fn quoted(&self) -> String {
        let cut = if self.is_cut { ", which was cut," } else { "" };
        format!("{}{cut}", quote(self.text))
    }
}

impl SearchedBody<'_> {
    fn evaluate(&self, condition: &Condition<'_, String>) -> Assertion {
        let found = match condition {
            Condition::Contains(text) | Condition::NotContains(text) => self.find(text),
            Condition::Matches(regex) | Condition::NotMatches(regex) => {
                let found = regex.find(self.text, self.effort);
                found.map(|found| found.and_then(|place| self.text.get(place)))
            }
            whole => return self.evaluate_whole(whole),
        };
        let label = label(condition);
        match found {
            Ok(found) if condition.is_negative() => self.missing(label, found),
            Ok(found) => self.present(label, found),
            Err(costly) => {
                let reason = format!("{} {}", self.extent, condition.too_costly(costly));
                Assertion::unknown(label, reason)
            }
        }
    }

    fn evaluate_whole(&self, condition: &Condition<'_, String>) -> Assertion {
        let label = format!("body {}", condition.key());
        let mismatch = match self.may_hold(condition) {
            Ok(true) => Some(Mismatch::unknown(format!(
                "cannot be determined from {}",
                self.extent
            ))),
            Ok(false) => condition.mismatch(self, self.effort),
            Err(costly) => {
                let reason = format!("{} {}", self.extent, condition.too_costly(costly));
                Some(Mismatch::unknown(reason))
            }
        };
        match mismatch {
            Some(mismatch) => mismatch.assertion(label),
            None => Assertion::new(label, true, quote(self.text)),
        }
    }

    /// Whether the part of the body that was not retained could decide.
    fn may_hold(&self, condition: &Condition<'_, String>) -> Result<bool, TooCostly> {
        if !self.is_cut {
            return Ok(false);
        }
        match condition {
            Condition::Bound(..) | Condition::Length(..) => Ok(true),
            Condition::Empty(_) => Ok(self.text.is_empty()),
            Condition::Equals(text) | Condition::NotEquals(text) => self.may_become(text),
            Condition::OneOf(texts) => {
                for text in *texts {
                    if self.may_become(text)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Whether the body, of which this is the beginning, may be this text. A character that was cut in two is
    /// ignored.
    fn may_become(&self, text: &str) -> Result<bool, TooCostly> {
        let cut = char::REPLACEMENT_CHARACTER.to_string();
        let start = self.text.strip_suffix(cut.as_bytes()).unwrap_or(self.text);
        match text.as_bytes().get(..start.len()) {
            Some(same) if text.len() > start.len() => Ok(order::of_bytes(start, same, self.effort)?.is_eq()),
            _ => Ok(false),
        }
    }

    /// Where a text is found: in the decoded or in the received text.
    fn find<'t>(&self, text: &'t str) -> Result<Option<&'t [u8]>, TooCostly> {
        let is_there = match &self.decoded {
            Some(decoded) if decoded.contains(text, self.effort)? => true,
            Some(_) | None => self.undecoded.contains(text, self.effort)?,
        };
        Ok(is_there.then_some(text.as_bytes()))
    }

    fn present(&self, label: String, found: Option<&[u8]>) -> Assertion {
        let missing = || format!("not found in {}", self.extent);
        match found {
            Some(found) => Assertion::new(label, true, format!("found {}", quote(found))),
            None if self.is_cut => Assertion::unknown(label, missing()),
            None => Assertion::new(label, false, missing()),
        }
    }

    /// What was not found in the retained part may be in the rest.
    fn missing(&self, label: String, found: Option<&[u8]>) -> Assertion {
        let (status, message) = match found {
            Some(found) => (Status::Fail, format!("found {}", quote(found))),
            None if self.is_cut => (Status::Warn, format!("not found in {}", self.extent)),
            None => (Status::Pass, format!("not found in {}", self.extent)),
        };
        Assertion::new(label, status, message)
    }
}

fn label(condition: &Condition<'_, String>) -> String {
    let text = match condition {
        Condition::Contains(text) | Condition::NotContains(text) => text,
        Condition::Matches(regex) | Condition::NotMatches(regex) => regex.as_str(),
        whole => return format!("body {}", whole.key()),
    };
    format!("body {} {}", condition.key(), quote(text.as_bytes()))
}

/// Whether the body is longer than what was searched.
pub(super) fn is_cut(response: &Response, read: usize) -> bool {
    response.truncated || read < response.body.len()
}

/// How much of the body was searched, and whether it was compressed.
pub(super) fn extent(response: &Response, read: usize, is_decompressed: bool) -> String {
    let read_of = response.body.get(..read).unwrap_or(&response.body);
    let read_of = size_of(read_of);
    let mut text = match (read < response.body.len(), response.truncated) {
        (true, _) => format!(
            "the first {read_of} of the body, which is more text than a run has memory for (raise the quota `memory`)"
        ),
        (false, true) => format!("the first {read_of} of the body, which was cut"),
        (false, false) => format!("{read_of} of body"),
    };
    if let Some(hint) = body::compression_hint(response).filter(|_| !is_decompressed) {
        text.push_str(", ");
        text.push_str(&hint);
    }
    text
}
