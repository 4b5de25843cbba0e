//! The trait of a plugin, and the conversion of the host's requests into verdicts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::backend;
use crate::check::Check;
use crate::config;
use crate::description::{Description, Metric, TargetForm};
use crate::error::Error;
use crate::problem::Problem;
use crate::quotas::Quotas;
use crate::schema;
use crate::stopwatch::Stopwatch;
use crate::timestamp::Timestamp;
use crate::verdict::Verdict;

/// A plugin: what it is, and how it examines a target.
///
/// Put `#[serde(deny_unknown_fields)]` on the configuration, so that a misspelt key is found before anything runs.
/// The version that the plugin reports is that of the crate which calls [`export_probe!`](crate::export_probe).
pub trait Probe {
    /// What a suite writes under `config:`; [`NoConfig`] when there is nothing to configure.
    type Config: DeserializeOwned + JsonSchema;

    /// Name that the plugin gives itself. A suite names it by the key under `plugins:`.
    const NAME: &'static str;
    /// One line for a person.
    const SUMMARY: &'static str;
    /// The forms that a target may have, tried in this order.
    const TARGETS: &'static [TargetForm];
    /// The measurements that verdicts may contain, besides those without a fixed name.
    const MEASUREMENTS: &'static [Metric] = &[];
    /// JSON pointers into the configuration whose values are secret by nature, in which `*` stands for every key or
    /// element: `/auth/password`. `canary plugin inspect` shows them, and the host masks these values wherever they
    /// occur. References in a suite are masked in any case.
    const SECRETS: &'static [&'static str] = &[];

    /// Validates a configuration when a suite is loaded, before anything runs: what its schema cannot express, such
    /// as a pattern that does not compile. A suite with a problem is refused, with the location of the problem in its
    /// file, so nothing that is found here can occur in a run.
    ///
    /// There is no network: every client returns [`ErrorCode::Denied`](crate::ErrorCode::Denied). The first 64
    /// problems are shown, those of the target included.
    fn check_config(config: &Self::Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// Validates a target in the same way: each target that a suite has with a configuration. What `check_config`
    /// validates need not be validated again.
    fn check_target(target: &str, config: &Self::Config) -> Vec<Problem> {
        let _ = (target, config);
        Vec::new()
    }

    /// Examines the target.
    ///
    /// `?` on a [`NetError`](crate::NetError) ends it with a verdict of `fail` that names the phase and the reason,
    /// except for [`ErrorCode::Invalid`](crate::ErrorCode::Invalid), which is the plugin's own mistake.
    /// [`Error::Plugin`] means that the plugin could not do its work, and says nothing about the target.
    fn run(check: &Check<Self::Config>) -> Result<Verdict, Error>;
}

/// The configuration of a probe that has nothing to configure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// A request of the host to a plugin, as it crosses the boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The check's name in the suite.
    pub check: String,
    /// The target.
    pub target: String,
    /// JSON that fits [`Description::config_schema`].
    pub config: String,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
    /// Unix nanoseconds.
    pub now: u64,
    /// Milliseconds until the host ends the run.
    pub time_left: u32,
    /// The host inverts the verdict.
    pub expect_failure: bool,
    /// The quotas of the attempt.
    pub quotas: Quotas,
}

/// Describes a probe. [`export_probe!`](crate::export_probe) calls it.
pub fn describe<P: Probe>(version: &str) -> Description {
    Description {
        name: P::NAME.into(),
        version: version.into(),
        summary: P::SUMMARY.into(),
        config_schema: schema::generate::<P::Config>(),
        targets: P::TARGETS,
        measurements: P::MEASUREMENTS,
        secrets: P::SECRETS,
    }
}

/// Validates a configuration; one that does not fit the probe's type is invalid already.
/// [`export_probe!`](crate::export_probe) calls it.
pub fn check_config<P: Probe>(target: Option<&str>, config: &str) -> Vec<Problem> {
    let parsed = match config::parse(config) {
        Ok(parsed) => parsed,
        Err(misfit) => return vec![Problem::config(&misfit.at, misfit.message)],
    };
    // Many targets may have the same configuration.
    let of_config = backend::cached_problems(config, || P::check_config(&parsed));
    let of_target = target.map(|target| P::check_target(target, &parsed));
    of_config
        .into_iter()
        .chain(of_target.into_iter().flatten())
        .collect()
}

/// Runs a probe. [`export_probe!`](crate::export_probe) calls it.
///
/// # Errors
/// The configuration does not fit, or the probe returned [`Error::Plugin`].
pub fn run<P: Probe>(request: Request) -> Result<Verdict, String> {
    let config = config::parse(&request.config)?;
    let check = Check {
        name: request.check,
        target: request.target,
        config,
        attempt: request.attempt,
        now: Timestamp::from_unix(i64::try_from(request.now / 1_000_000_000).unwrap_or(i64::MAX)),
        time_left: Duration::from_millis(request.time_left.into()),
        expect_failure: request.expect_failure,
        quotas: request.quotas,
        since: Stopwatch::start(),
    };
    match P::run(&check) {
        Ok(verdict) => Ok(verdict),
        Err(Error::Net(error)) => Ok(Verdict::from(&error)),
        Err(Error::Plugin(reason)) => Err(reason),
    }
}
