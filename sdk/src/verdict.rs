//! The result of a probe.

use std::fmt;
use std::time::Duration;

use crate::error::NetError;

/// The status of one assertion, or of the whole target. Orders from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// As expected.
    Pass,
    /// Works, but someone should look at it.
    Warn,
    /// Not as expected.
    Fail,
}

impl Status {
    /// The code in the contract: `pass`, `warn` or `fail`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `true` passes and `false` fails, so that a comparison can be asserted as it stands.
impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}

/// One expectation of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The expectation, stable from run to run, such as `status` or `header content-type`.
    pub name: String,
    /// Whether it was met.
    pub status: Status,
    /// What was found, for a person.
    pub message: String,
    /// Whether it fails because the result is unknown to the check: the necessary data was not retained, or
    /// evaluating it takes too long.
    pub is_unknown: bool,
}

impl Assertion {
    /// Creates an assertion; `status` may be a `bool`.
    pub fn new(name: impl Into<String>, status: impl Into<Status>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: status.into(),
            message: message.into(),
            is_unknown: false,
        }
    }

    /// An assertion that fails because its result is unknown to the check, which says nothing about the target.
    pub fn unknown(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            is_unknown: true,
            ..Self::new(name, Status::Fail, message)
        }
    }
}

/// A number that becomes a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Dotted and stable, such as `certificate.days_left`.
    pub name: String,
    /// The number, in `unit`.
    pub value: f64,
    /// UCUM, such as `s`, `By` or `{record}`.
    pub unit: String,
    /// Attributes that distinguish it from others of the same name. Use few values.
    pub attributes: Vec<(String, String)>,
}

/// The result of a probe: a summary, assertions, measurements and attributes.
///
/// The status is the worst of its assertions. The summary given at the start is used if all is well; an assertion
/// that is worse replaces it.
///
/// ```
/// use canary_sdk::{Status, Verdict};
///
/// let mut verdict = Verdict::pass("3 replicas, none behind");
/// verdict.assert("replicas", 3 >= 2, "3 of at least 2");
/// verdict.assert("lag", Status::Warn, "replica `b` is 4 s behind");
/// verdict.measure("replication.lag", 4.0, "s");
///
/// assert_eq!(verdict.status(), Status::Warn);
/// assert_eq!(verdict.summary(), "lag: replica `b` is 4 s behind");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    base: Status,
    summary: String,
    /// Whether status and summary are fixed, whatever the assertions are.
    is_decided: bool,
    /// Whether the result is unknown, whatever the assertions are.
    is_unsure: bool,
    assertions: Vec<Assertion>,
    measurements: Vec<Measurement>,
    attributes: Vec<(String, String)>,
}

impl Verdict {
    /// A verdict that passes unless an assertion is worse.
    #[must_use]
    pub fn pass(summary: impl Into<String>) -> Self {
        Self::new(Status::Pass, summary)
    }

    /// A verdict that warns, or fails if an assertion does.
    #[must_use]
    pub fn warn(summary: impl Into<String>) -> Self {
        Self::new(Status::Warn, summary)
    }

    /// A verdict that fails, whatever its assertions are.
    #[must_use]
    pub fn fail(summary: impl Into<String>) -> Self {
        Self::new(Status::Fail, summary)
    }

    /// A verdict with a fixed status and summary, whatever its assertions are.
    pub(crate) fn decided(status: Status, summary: impl Into<String>) -> Self {
        Self {
            is_decided: true,
            ..Self::new(status, summary)
        }
    }

    /// The same verdict, which says nothing about the target if it fails.
    pub(crate) fn unsure(self) -> Self {
        Self {
            is_unsure: true,
            ..self
        }
    }

    fn new(base: Status, summary: impl Into<String>) -> Self {
        let (assertions, measurements, attributes) = Default::default();
        Self {
            base,
            summary: summary.into(),
            is_decided: false,
            is_unsure: false,
            assertions,
            measurements,
            attributes,
        }
    }

    /// Adds an assertion; `status` may be a `bool`.
    pub fn assert(
        &mut self,
        name: impl Into<String>,
        status: impl Into<Status>,
        message: impl Into<String>,
    ) -> &mut Self {
        self.assertions.push(Assertion::new(name, status, message));
        self
    }

    /// Adds a network error as a failed assertion, and sets the attributes of [`set_error`](Self::set_error).
    pub fn assert_net(&mut self, name: impl Into<String>, error: &NetError) -> &mut Self {
        self.set_error(error).assert(name, Status::Fail, error.explain())
    }

    /// Sets the attributes `error.reason` and, if it is known, `error.phase`.
    pub fn set_error(&mut self, error: &NetError) -> &mut Self {
        if let Some(phase) = error.phase {
            self.set_attribute("error.phase", phase.as_str());
        }
        self.set_attribute("error.reason", error.reason())
    }

    /// Adds a measurement; `unit` is UCUM, such as `s`, `By` or `{record}`.
    pub fn measure(&mut self, name: impl Into<String>, value: f64, unit: impl Into<String>) -> &mut Self {
        let (name, unit) = (name.into(), unit.into());
        self.measurements.push(Measurement {
            name,
            value,
            unit,
            attributes: Vec::new(),
        });
        self
    }

