//! How long the exchange took.

use std::time::Duration as Time;

use canary_sdk::{Assertion, Duration, Problems, Status};
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

impl Limits {
    /// Reports limits that are missing, or that every response exceeds, and a warning that a failure would always
    /// precede.
    pub(super) fn check(&self, problems: &mut Problems) {
        if self.warn.is_none() && self.fail.is_none() {
            problems.report("has no limit: write `warn` or `fail`");
        }
        for (key, limit) in [("warn", self.warn), ("fail", self.fail)] {
            if limit.is_some_and(|limit| limit.get().is_zero()) {
                problems.at(key, |problems| problems.report("must be more than 0"));
            }
        }
        if let (Some(warn), Some(fail)) = (self.warn, self.fail)
            && warn > fail
        {
            let message = format!("{warn} is more than `fail` ({fail}): it would never warn");
            problems.at("warn", |problems| problems.report(message));
        }
    }
}

/// Compares the duration with the limits; `None` if there are none.
pub(super) fn evaluate(limits: &Limits, took: Time) -> Option<Assertion> {
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
