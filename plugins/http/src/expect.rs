//! What is expected of the answer. Each expectation becomes an assertion of its own.

mod body;
mod certificate;
mod decimal;
mod final_url;
mod find;
mod header;
mod json;
mod lack;
mod latency;
mod order;
mod pattern;
mod rule;
mod status;

use std::collections::BTreeMap;

use canary_sdk::http::{Response, Version};
use canary_sdk::tcp::IpFamily;
use canary_sdk::{Assertion, Error, Networks, Problems, Timestamp, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use status::reason_phrase;

use crate::body::Unreadable;
use crate::config::OneOrMany;
use crate::effort::Effort;
use crate::memory::Memory;
use crate::text;
use lack::Lack;
use pattern::Mode;

/// Body that is kept when an expectation looks into it: 1 MiB, or `max_size` when that is more.
pub(crate) const KEPT_BODY: u32 = 1 << 20;
/// Most that is kept: it has to fit the memory of a run, next to what is made of it.
const MOST_KEPT_BODY: u64 = 8 << 20;

/// What is expected of the answer.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    /// Statuses and ranges of them, such as `[200, 301-302]`; default: `200-299`.
    status: Option<OneOrMany<status::Range>>,
    /// Header name to its value, or to an object of rules.
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
    /// How long it may take, redirects included.
    latency: Option<latency::Limits>,
    /// How long the certificate must still be valid.
    certificate: Option<certificate::Limits>,
    /// The version of HTTP that was spoken, or a list of those that may be.
    version: Option<OneOrMany<Version>>,
    /// The URL that answered after all redirects, or an object of rules.
    final_url: Option<final_url::Rules>,
    /// Addresses and networks that the address that answered must be one of.
    peer_address: Option<Networks>,
}

impl Expect {
    /// Reports every expectation that cannot be judged, or that no answer to this method can meet.
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
        if let Some(lack) = self.lack_of_body(method) {
            self.check_without_body(&lack, patterns, problems);
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

    /// Reports addresses of which the request tries none.
    pub(crate) fn check_addresses(&self, tried: IpFamily, problems: &mut Problems) {
        if let Some(networks) = &self.peer_address {
            problems.at("peer_address", |problems| networks.check(tried, problems));
        }
    }

    /// Reports versions of which no answer to the request can be. Over HTTP/1, whatever was asked, a server names its own
    /// (RFC 9110, section 6.2).
    pub(crate) fn check_versions(&self, spoken: &[Version], problems: &mut Problems) {
        let Some(versions) = self.version.as_ref().filter(|_| !spoken.is_empty()) else {
            return;
        };
        let is_http2 = |version: &Version| *version == Version::Http2;
        let may_be = |wanted: &Version| spoken.iter().any(|spoken| is_http2(spoken) == is_http2(wanted));
        if !versions.as_slice().iter().any(may_be) {
            let spoken: Vec<_> = spoken.iter().map(|version| format!("`{version}`")).collect();
            problems.at("version", |problems| {
                problems.report_with(
                    format_args!("what is spoken is {}", spoken.join(" or ")),
                    "the `version` of the request says what may be spoken",
                );
            });
        }
    }

    /// Reports what the target cannot meet where no redirect leads elsewhere.
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
        let versions = self.version.as_ref().filter(|_| !is_secure);
        if versions.is_some_and(|versions| !versions.as_slice().contains(&in_plain)) {
            problems.at("version", |problems| {
                problems.report(format_args!("what is spoken without TLS is `{in_plain}`"));
            });
        }
    }

    /// Why the answers to a method that are as expected have no body.
    fn lack_of_body(&self, method: &str) -> Option<Lack> {
        let statuses = self.status.as_ref().map(OneOrMany::as_slice);
        let may_have = self.body.as_ref().and_then(|body| body.max_size());
        Lack::of_body(method, statuses).or_else(|| (may_have == Some(0)).then(Lack::of_room))
    }

    /// Reports what needs a body where there is none.
    fn check_without_body(&self, lack: &Lack, patterns: &pattern::Budget, problems: &mut Problems) {
        if let Some(rules) = &self.body {
            problems.at("body", |problems| {
                body::check_without(rules, patterns, lack, problems);
            });
        }
        problems.at("json", |problems| {
            for path in self.json.keys() {
                problems.at(path, |problems| lack.report(problems));
            }
        });
    }

