//! Response headers.

use canary_sdk::http::{Request, Response};
use canary_sdk::{Assertion, Error, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use super::find;
use super::pattern::{Budget, Mode};
use super::rule::{self, Condition, Extra, Rule, Subject};
use crate::complaint::Complaint;
use crate::effort::{Effort, TooCostly};
use crate::text::quote;

/// What a header must be. Where it was sent more than once, one of its values has to meet all rules, and none may be
/// what a `not_…` rules out.
pub(super) type Rules = Rule<String, Presence>;

/// Whether a header is there at all.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Presence {
    /// True: the header must not be there. False: it must, whatever its value.
    absent: Option<bool>,
    /// Whether the other rules hold only where the header is there.
    optional: bool,
}

impl Extra for Presence {
    const KEYS: &'static [&'static str] = &["absent", "optional"];
}

/// One value of a header.
struct Sent<'r>(&'r [u8]);

impl Subject<String> for Sent<'_> {
    fn is(&self, expected: &String, effort: &Effort) -> Result<bool, TooCostly> {
        find::is(self.0, expected, effort)
    }

    fn text(&self) -> &[u8] {
        self.0
    }

    fn shown(&self) -> String {
        quote(self.0)
    }
}

/// Reports a name that is none, and rules that cannot be judged or met together.
pub(super) fn check(name: &str, rules: &Rules, budget: &Budget, problems: &mut Problems) {
    // The host knows what may be a name.
    let named = Request::get("").header(name, "").check();
    for invalid in named.into_iter().filter(|invalid| invalid.field == "headers[0]") {
        problems.report(invalid.message);
    }
    rules.check(
        Mode::Text,
        budget,
        |text, condition| rule::of_text(text, condition),
        problems,
    );
    rules.each_value(problems, |value, problems| {
        if value.trim_ascii() != value || holds_line_end(value) {
            problems.report_with(
                "a header's value has no blanks around it, and no line ends",
                "in YAML, a text after `|` ends with a line feed, and one after `|-` does not",
            );
        }
    });
    rules.each_looked_for(problems, |text, problems| {
        if holds_line_end(text) {
            problems.report("a header's value has no line ends");
        }
    });
    if rules.extra.absent == Some(true) && !rules.is_empty() {
        problems.at("absent", |problems| {
            problems.report("a header that must be absent has no value for the other rules");
        });
    }
}

fn holds_line_end(text: &str) -> bool {
    text.contains(['\r', '\n'])
}

/// Where the rules of a header stand in the configuration.
pub(super) fn place(name: &str) -> String {
    format!("expect.headers.{name}")
}

/// Whether the header is as the rules want it.
///
/// # Errors
/// A pattern does not compile.
pub(super) fn judge(
    name: &str,
    rules: &Rules,
    response: &Response,
    effort: &Effort,
) -> Result<Assertion, Error> {
    let conditions = rules.conditions(&place(name), Mode::Text)?;
    let named = response
        .headers
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let values: Vec<_> = named.map(|(_, value)| Sent(value)).collect();
    let label = format!("header {}", name.to_ascii_lowercase());
    Ok(match judge_values(&rules.extra, &conditions, &values, effort) {
        Ok(message) => Assertion::new(label, true, message),
        Err(complaint) => complaint.assertion(label),
    })
}

/// What was seen, as `Ok` when it is as it should be.
fn judge_values(
    presence: &Presence,
    conditions: &[Condition<'_, String>],
    values: &[Sent<'_>],
    effort: &Effort,
) -> Result<String, Complaint> {
    let Some(first) = values.first() else {
        let may_be_absent = presence.absent == Some(true) || presence.optional && presence.absent.is_none();
        return match may_be_absent {
            true => Ok("absent".to_owned()),
            false => Err(Complaint::seen("absent")),
        };
    };
    if presence.absent == Some(true) {
        return Err(Complaint::seen(format!("is there: {}", first.shown())));
    }
    let (negative, positive): (Vec<_>, Vec<_>) =
        conditions.iter().partition(|condition| condition.is_negative());
    let complaint = |value: &Sent<'_>, conditions: &[&Condition<'_, String>]| {
        conditions
            .iter()
            .find_map(|condition| condition.complaint(value, effort))
    };
    if let Some(reason) = values.iter().find_map(|value| complaint(value, &negative)) {
        return Err(reason);
    }
    let mut worst: Option<Complaint> = None;
    for value in values {
        match complaint(value, &positive) {
            None => return Ok(value.shown()),
            // One that cannot be known could be the good one.
            Some(complaint) if worst.is_none() || complaint.is_unknown => worst = Some(complaint),
            Some(_) => {}
        }
    }
    Err(worst.unwrap_or_else(|| Complaint::seen("absent")))
}
