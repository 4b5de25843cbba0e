//! `canary:check/probe`: conversion of requests and verdicts from and to the current version.

use crate::bindings::v0_1::probe;
use crate::bindings::v0_2::probe as current;

impl From<current::Request> for probe::Request {
    fn from(request: current::Request) -> Self {
        Self {
            check: request.check,
            target: request.target,
            config: request.config,
            attempt: request.attempt,
            now: request.now,
            time_left: request.time_left,
        }
    }
}

impl From<probe::Status> for current::Status {
    fn from(status: probe::Status) -> Self {
        match status {
            probe::Status::Pass => Self::Pass,
            probe::Status::Warn => Self::Warn,
            probe::Status::Fail => Self::Fail,
        }
    }
}

impl From<probe::Verdict> for current::Verdict {
    fn from(verdict: probe::Verdict) -> Self {
        Self {
            status: verdict.status.into(),
            summary: verdict.summary,
            assertions: verdict.assertions.into_iter().map(Into::into).collect(),
            measurements: verdict.measurements.into_iter().map(Into::into).collect(),
            attributes: verdict.attributes,
            extra: Vec::new(),
        }
    }
}

impl From<probe::Assertion> for current::Assertion {
    fn from(assertion: probe::Assertion) -> Self {
        Self {
            name: assertion.name,
            status: assertion.status.into(),
            message: assertion.message,
        }
    }
}

impl From<probe::Measurement> for current::Measurement {
    fn from(measurement: probe::Measurement) -> Self {
        Self {
            name: measurement.name,
            value: measurement.value,
            unit: measurement.unit,
            attributes: measurement.attributes,
        }
    }
}
