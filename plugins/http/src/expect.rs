//! The expectations of a response. Each one becomes an assertion of its own.

mod body;
mod certificate;
mod decimal;
mod final_url;
mod find;
mod header;
mod json;
mod latency;
mod order;
mod pattern;
mod rule;
mod status;
mod unmet_reason;

use std::collections::BTreeMap;

use canary_sdk::http::{Response, Version};
use canary_sdk::tcp::IpFamily;
use canary_sdk::{Assertion, Error, Networks, Problems, Timestamp, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use status::reason_phrase;

use crate::body::DecompressError;
use crate::effort::Effort;
use crate::memory::MemoryBudget;
use crate::one_or_many::OneOrMany;
use crate::text;
use crate::timing;
use pattern::Mode;
use unmet_reason::UnmetReason;

/// Bytes of body that are retained if an expectation looks into it: 1 MiB, or `max_size` if that is more.
pub(crate) const RETAINED_BODY: u32 = 1 << 20;
/// Maximum bytes of body that are retained: they have to fit the memory of a run, together with what is built from
/// them.
const MAX_RETAINED_BODY: u64 = 8 << 20;

/// Expectations of the response.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    /// Accepted statuses and ranges, such as `[200, 301-302]`; default: `200-299`.
    status: Option<OneOrMany<status::Range>>,
    /// Header name to its value, or to an object of rules.
    #[schemars(extend("x-canary-ignore-case" = true))]
    headers: BTreeMap<String, header::Rules>,
    /// The whole body, or an object of rules.
    body: Option<body::Rules>,
    /// JSONPath (RFC 9535) to a value, or to an object of rules.
    #[schemars(extend("propertyNames" = {
        "pattern": r"^\$",
        "patternErrorMessage": "a JSONPath (such as `$.status`)",
        "format": "json-path"
    }))]
    json: BTreeMap<String, json::Rules>,
    /// Limits of the total time, redirects included.
    latency: Option<latency::Limits>,
    /// How long the certificate must still be valid.
    certificate: Option<certificate::Limits>,
    /// The HTTP version of the response, or a list of accepted versions.
    version: Option<OneOrMany<Version>>,
    /// The URL that answered after all redirects, or an object of rules.
    final_url: Option<final_url::Rules>,
    /// Addresses and networks, one of which must contain the address that answered.
    peer_address: Option<Networks>,
}

impl Expect {
    /// Reports every expectation that cannot be evaluated, or that no response to this method can meet.
    pub(crate) fn check(&self, method: &str, problems: &mut Problems) {
        let patterns = &pattern::Budget::default();
        if let Some(ranges) = &self.status {
            let all = ranges.as_slice().iter().all(status::Range::is_before_answer);
            problems.at("status", |problems| {
                ranges.check(problems, |range, problems| range.check(all, problems));
            });
        }
        for (name, rules) in &self.headers {
            problems.at("headers", |problems| {
                problems.at(name, |problems| header::check(name, rules, patterns, problems));
            });
        }
        if let Some(rules) = &self.body {
            problems.at("body", |problems| body::check(rules, patterns, problems));
        }
        for (path, rules) in &self.json {
            problems.at("json", |problems| {
                problems.at(path, |problems| json::check(path, rules, patterns, problems));
            });
        }
        if let Some(unmet) = self.missing_body(method) {
            self.check_without_body(&unmet, patterns, problems);
        }
        if let Some(limits) = &self.latency {
            problems.at("latency", |problems| limits.check(problems));
        }
        if let Some(limits) = &self.certificate {
            problems.at("certificate", |problems| limits.check(problems));
        }
        if let Some(rules) = &self.final_url {
            problems.at("final_url", |problems| {
                final_url::check(rules, patterns, problems)
            });
        }
    }

    /// Reports expected addresses none of which the request tries.
    pub(crate) fn check_addresses(&self, tried: IpFamily, problems: &mut Problems) {
        if let Some(networks) = &self.peer_address {
            problems.at("peer_address", |problems| networks.check(tried, problems));
        }
    }

