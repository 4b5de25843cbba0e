//! A plugin's description of itself.

/// A form that a target may have. It determines what a check may reach without an `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetForm {
    /// An absolute URL with one of these schemes, or with any if none is named: grants its host and port.
    Url(&'static [&'static str]),
    /// `HOST:PORT`: grants exactly that.
    HostPort,
    /// `HOST`, or `HOST:PORT`: grants that port, or any port of the host if the target has none.
    Host,
    /// Any other text: if it happens to be a URL, a `HOST:PORT` or a DNS name, grants that.
    Text,
}

/// A measurement that the verdicts of a probe contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Metric {
    /// As in [`Measurement`](crate::Measurement).
    pub name: &'static str,
    /// UCUM, such as `s`, `By` or `{record}`.
    pub unit: &'static str,
    /// What it means, for a person.
    pub text: &'static str,
}

impl Metric {
    /// A measurement with this name, in this unit.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str, text: &'static str) -> Self {
        Self { name, unit, text }
    }
}

/// A plugin's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// [`Probe::NAME`](crate::Probe::NAME).
    pub name: String,
    /// Of the plugin's crate.
    pub version: String,
    /// [`Probe::SUMMARY`](crate::Probe::SUMMARY).
    pub summary: String,
    /// JSON Schema (2020-12) of [`Probe::Config`](crate::Probe::Config).
    pub config_schema: String,
    /// [`Probe::TARGETS`](crate::Probe::TARGETS).
    pub targets: &'static [TargetForm],
    /// [`Probe::MEASUREMENTS`](crate::Probe::MEASUREMENTS).
    pub measurements: &'static [Metric],
    /// [`Probe::SECRETS`](crate::Probe::SECRETS).
    pub secrets: &'static [&'static str],
}
