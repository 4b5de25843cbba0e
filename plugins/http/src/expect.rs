//! What is expected of the answer. Each expectation becomes an assertion of its own.

mod body;
mod certificate;
mod final_url;
mod header;
mod json;
mod latency;
mod pattern;
mod rule;
mod status;

use std::collections::BTreeMap;

use canary_sdk::http::{Response, Version};
use canary_sdk::{Error, Timestamp, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use status::reason_phrase;

use crate::config::OneOrMany;
use rule::Rule;

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
    /// Header name to its value, or to an object of `equals`, `matches`, `contains` and `absent`.
    headers: BTreeMap<String, Rule<header::Rules>>,
    /// What the body must and must not hold.
    body: Option<body::Rules>,
    /// JSONPath (RFC 9535) to a value, or to an object of `equals`, `matches` and `exists`.
    #[schemars(extend("propertyNames" = { "pattern": r"^\$", "format": "json-path" }))]
    json: BTreeMap<String, Rule<json::Rules>>,
    /// How long it may take, redirects included.
    latency: Option<latency::Limits>,
    /// How long the certificate must still be valid.
    certificate: Option<certificate::Limits>,
    /// The version of HTTP that was spoken.
    version: Option<Version>,
    /// The URL that answered after all redirects: a URL, or an object of `equals` and `matches`.
    final_url: Option<Rule<final_url::Rules>>,
}

impl Expect {
    /// Bytes of body to keep in order to judge it; 0 when nothing is expected of it.
    pub(crate) fn body_kept(&self) -> u32 {
        let max_size = self.body.as_ref().and_then(|body| body.max_size());
        let looks_inside =
            !self.json.is_empty() || self.body.as_ref().is_some_and(|body| body.looks_inside());
        let wanted = match (looks_inside, max_size) {
            (false, None) => 0,
            // Even an empty body has to be read to be seen.
            (false, Some(max)) => max.max(1),
            (true, max) => max.unwrap_or(0).max(KEPT_BODY.into()),
        };
        u32::try_from(wanted.min(MOST_KEPT_BODY)).unwrap_or(u32::MAX)
    }
}

/// Judges the answer, one assertion an expectation.
///
/// # Errors
/// A pattern or a path of the configuration does not compile.
pub(crate) fn judge(
    expect: &Expect,
    response: &Response,
    is_decompressed: bool,
    now: Timestamp,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let accepted = expect
        .status
        .as_ref()
        .map_or(status::DEFAULT, OneOrMany::as_slice);
    verdict.extend([status::judge(accepted, response.status)]);
    if let Some(version) = expect.version {
        verdict.extend([status::judge_version(version, response.version)]);
    }
    if let Some(Rule(rules)) = &expect.final_url {
        verdict.extend([final_url::judge(rules, &response.url)?]);
    }
    for (name, Rule(rules)) in &expect.headers {
        verdict.extend([header::judge(name, rules, response)?]);
    }
    if let Some(rules) = &expect.body {
        body::judge(rules, response, is_decompressed, verdict)?;
    }
    if !expect.json.is_empty() {
        json::judge(&expect.json, response, is_decompressed, verdict)?;
    }
    if let Some(limits) = &expect.latency {
        verdict.extend(latency::judge(limits, crate::report::total(response)));
    }
    if let Some(limits) = &expect.certificate {
        verdict.extend([certificate::judge(limits, response, now)]);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