    /// Reports expected addresses of which the host that answers, an address itself, is none.
    pub(crate) fn check_address(&self, host: &str, problems: &mut Problems) {
        let networks = self.peer_address.as_ref();
        if let Some(reason) = networks.and_then(|networks| networks.refuses(host)) {
            problems.at("peer_address", |problems| problems.report(reason));
        }
    }

    /// Reports expected versions that no response to the request can have.
    pub(crate) fn check_versions(&self, spoken: &[Version], problems: &mut Problems) {
        if !spoken.is_empty() && self.excludes_version(spoken) {
            let spoken: Vec<_> = spoken.iter().map(|version| format!("`{version}`")).collect();
            problems.at("version", |problems| {
                problems.report_with(
                    format_args!("the request uses {}", spoken.join(" or ")),
                    "see the `version` of the request",
                );
            });
        }
    }

    /// Whether no response to a request of these versions has an expected one. Over HTTP/1 a server names its own
    /// version, whatever was requested (RFC 9110, section 6.2).
    fn excludes_version(&self, spoken: &[Version]) -> bool {
        let is_http2 = |version: &Version| *version == Version::Http2;
        let may_be = |wanted: &Version| spoken.iter().any(|spoken| is_http2(spoken) == is_http2(wanted));
        let versions = self.version.as_ref();
        versions.is_some_and(|versions| !versions.as_slice().iter().any(may_be))
    }

    /// Reports what the target cannot meet if no redirects are followed.
    pub(crate) fn check_without_redirects(&self, target: &str, spoken: &[Version], problems: &mut Problems) {
        let patterns = &pattern::Budget::default();
        if let Some(rules) = &self.final_url {
            problems.at("final_url", |problems| {
                final_url::check_only(target, rules, patterns, problems);
            });
        }
        let is_secure = text::scheme(target).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        if self.certificate.is_some() && !is_secure {
            problems.at("certificate", |problems| {
                problems.report("the target is not `https`, and no redirect is followed");
            });
        }
        let in_plain = match spoken.first() {
            Some(first) if !spoken.contains(&Version::Http11) => *first,
            _ => Version::Http11,
        };
        if !is_secure && self.excludes_version(&[in_plain]) {
            problems.at("version", |problems| {
                problems.report(format_args!("without TLS, the request uses `{in_plain}`"));
            });
        }
    }

    /// Why the expected responses to a method have no body.
    fn missing_body(&self, method: &str) -> Option<UnmetReason> {
        let statuses = self.status.as_ref().map(OneOrMany::as_slice);
        let may_have = self.body.as_ref().and_then(|body| body.max_size());
        UnmetReason::no_body_for_method(method, statuses)
            .or_else(|| (may_have == Some(0)).then(UnmetReason::no_body_for_zero_size))
    }

    /// Reports rules that need a body if there is none.
    fn check_without_body(&self, unmet: &UnmetReason, patterns: &pattern::Budget, problems: &mut Problems) {
        if let Some(rules) = &self.body {
            problems.at("body", |problems| {
                body::check_without(rules, patterns, unmet, problems);
            });
        }
        problems.at("json", |problems| {
            for path in self.json.keys() {
                problems.at(path, |problems| unmet.report(problems));
            }
        });
    }

    /// Compiles all patterns for all responses of the run, and returns the memory that is left besides them.
    ///
    /// # Errors
    /// A pattern does not compile.
    pub(crate) fn compile(&self, memory: MemoryBudget) -> Result<MemoryBudget, Error> {
        let (url, body) = (self.final_url.iter(), self.body.iter());
        let patterns = (self.headers.values().map(header::Rules::patterns))
            .chain(self.json.values().map(json::Rules::patterns))
            .chain(url.clone().map(final_url::Rules::patterns))
            .chain(body.clone().map(body::Rules::patterns));
        let many: usize = patterns.sum();
        if many == 0 {
            return Ok(memory);
        }
        let mut taken = 0;
        for (name, rules) in &self.headers {
            taken += rules.compile(&header::location(name), Mode::Text, many)?;
        }
        for (path, rules) in &self.json {
            taken += rules.compile(&json::location(path), Mode::Text, many)?;
        }
        for rules in url {
            taken += rules.compile(final_url::LOCATION, Mode::Text, many)?;
        }
        for rules in body {
            taken += rules.compile(body::LOCATION, rules.mode(), many)?;
        }
        Ok(memory.without(taken).reserving(pattern::SEARCH))
    }