    /// Compiles all patterns, which stay so for every answer of the run. Says what is left of the memory beside them.
    ///
    /// # Errors
    /// One does not compile.
    pub(crate) fn compile(&self, memory: Memory) -> Result<Memory, Error> {
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
            taken += rules.compile(&header::place(name), Mode::Text, many)?;
        }
        for (path, rules) in &self.json {
            taken += rules.compile(&json::place(path), Mode::Text, many)?;
        }
        for rules in url {
            taken += rules.compile(final_url::PLACE, Mode::Text, many)?;
        }
        for rules in body {
            taken += rules.compile(body::PLACE, rules.mode(), many)?;
        }
        Ok(memory.without(taken).sparing(pattern::SEARCH))
    }

    /// Bytes of body to keep in order to judge it; 0 when nothing is expected of it.
    pub(crate) fn body_kept(&self) -> u32 {
        let max_size = self.body.as_ref().and_then(|body| body.max_size());
        let looks_inside = !self.json.is_empty() || self.body.as_ref().is_some_and(|body| !body.is_empty());
        let wanted = match (looks_inside, max_size) {
            (false, None) => 0,
            // Even an empty body has to be read to be seen.
            (false, Some(max)) => max.max(1),
            (true, max) => {
                // One byte more shows that the body is longer.
                let compared = self.body.as_ref().map_or(0, |body| body.longest_text() + 1);
                let compared = u64::try_from(compared).unwrap_or(u64::MAX);
                max.unwrap_or(0).max(KEPT_BODY.into()).max(compared)
            }
        };
        u32::try_from(wanted.min(MOST_KEPT_BODY)).unwrap_or(u32::MAX)
    }
}

/// How an answer is read.
pub(crate) struct Reading<'r> {
    pub(crate) is_decompressed: bool,
    /// Why nobody can look into the body.
    pub(crate) unreadable: Option<Unreadable>,
    /// Who may have answered in place of the target: a proxy that forwards requests.
    pub(crate) forwarder: Option<&'static str>,
    /// For all that is expected.
    pub(crate) effort: &'r Effort,
    /// For the answer and what is made of it, besides what the patterns take.
    pub(crate) memory: Memory,
}

/// Judges the answer, one assertion an expectation.
///
/// # Errors
/// A pattern or a path of the configuration does not compile.
pub(crate) fn judge(
    expect: &Expect,
    response: &Response,
    reading: &Reading<'_>,
    now: Timestamp,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let accepted = expect
        .status
        .as_ref()
        .map_or(status::DEFAULT, OneOrMany::as_slice);
    verdict.extend([status::judge(accepted, response.status, reading.forwarder)]);
    if let Some(versions) = &expect.version {
        verdict.extend([status::judge_version(versions.as_slice(), response.version)]);
    }
    if let Some(networks) = &expect.peer_address {
        verdict.extend([networks.judge(&response.peer)]);
    }
    if let Some(rules) = &expect.final_url {
        verdict.extend([final_url::judge(rules, &response.url, reading.effort)?]);
    }
    for (name, rules) in &expect.headers {
        verdict.extend([header::judge(name, rules, response, reading.effort)?]);
    }
    judge_body(expect, response, reading, verdict)?;
    if let Some(limits) = &expect.latency {
        verdict.extend(latency::judge(limits, crate::report::total(response)));
    }
    if let Some(limits) = &expect.certificate {
        verdict.extend([certificate::judge(limits, response, now)]);
    }
    Ok(())
}

fn judge_body(
    expect: &Expect,
    response: &Response,
    reading: &Reading<'_>,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    if let Some(reason) = &reading.unreadable {
        verdict.extend([match reason.is_own() {
            true => Assertion::unknown("body", reason.to_string()),
            false => Assertion::new("body", false, reason.to_string()),
        }]);
        return Ok(());
    }
    if let Some(rules) = &expect.body {
        body::judge(rules, response, reading, verdict)?;
    }
    match expect.json.is_empty() {
        true => Ok(()),
        false => json::judge(&expect.json, response, reading, verdict),
    }
}

#[cfg(test)]
mod tests;
