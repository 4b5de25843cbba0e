//! Where the redirects ended.

mod wire;

use canary_sdk::http::Request;
use canary_sdk::{Assertion, Error, Problems};

use super::lack::Lack;
use super::pattern::{Budget, Mode};
use super::rule::{Condition, NoExtra, Rule, Subject};
use crate::complaint::Complaint;
use crate::effort::Effort;
use wire::OnWire;

const NAME: &str = "final_url";
/// Where the rules stand in the configuration.
pub(super) const PLACE: &str = "expect.final_url";

/// What the URL must be, its query included and its fragment left out.
pub(super) type Rules = Rule<String, NoExtra>;

/// Reports a URL that no answer can come from, and rules that none can meet.
pub(super) fn check(rules: &Rules, budget: &Budget, problems: &mut Problems) {
    // Texts and patterns look into the URL as it is sent, whose escapes may have other letters than the suite's.
    let complaint = |url: &String, condition: &Condition<'_, String>| {
        let is_open = url.contains('%') && condition.looks_into_text();
        held_against(url, condition).filter(|_| !is_open)
    };
    rules.check(Mode::Text, budget, complaint, problems);
    rules.check_kind("a URL", problems);
    rules.each_value(problems, |url, problems| {
        let invalid = Request::get(url).check().into_iter();
        for invalid in invalid.filter(|invalid| invalid.field == "url") {
            problems.report(invalid.message);
        }
    });
    rules.each_looked_for(problems, check_ascii);
}

fn check_ascii(text: &str, problems: &mut Problems) {
    if let Some(character) = text.chars().find(|character| !character.is_ascii()) {
        problems.report_with(
            format_args!("a URL is sent in ASCII, so `{character}` is in none"),
            format_args!(
                "write it as it is sent: `{}` in a path or a query, `xn--…` in a host",
                wire::escaped(character)
            ),
        );
    }
}

/// Reports rules that the URL of a request does not meet which follows no redirects: it is the one that answers.
pub(super) fn check_only(url: &str, rules: &Rules, budget: &Budget, problems: &mut Problems) {
    let lack = Lack {
        reason: "the target's own URL does not meet it, and no redirect is followed".to_owned(),
        hint: "let `follow_redirects` be true, or leave this out",
    };
    rules.report_unmet(
        &url.to_owned(),
        |url, condition| held_against(url, condition),
        (Mode::Text, budget),
        &lack,
        problems,
    );
}

fn held_against(url: &str, condition: &Condition<'_, String>) -> Option<String> {
    let complaint = condition.complaint(&OnWire::of(url), &Effort::unbounded());
    complaint.map(|complaint| complaint.message)
}

/// Whether the URL is as the rules want it.
///
/// # Errors
/// A pattern does not compile.
pub(super) fn judge(rules: &Rules, url: &str, effort: &Effort) -> Result<Assertion, Error> {
    let url = OnWire::of(url);
    let conditions = rules.conditions(PLACE, Mode::Text)?;
    let complaint = conditions
        .iter()
        .find_map(|condition| complaint(&url, condition, effort));
    Ok(match complaint {
        Some(complaint) => complaint.assertion(NAME),
        None => Assertion::new(NAME, true, url.shown()),
    })
}

/// What is wrong, without the query of what is expected.
fn complaint(url: &OnWire, condition: &Condition<'_, String>, effort: &Effort) -> Option<Complaint> {
    let complaint = condition.complaint(url, effort)?;
    let expected = match condition {
        Condition::Equals(expected) if !complaint.is_unknown => OnWire::of(expected),
        _ => return Some(complaint),
    };
    let (shown, expected) = (url.alike(), expected.alike());
    Some(Complaint::seen(match shown == expected {
        true => format!("{shown} has another query"),
        false => format!("{shown} is not {expected}"),
    }))
}
