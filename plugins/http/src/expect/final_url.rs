//! Where the redirects ended.

use canary_sdk::http::Request;
use canary_sdk::{Assertion, Error, Problems};

use super::pattern::{Budget, Mode};
use super::rule::{Condition, NoExtra, Rule, Subject};
use crate::effort::{Effort, TooCostly};
use crate::text::{public_url, quote};

const NAME: &str = "final_url";
/// Where the rules stand in the configuration.
pub(super) const PLACE: &str = "expect.final_url";
/// Units to bring a URL into the form that it has on the wire, besides its bytes.
const PER_URL: usize = 500;
/// Units for one byte of it.
const PER_BYTE: usize = 10;

/// What the URL must be, its query included and its fragment left out.
pub(super) type Rules = Rule<String, NoExtra>;

/// A URL in the form that it has on the wire.
struct OnWire(String);

impl OnWire {
    fn of(url: &str) -> Self {
        Self(normal(url))
    }
}

impl Subject<String> for OnWire {
    fn is(&self, expected: &String, effort: &Effort) -> Result<bool, TooCostly> {
        effort.take(PER_URL + expected.len() * PER_BYTE)?;
        Ok(self.0 == normal(expected))
    }

    fn text(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Without the query, which often holds a token.
    fn shown(&self) -> String {
        quote(public_url(&self.0).as_bytes())
    }
}

/// Scheme and host in lower case, without a default port and a fragment, and with a path.
fn normal(url: &str) -> String {
    let url = url.trim();
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "http" => ":80",
        _ => ":443",
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{authority}{slash}{}", path.replace(' ', "%20"))
}

/// Reports a URL that no answer can come from, and patterns that do not compile.
pub(super) fn check(rules: &Rules, budget: &Budget, problems: &mut Problems) {
    rules.check(Mode::Text, budget, problems);
    let invalid = rules.equals().map(|url| Request::get(url).check());
    let invalid = invalid.into_iter().flatten();
    for invalid in invalid.filter(|invalid| invalid.field == "url") {
        problems.at("equals", |problems| problems.report(invalid.message));
    }
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
        Some(reason) if effort.is_used_up() => Assertion::unknown(NAME, reason),
        Some(reason) => Assertion::new(NAME, false, reason),
        None => Assertion::new(NAME, true, url.shown()),
    })
}

/// What is wrong, without the query of what is expected.
fn complaint(url: &OnWire, condition: &Condition<'_, String>, effort: &Effort) -> Option<String> {
    let reason = condition.complaint(url, effort)?;
    let Condition::Equals(expected) = condition else {
        return Some(reason);
    };
    let (shown, expected) = (url.shown(), OnWire::of(expected).shown());
    Some(match shown == expected {
        true => format!("{shown} has another query"),
        false => format!("{shown} is not {expected}"),
    })
}
