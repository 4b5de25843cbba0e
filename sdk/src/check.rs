//! The check that a probe is asked to run.

use std::time::Duration;

use crate::endpoint::{Endpoint, EndpointError};
use crate::quotas::Quotas;
use crate::stopwatch::Stopwatch;
use crate::timestamp::Timestamp;

/// One attempt of one check: what to examine, and how.
///
/// There is no clock for the date: `now` comes from the host, so that a test can choose it. The remaining time of the
/// run need not be watched either, since every client times out early with
/// [`ErrorCode::Timeout`](crate::ErrorCode::Timeout) and leaves a moment for the verdict.
/// [`ErrorCode::Timeout`](crate::ErrorCode::Timeout) and leaves a moment for the verdict.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Check<C> {
    /// The check's name in the suite.
    pub name: String,
    /// The target, as the suite writes it.
    pub target: String,
    /// The configuration, with defaults and secrets filled in.
    pub config: C,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
    /// When this attempt began.
    pub now: Timestamp,
    /// From `now` until the host ends the run.
    pub time_left: Duration,
    /// The suite expects the target to fail, and the host inverts the verdict: if a probe examines several things of
    /// a kind, one that works decides. [`Addresses`](crate::Addresses) does so.
    pub expect_failure: bool,
    /// The quotas of this attempt.
    pub quotas: Quotas,
    pub(crate) since: Stopwatch,
}

impl<C> Check<C> {
    /// The time until the host ends the run, now.
    pub fn remaining(&self) -> Duration {
        self.time_left.saturating_sub(self.since.elapsed())
    }

    /// The target as `HOST:PORT`.
    pub fn endpoint(&self) -> Result<Endpoint, EndpointError> {
        self.target.parse()
    }

    /// The target as `HOST:PORT`, or as `HOST` with a default port.
    pub fn endpoint_or(&self, default_port: u16) -> Result<Endpoint, EndpointError> {
        Endpoint::parse_or(&self.target, default_port)
    }
}
