//! How long the certificate is still valid.

use canary_sdk::http::Response;
use canary_sdk::{Assertion, Duration, Status, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

const NAME: &str = "certificate";

/// How long the server's certificate must still be valid. One that has expired or is not yet
/// valid is a failure in any case.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "CertificateLimits")]
pub(super) struct Limits {
    /// Less than this left is a warning.
    warn_within: Option<Duration>,
    /// Less than this left is a failure.
    fail_within: Option<Duration>,
}

/// Compares what is left with the limits.
pub(super) fn judge(limits: &Limits, response: &Response, now: Timestamp) -> Assertion {
    let Some(leaf) = response.tls.as_ref().and_then(|tls| tls.leaf()) else {
        return Assertion::new(NAME, false, "the answer did not come over TLS");
    };
    let (left, expires) = (leaf.not_after.seconds_since(now), leaf.not_after);
    let shown = Duration::from_secs(left.unsigned_abs());
    let begins_in = leaf.not_before.seconds_since(now);
    if begins_in > 0 {
        let begins_in = Duration::from_secs(begins_in.unsigned_abs());
        let begins = leaf.not_before;
        return Assertion::new(NAME, false, format!("valid only in {begins_in}, from {begins}"));
    }
    if left <= 0 {
        return Assertion::new(NAME, false, format!("expired {shown} ago, on {expires}"));
    }
    let is_within = |limit: &Duration| shown < *limit;
    let fail = limits
        .fail_within
        .filter(is_within)
        .map(|limit| (Status::Fail, limit));
    let warn = limits
        .warn_within
        .filter(is_within)
        .map(|limit| (Status::Warn, limit));
    match fail.or(warn) {
        Some((status, limit)) => Assertion::new(
            NAME,
            status,
            format!("expires in {shown}, within {limit}, on {expires}"),
        ),
        None => Assertion::new(NAME, true, format!("expires in {shown}, on {expires}")),
    }
}
