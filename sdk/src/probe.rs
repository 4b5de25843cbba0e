//! The trait behind a plugin, and the way from a request of the host to a verdict.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::check::Check;
use crate::error::Error;
use crate::schema;
use crate::timestamp::Timestamp;
use crate::verdict::Verdict;

/// A plugin: what it is, and how it examines a target.
///
/// Put `#[serde(deny_unknown_fields)]` on the configuration, so that a misspelt key is found before anything runs.
/// The version that the plugin reports is that of the crate which calls [`export_probe!`](crate::export_probe).
pub trait Probe {
    /// What a suite writes under `config:`; [`NoConfig`] when there is nothing to configure.
    type Config: DeserializeOwned + JsonSchema;

    /// What a suite writes under `plugin:`.
    const NAME: &'static str;
    /// One line for a person.
    const SUMMARY: &'static str;
    /// What a target must look like, such as `URL` or `HOST:PORT`.
    const TARGET_SYNTAX: &'static str;

    /// Examines the target.
    ///
    /// `?` on a [`NetError`](crate::NetError) ends it with a verdict of `fail` that names the phase and the reason,
    /// except for [`NetError::Invalid`](crate::NetError::Invalid), which is the plugin's own mistake.
    /// [`Error::Plugin`] says that the plugin could not do its work, and nothing about the target.
    fn run(check: &Check<Self::Config>) -> Result<Verdict, Error>;
}

/// The configuration of a probe that has nothing to configure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// What a plugin says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// [`Probe::NAME`].
    pub name: String,
    /// Of the plugin's crate.
    pub version: String,
    /// [`Probe::SUMMARY`].
    pub summary: String,
    /// JSON Schema (2020-12) of [`Probe::Config`].
    pub config_schema: String,
    /// [`Probe::TARGET_SYNTAX`].
    pub target_syntax: String,
}

/// What the host asks of a plugin, as it comes over the boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The check's name in the suite.
    pub check: String,
    /// What is examined.
    pub target: String,
    /// JSON that fits [`Description::config_schema`].
    pub config: String,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
    /// Unix nanoseconds.
    pub now: u64,
    /// Milliseconds until the host ends the run.
    pub time_left: u32,
}

/// Describes a probe. [`export_probe!`](crate::export_probe) calls it.
pub fn describe<P: Probe>(version: &str) -> Description {
    Description {
        name: P::NAME.into(),
        version: version.into(),
        summary: P::SUMMARY.into(),
        config_schema: schema::of::<P::Config>(),
        target_syntax: P::TARGET_SYNTAX.into(),
    }
}

/// Runs a probe. [`export_probe!`](crate::export_probe) calls it.
///
/// # Errors
/// The configuration does not fit, or the probe returned [`Error::Plugin`].
pub fn run<P: Probe>(request: Request) -> Result<Verdict, String> {
    let config = parse_config(&request.config)?;
    let check = Check {
        name: request.check,
        target: request.target,
        config,
        attempt: request.attempt,
        now: Timestamp::from_unix(i64::try_from(request.now / 1_000_000_000).unwrap_or(i64::MAX)),
        time_left: Duration::from_millis(request.time_left.into()),
    };
    match P::run(&check) {
        Ok(verdict) => Ok(verdict),
        Err(Error::Net(error)) => Ok(Verdict::from(&error)),
        Err(Error::Plugin(reason)) => Err(reason),
    }
}

/// The error names the field, which that of `serde_json` alone does not.
fn parse_config<C: DeserializeOwned>(json: &str) -> Result<C, String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let message = error.inner().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        match error.path().to_string() {
            path if path == "." => format!("config: {message}"),
            path => format!("config: `{path}`: {message}"),
        }
    })
}
