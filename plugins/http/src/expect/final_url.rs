//! The URL at which the redirects ended.

mod wire;

use std::ops::RangeInclusive;

use canary_sdk::http::Request;
use canary_sdk::{Assertion, Error, Problems};

use super::pattern::{Budget, Mode, Pattern};
use super::rule::{Condition, NoExtra, Rule, Subject};
use super::unmet_reason::UnmetReason;
use crate::effort::Effort;
use crate::mismatch::Mismatch;
use wire::OnWire;

const NAME: &str = "final_url";
/// The location of the rules in the configuration.
pub(super) const LOCATION: &str = "expect.final_url";

/// No URL is shorter.
const SHORTEST: &str = "http://a/";
/// Characters that are escaped in every part of a URL, or end it: control characters, spaces, quotation marks, angle
/// brackets, and all beyond ASCII.
const NEVER_IN_URL: [RangeInclusive<char>; 5] =
    ['\0'..=' ', '"'..='"', '<'..='<', '>'..='>', '\u{7f}'..=char::MAX];

/// What the URL must be, with its query and without its fragment.
pub(super) type Rules = Rule<String, NoExtra>;

/// Reports a URL that no response can come from, and rules that none can meet.
pub(super) fn check(rules: &Rules, budget: &Budget, problems: &mut Problems) {
    // Texts and patterns are searched in the URL as it is sent, whose escapes may use other case than the suite's.
    let mismatch = |url: &String, condition: &Condition<'_, String>| {
        let is_open = url.contains('%') && condition.looks_into_text();
        held_against(url, condition).filter(|_| !is_open)
    };
    rules.check(Mode::Text, budget, mismatch, problems);
    rules.check_lengths(None, problems);
    rules.check_kind("a URL", problems);
    if rules.is_empty() {
        problems.report_with(
            "nothing is expected of the URL",
            "add a rule, or leave `final_url` out",
        );
    }
    rules.each_value(problems, |url, problems| {
        let invalid = Request::get(url).check().into_iter();
        for invalid in invalid.filter(|invalid| invalid.field == "url") {
            problems.report(invalid.message);
        }
    });
    rules.each_search_text(problems, check_escaped);
    rules.each_pattern(problems, check_pattern);
    rules.check_shortest(SHORTEST.len(), "a URL", problems);
}

/// Reports a character that is always escaped in a URL.
fn check_escaped(text: &str, problems: &mut Problems) {
    let is_escaped = |character: &char| NEVER_IN_URL.iter().any(|range| range.contains(character));
    match text.chars().find(is_escaped) {
        None => {}
        Some(character) if character.is_ascii() => problems.report_with(
            format_args!("a URL cannot contain `{}`", character.escape_debug()),
            format_args!("write it as it is sent: `{}`", wire::escaped(character)),
        ),
        Some(character) => problems.report_with(
            format_args!("a URL is ASCII and cannot contain `{character}`"),
            format_args!(
                "write it as it is sent: `{}` in a path or a query, `xn--…` in a host",
                wire::escaped(character)
            ),
        ),
    }
}

fn check_pattern(pattern: &Pattern, problems: &mut Problems) {
    if pattern.needs_any(Mode::Text, &NEVER_IN_URL) {
        problems.report_with(
            "a URL cannot contain a character that this pattern needs",
            "write it as it is sent: `%20` for a space, `xn--…` in a host",
        );
    }
}

/// Reports rules that the URL of a request without redirects does not meet: it is the final one.
pub(super) fn check_only(url: &str, rules: &Rules, budget: &Budget, problems: &mut Problems) {
    let unmet = UnmetReason {
        reason: "the target's own URL does not meet it, and no redirect is followed".to_owned(),
        hint: "let `follow_redirects` be true, or leave this out",
    };
    rules.report_unmet(
        &url.to_owned(),
        |url, condition| held_against(url, condition),
        (Mode::Text, budget),
        &unmet,
        problems,
    );
}

fn held_against(url: &str, condition: &Condition<'_, String>) -> Option<String> {
    let mismatch = condition.mismatch(&OnWire::new(url), &Effort::unbounded());
    mismatch.map(|mismatch| mismatch.message)
}

/// Evaluates the URL against the rules.
///
/// # Errors
/// A pattern does not compile.
pub(super) fn evaluate(rules: &Rules, url: &str, effort: &Effort) -> Result<Assertion, Error> {
    let url = OnWire::new(url);
    let conditions = rules.conditions(LOCATION, Mode::Text)?;
    let mismatch = conditions
        .iter()
        .find_map(|condition| mismatch(&url, condition, effort));
    Ok(match mismatch {
        Some(mismatch) => mismatch.assertion(NAME),
        None => Assertion::new(NAME, true, url.quoted()),
    })
}

/// The mismatch, without the query of the expected URL.
fn mismatch(url: &OnWire, condition: &Condition<'_, String>, effort: &Effort) -> Option<Mismatch> {
    let mismatch = condition.mismatch(url, effort)?;
    let expected = match condition {
        Condition::Equals(expected) if !mismatch.is_unknown => OnWire::new(expected),
        _ => return Some(mismatch),
    };
    let (shown, expected) = (url.canonical(), expected.canonical());
    Some(Mismatch::new(if shown == expected {
        format!("{shown} has another query")
    } else {
        format!("{shown} is not {expected}")
    }))
}
