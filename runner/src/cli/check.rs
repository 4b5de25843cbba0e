//! `canary check`: every check once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::preparation::load_and_warn;
use super::settings::Settings;
use super::single_runs::run_once;
use crate::app::load::Loaded;
use crate::app::{self, Host};
use canary_run::outcome::Run;
use canary_suite::{Check, Suite, suggest};

/// `--check` names a check that the suite does not have.
#[derive(Debug, thiserror::Error)]
#[error("no check named `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub(super) struct NoSuchCheck {
    name: String,
    nearest: Option<String>,
}

/// Runs every check once, or those whose names or ids are `wanted`.
pub(super) async fn runs(
    suites: &[PathBuf],
    wanted: &[String],
    host: &Host,
    settings: &Settings,
) -> anyhow::Result<Vec<Run>> {
    let Loaded { suite, plugins, .. } = load_and_warn(suites, host).await?;
    let checks = select(suite, wanted)?;
    let runs = run_once(&checks, &host.dispatcher(plugins), host).await?;
    app::check::export(&checks, &runs, host, &settings.telemetry).context("cannot start telemetry")?;
    Ok(runs)
}

fn select(suite: Suite, wanted: &[String]) -> Result<Vec<Arc<Check>>, NoSuchCheck> {
    let is_named = |check: &Check, name: &String| check.name == *name || check.id.as_str() == name;
    for name in wanted {
        if !suite.checks.iter().any(|check| is_named(check, name)) {
            let known = suite.checks.iter().map(|check| check.name.as_str());
            let nearest = suggest::closest(name, known).map(str::to_owned);
            return Err(NoSuchCheck {
                name: name.clone(),
                nearest,
            });
        }
    }
    let mut checks = suite.checks;
    checks.retain(|check| wanted.is_empty() || wanted.iter().any(|name| is_named(check, name)));
    Ok(checks)
}
