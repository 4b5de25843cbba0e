//! What a plugin says about itself.

/// A form that a target may have. It decides what a check may reach without a word in its `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetForm {
    /// An absolute URL of one of these schemes, or of any where none is named: its host and port.
    Url(&'static [&'static str]),
    /// `HOST:PORT`: that.
    HostPort,
    /// `HOST`, or `HOST:PORT`: that port, or any of the host where the target has none.
    Host,
    /// Anything else: if it happens to be a URL, a `HOST:PORT` or a DNS name, that.
    Text,
}

/// A number that the verdicts of a probe have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Metric {
    /// As in [`Measurement`](crate::Measurement).
    pub name: &'static str,
    /// UCUM, such as `s`, `By` or `{record}`.
    pub unit: &'static str,
    /// What it says, for a person.
    pub text: &'static str,
}

impl Metric {
    /// A number of that name, in that unit.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str, text: &'static str) -> Self {
        Self { name, unit, text }
    }
}

/// What a plugin says about itself.
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
