//! How long the certificate is still valid.

use canary_sdk::http::Response;
use canary_sdk::{Assertion, Duration, Status, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

const NAME: &str = "certificate";

/// How long the server's certificate must still be valid. One that has expired is a failure in any case.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
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
    let left = leaf.not_after.seconds_since(now);
    let expires = leaf.not_after;
    let days = left.unsigned_abs() / 86_400;
    if left <= 0 {
        return Assertion::new(NAME, false, format!("expired {days} days ago, on {expires}"));
    }
    let is_within = |limit: &Duration| left.unsigned_abs() < limit.get().as_secs();
    let (status, limit) = match (
        limits.fail_within.filter(is_within),
        limits.warn_within.filter(is_within),
    ) {
        (Some(limit), _) => (Status::Fail, limit),
        (None, Some(limit)) => (Status::Warn, limit),
        (None, None) => {
            return Assertion::new(NAME, true, format!("expires in {days} days, on {expires}"));
        }
    };
    Assertion::new(
        NAME,
        status,
        format!("expires in {days} days, within {limit}, on {expires}"),
    )
}
