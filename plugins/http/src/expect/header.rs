//! Rules for response headers.

use std::ops::RangeInclusive;

use canary_sdk::http::{Request, Response};
use canary_sdk::{Assertion, Error, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use super::find;
use super::pattern::{Budget, Mode};
use super::rule::{self, Condition, Extra, Rule, Subject};
use crate::effort::{Effort, TooCostly};
use crate::mismatch::Mismatch;
use crate::text::quote;

/// The rules for a header. If it was sent more than once, one of its values has to meet all rules, and none may be
/// what a `not_…` excludes.
pub(super) type Rules = Rule<String, Presence>;

/// Whether a header is there at all.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Presence {
    /// True: the header must be absent. False: it must be present, with any value.
    absent: Option<bool>,
    /// Whether the other rules apply only if the header is present.
    optional: bool,
}

impl Extra for Presence {
    const KEYS: &'static [&'static str] = &["absent", "optional"];

    fn allows_absence(&self) -> Option<bool> {
        Some(self.absent.unwrap_or(self.optional))
    }
}

/// One value of a header.
struct HeaderValue<'r>(&'r [u8]);

impl Subject<String> for HeaderValue<'_> {
    fn is(&self, expected: &String, effort: &Effort) -> Result<bool, TooCostly> {
        find::is(self.0, expected, effort)
    }

    fn text(&self) -> &[u8] {
        self.0
    }

    fn quoted(&self) -> String {
        quote(self.0)
    }
}

/// Reports an invalid name, and rules that cannot be evaluated or met together.
pub(super) fn check(name: &str, rules: &Rules, budget: &Budget, problems: &mut Problems) {
    // The host knows which names are valid.
    let named = Request::get("").header(name, "").check();
    for invalid in named.into_iter().filter(|invalid| invalid.field == "headers[0]") {
        problems.report(invalid.message);
    }
    rules.check(
        Mode::Text,
        budget,
        |text, condition| rule::text_mismatch(text, condition),
        problems,
    );
    rules.check_lengths(None, problems);
    rules.check_numbers(problems);
    rules.each_value(problems, |value, problems| {
        if value.trim_ascii() != value || holds_line_end(value) {
            problems.report_with(
                "a header value has no surrounding spaces and no line breaks",
                "in YAML, a text after `|` ends with a line feed, and one after `|-` does not",
            );
        }
    });
    rules.each_search_text(problems, |text, problems| {
        if holds_line_end(text) {
            problems.report("a header value has no line breaks");
        }
    });
    rules.each_pattern(problems, |pattern, problems| {
        if pattern.needs_any(Mode::Text, &LINE_ENDS) {
            problems.report_with("a header value has no line breaks", "`$` is the end of the value");
        }
    });
    if rules.extra.absent == Some(true) && !rules.is_empty() {
        problems.at("absent", |problems| {
            problems.report("a header that must be absent has no value for the other rules");
        });
    }
    check_optional(rules, problems);
}

/// Reports `optional` where it makes no difference, or where every response meets the rules.
fn check_optional(rules: &Rules, problems: &mut Problems) {
    let Presence { absent, optional } = rules.extra;
    if !optional {
        return;
    }
    problems.at("optional", |problems| {
        if absent.is_some() {
            problems.report_with(
                "only one of `absent` and `optional` can apply",
                "leave `optional` out",
            );
        } else if rules.is_empty() {
            problems.report_with(
                "without another rule nothing is expected of the header",
                "add a rule, or leave the header out",
            );
        }
    });
}

/// Characters that end a line, of which a header value has none.
const LINE_ENDS: [RangeInclusive<char>; 2] = ['\n'..='\n', '\r'..='\r'];

fn holds_line_end(text: &str) -> bool {
    text.contains(['\r', '\n'])
}

/// The location of a header's rules in the configuration.
pub(super) fn location(name: &str) -> String {
    format!("expect.headers.{name}")
}

/// Evaluates the header against the rules.
///
/// # Errors
/// A pattern does not compile.
pub(super) fn evaluate(
    name: &str,
    rules: &Rules,
    response: &Response,
    effort: &Effort,
) -> Result<Assertion, Error> {
    let conditions = rules.conditions(&location(name), Mode::Text)?;
    let named = response
        .headers
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let values: Vec<_> = named.map(|(_, value)| HeaderValue(value)).collect();
    let label = format!("header {}", name.to_ascii_lowercase());
    Ok(
        match evaluate_values(&rules.extra, &conditions, &values, effort) {
            Ok(message) => Assertion::new(label, true, message),
            Err(mismatch) => mismatch.assertion(label),
        },
    )
}

/// What was found, as `Ok` if it is as expected.
fn evaluate_values(
    presence: &Presence,
    conditions: &[Condition<'_, String>],
    values: &[HeaderValue<'_>],
    effort: &Effort,
) -> Result<String, Mismatch> {
    let Some(first) = values.first() else {
        return if presence.allows_absence() == Some(true) {
            Ok("absent".to_owned())
        } else {
            Err(Mismatch::new("absent"))
        };
    };
    if presence.absent == Some(true) {
        return Err(Mismatch::new(format!("is there: {}", first.quoted())));
    }
    let (negative, positive): (Vec<_>, Vec<_>) =
        conditions.iter().partition(|condition| condition.is_negative());
    let mismatch = |value: &HeaderValue<'_>, conditions: &[&Condition<'_, String>]| {
        conditions
            .iter()
            .find_map(|condition| condition.mismatch(value, effort))
    };
    if let Some(reason) = values.iter().find_map(|value| mismatch(value, &negative)) {
        return Err(reason);
    }
    let mut worst: Option<Mismatch> = None;
    for value in values {
        match mismatch(value, &positive) {
            None => return Ok(value.quoted()),
            // A value that cannot be determined could be the matching one.
            Some(mismatch) if worst.is_none() || mismatch.is_unknown => worst = Some(mismatch),
            Some(_) => {}
        }
    }
    Err(worst.unwrap_or_else(|| Mismatch::new("absent")))
}
