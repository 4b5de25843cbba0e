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

/// `--check` names a check that cannot be run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelectionError {
    /// The suite does not have it.
    #[error("no check named `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown { name: String, nearest: Option<String> },
    /// The suite has it with `enabled: false`.
    #[error("check `{0}` is off (`enabled: false`); to run it, write `enabled: true` in it")]
    Disabled(String),
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

/// The checks whose names or ids are `wanted`; all of them if none is.
fn select(suite: Suite, wanted: &[String]) -> Result<Vec<Arc<Check>>, SelectionError> {
    let is_named = |check: &Check, name: &String| check.name == *name || check.id.as_str() == name;
    for name in wanted {
        if !suite.checks.iter().any(|check| is_named(check, name)) {
            return Err(not_selectable(&suite, name));
        }
    }
    let mut checks = suite.checks;
    checks.retain(|check| wanted.is_empty() || wanted.iter().any(|name| is_named(check, name)));
    Ok(checks)
}

/// Why no check of this name or id can be run.
fn not_selectable(suite: &Suite, name: &str) -> SelectionError {
    let mut disabled = suite.disabled.iter();
    if disabled.any(|check| check.name == name || check.id.as_str() == name) {
        return SelectionError::Disabled(name.to_owned());
    }
    let known = suite.checks.iter().map(|check| check.name.as_str());
    let disabled = suite.disabled.iter().map(|check| check.name.as_str());
    SelectionError::Unknown {
        name: name.to_owned(),
        nearest: suggest::closest(name, known.chain(disabled)).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use canary_suite::{CheckId, DisabledCheck};

    /// Why `wanted` cannot be run of a suite with the check `website` and, not enabled, two targets of `database`.
    fn refusal(wanted: &str) -> String {
        let disabled = |target: &str| DisabledCheck {
            id: CheckId::new(&format!("database@{target}")),
            name: "database".to_owned(),
        };
        let suite = Suite {
            checks: vec![Arc::new(Check::minimal("website", Duration::from_secs(60)))],
            disabled: ["a:1", "b:1"].map(disabled).into(),
            groups: BTreeMap::new(),
            maintenance: Vec::new(),
            variables: Vec::new(),
        };
        let wanted = ["website", wanted].map(str::to_owned);
        select(suite, &wanted).unwrap_err().to_string()
    }

    #[test]
    fn a_check_that_is_not_enabled_is_distinguished_from_one_that_does_not_exist() {
        let way_out = "is off (`enabled: false`); to run it, write `enabled: true` in it";
        for disabled in ["database", "database@b:1"] {
            assert_eq!(refusal(disabled), format!("check `{disabled}` {way_out}"));
        }
        assert_eq!(
            refusal("databases"),
            "no check named `databases`; did you mean `database`?"
        );
        assert_eq!(refusal("zzzzzz"), "no check named `zzzzzz`");
    }
}