    /// Bytes of body to retain for evaluation; 0 if nothing is expected of the body.
    pub(crate) fn retained_body(&self) -> u32 {
        let max_size = self.body.as_ref().and_then(|body| body.max_size());
        let looks_inside = !self.json.is_empty() || self.body.as_ref().is_some_and(|body| !body.is_empty());
        let wanted = match (looks_inside, max_size) {
            (false, None) => 0,
            // Even an empty body has to be read to know that it is empty.
            (false, Some(max)) => max.max(1),
            (true, max) => {
                // One more byte shows that the body is longer.
                let compared = self.body.as_ref().map_or(0, |body| body.longest_text() + 1);
                let compared = u64::try_from(compared).unwrap_or(u64::MAX);
                max.unwrap_or(0).max(RETAINED_BODY.into()).max(compared)
            }
        };
        u32::try_from(wanted.min(MAX_RETAINED_BODY)).unwrap_or(u32::MAX)
    }
}

/// The context in which a response is evaluated.
pub(crate) struct EvaluationContext<'r> {
    pub(crate) is_decompressed: bool,
    /// Why the body cannot be decompressed.
    pub(crate) unreadable: Option<DecompressError>,
    /// A forwarding proxy that may have answered instead of the target.
    pub(crate) forwarder: Option<&'static str>,
    /// Why credentials for digest authentication led to a 401.
    pub(crate) authentication_error: Option<String>,
    /// The budget for all expectations.
    pub(crate) effort: &'r Effort,
    /// The memory for the response and what is built from it, besides that of the patterns.
    pub(crate) memory: MemoryBudget,
}

/// Evaluates a response, one assertion per expectation.
///
/// # Errors
/// A pattern or a path of the configuration does not compile.
pub(crate) fn evaluate(
    expect: &Expect,
    response: &Response,
    context: &EvaluationContext<'_>,
    now: Timestamp,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let accepted = expect
        .status
        .as_ref()
        .map_or(status::DEFAULT, OneOrMany::as_slice);
    let unauthenticated = context.authentication_error.as_deref();
    verdict.extend([status::evaluate(
        accepted,
        response.status,
        context.forwarder,
        unauthenticated,
    )]);
    if let Some(versions) = &expect.version {
        verdict.extend([status::evaluate_version(versions.as_slice(), response.version)]);
    }
    if let Some(networks) = &expect.peer_address {
        verdict.extend([networks.judge(&response.peer)]);
    }
    if let Some(rules) = &expect.final_url {
        verdict.extend([final_url::evaluate(rules, &response.url, context.effort)?]);
    }
    for (name, rules) in &expect.headers {
        verdict.extend([header::evaluate(name, rules, response, context.effort)?]);
    }
    evaluate_body(expect, response, context, verdict)?;
    if let Some(limits) = &expect.latency {
        verdict.extend(latency::evaluate(limits, timing::total(response)));
    }
    if let Some(limits) = &expect.certificate {
        verdict.extend([certificate::evaluate(limits, response, now)]);
    }
    Ok(())
}

fn evaluate_body(
    expect: &Expect,
    response: &Response,
    context: &EvaluationContext<'_>,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    if let Some(reason) = &context.unreadable {
        verdict.extend([if reason.is_own() {
            Assertion::unknown("body", reason.to_string())
        } else {
            Assertion::new("body", false, reason.to_string())
        }]);
        return Ok(());
    }
    if let Some(rules) = &expect.body {
        body::evaluate(rules, response, context, verdict)?;
    }
    if expect.json.is_empty() {
        Ok(())
    } else {
        json::evaluate(&expect.json, response, context, verdict)
    }
}

#[cfg(test)]
mod tests;
