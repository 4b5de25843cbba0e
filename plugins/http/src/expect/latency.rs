//! How long the exchange took.

use std::time::Duration as Time;

use canary_sdk::{Assertion, Duration, Status};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::text;

/// How long it may take, from the first look-up to the last byte that was read.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "LatencyLimits")]
pub(super) struct Limits {
    /// Longer than this is a warning.
    warn: Option<Duration>,
    /// Longer than this is a failure.
    fail: Option<Duration>,
}

/// Compares with the limits; nothing when there are none.
pub(super) fn judge(limits: &Limits, took: Time) -> Option<Assertion> {
    let graver = limits.fail.map(|limit| (Status::Fail, limit));
    let lesser = limits.warn.map(|limit| (Status::Warn, limit));
    let limits = || graver.into_iter().chain(lesser);
    let shown = text::time(took);
    match limits().find(|(_, limit)| took > limit.get()) {
        Some((status, limit)) => {
            let message = format!("{shown} is more than {}", text::time(limit.get()));
            Some(Assertion::new("latency", status, message))
        }
        None => limits().next().map(|_| Assertion::new("latency", true, shown)),
    }
}