    /// Adds a measurement of a duration in seconds, if there is one.
    pub fn measure_time(&mut self, name: impl Into<String>, time: impl Into<Option<Duration>>) -> &mut Self {
        match time.into() {
            Some(time) => self.measure(name, time.as_secs_f64(), "s"),
            None => self,
        }
    }

    /// Adds a measurement with attributes.
    pub fn push_measurement(&mut self, measurement: Measurement) -> &mut Self {
        self.measurements.push(measurement);
        self
    }

    /// Sets an attribute of the target, such as `tls.version`; a second value under the same key replaces the first.
    pub fn set_attribute(&mut self, key: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        match self.attributes.iter_mut().find(|(known, _)| *known == key) {
            Some(attribute) => attribute.1 = value,
            None => self.attributes.push((key, value)),
        }
        self
    }

    /// Whether it fails only because of unknown results.
    pub fn is_unknown(&self) -> bool {
        let mut failed = self
            .assertions
            .iter()
            .filter(|assertion| assertion.status == Status::Fail);
        let is_reasoned = self.is_decided || self.base != Status::Fail;
        let is_unknown = is_reasoned
            && failed.next().is_some_and(|first| first.is_unknown)
            && failed.all(|assertion| assertion.is_unknown);
        self.status() == Status::Fail && (is_unknown || self.is_unsure)
    }

    /// The worst status of all assertions.
    pub fn status(&self) -> Status {
        if self.is_decided {
            self.base
        } else {
            self.assertions
                .iter()
                .map(|a| a.status)
                .fold(self.base, Status::max)
        }
    }

    /// One line: the summary given at the start, or the first of the worst assertions if that is worse.
    pub fn summary(&self) -> String {
        let status = self.status();
        if status == self.base {
            return self.summary.clone();
        }
        let mut worst = self.assertions.iter().filter(|a| a.status == status);
        let Some(first) = worst.next() else {
            return self.summary.clone();
        };
        match worst.count() {
            0 => format!("{}: {}", first.name, first.message),
            more => format!("{}: {} (and {more} more)", first.name, first.message),
        }
    }

    /// All assertions, in the order in which they were added.
    pub fn assertions(&self) -> &[Assertion] {
        &self.assertions
    }

    /// All measurements, in the order in which they were added.
    pub fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    /// All attributes, in the order in which they were first set.
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// The first assertion with this name.
    pub fn assertion(&self, name: &str) -> Option<&Assertion> {
        self.assertions.iter().find(|a| a.name == name)
    }

    /// The value of the first measurement with this name.
    pub fn measurement(&self, name: &str) -> Option<f64> {
        self.measurements.iter().find(|m| m.name == name).map(|m| m.value)
    }

    pub(crate) fn into_measurements(self) -> Vec<Measurement> {
        self.measurements
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (Vec<Assertion>, Vec<Measurement>, Vec<(String, String)>) {
        (self.assertions, self.measurements, self.attributes)
    }

    /// The attribute under that key.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }
}

impl Extend<Assertion> for Verdict {
    fn extend<I: IntoIterator<Item = Assertion>>(&mut self, assertions: I) {
        self.assertions.extend(assertions);
    }
}

/// A fail that names phase and reason, in the summary and in an assertion called `network`.
impl From<&NetError> for Verdict {
    fn from(error: &NetError) -> Self {
        let mut verdict = Self::fail(error.explain());
        verdict.assert_net("network", error);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn the_worst_assertion_decides() {
        let mut verdict = Verdict::pass("fine");
        assert_eq!(
            (verdict.status(), verdict.summary()),
            (Status::Pass, "fine".into())
        );
        verdict.assert("a", true, "ok").assert("b", Status::Warn, "slow");
        assert_eq!(
            (verdict.status(), verdict.summary()),
            (Status::Warn, "b: slow".into())
        );
        verdict
            .assert("c", false, "wrong")
            .assert("d", false, "wrong too");
        assert_eq!(
            (verdict.status(), verdict.summary()),
            (Status::Fail, "c: wrong (and 1 more)".into())
        );
    }

    #[test]
    fn an_explicit_fail_keeps_its_summary() {
        let mut verdict = Verdict::fail("no answer");
        verdict.assert("a", false, "wrong");
        assert_eq!(verdict.summary(), "no answer");
    }

    #[test]
    fn an_attribute_has_one_value() {
        let mut verdict = Verdict::pass("");
        verdict.set_attribute("k", "1").set_attribute("k", "2");
        assert_eq!(verdict.attributes(), [("k".to_string(), "2".to_string())]);
    }

    #[test]
    fn a_network_error_fails_with_its_phase_and_reason() {
        let verdict = Verdict::from(&NetError::from(ErrorCode::Refused));
        assert_eq!(verdict.status(), Status::Fail);
        assert_eq!(verdict.summary(), "connect: connection refused");
        assert_eq!(verdict.attribute("error.phase"), Some("connect"));
        assert_eq!(verdict.attribute("error.reason"), Some("refused"));
        assert_eq!(verdict.assertion("network").unwrap().status, Status::Fail);
    }
}
