//! `canary alert`.

use std::time::SystemTime;

use futures_util::future::join_all;

use crate::alert::Answer;
use crate::alert::Notifier;
use crate::alert::Settings;
use crate::alert::try_out;
use crate::console::Console;
use crate::ledger::audit::Reserve;
use crate::report::plain;

/// `canary alert test` cannot begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum AlertError {
    /// Nobody would be told.
    #[error("there is no notifier: write `alerts.notifiers` in the file of `--config`")]
    NoNotifier,
    /// The settings have none of this name.
    #[error("no notifier is named `{name}`; there are {known}")]
    NoSuchNotifier {
        /// As it was asked for.
        name: String,
        /// All there are.
        known: String,
    },
}

/// Tries these notifiers, all at once, and prints a line for each. Says whether all of them work.
pub(super) async fn test(
    settings: &Settings,
    names: &[String],
    reserve: &Reserve,
    console: &Console,
) -> anyhow::Result<bool> {
    let notifiers = pick(settings, names)?;
    let link = settings.link.as_ref();
    let now = SystemTime::now();
    let trials = notifiers
        .iter()
        .map(|notifier| try_out(notifier, link, reserve, now));
    let mut all_well = true;
    let mut lines = Vec::new();
    for (notifier, trial) in notifiers.iter().zip(join_all(trials).await) {
        all_well &= trial.is_well();
        let came = match (&trial.firing, &trial.resolved) {
            (Answer::Delivered, Some(resolved)) => match resolved.failure() {
                None => "ok: the begin and the end of an alert were taken".to_owned(),
                Some(failure) => format!("failed at the end of an alert: {}", failure.message),
            },
            (answer, _) => {
                let message = answer.failure().map(|failure| failure.message.as_str());
                format!("failed: {}", message.unwrap_or_default())
            }
        };
        let kind = notifier.kind();
        lines.push(format!("{:<16} {kind:<12} {}", notifier.name, plain(&came)));
    }
    console.print(&lines.join("\n"))?;
    Ok(all_well)
}

fn pick<'a>(settings: &'a Settings, names: &[String]) -> Result<Vec<&'a Notifier>, AlertError> {
    if settings.notifiers.is_empty() {
        return Err(AlertError::NoNotifier);
    }
    let known = settings.names();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        return Err(AlertError::NoSuchNotifier {
            name: name.clone(),
            known: known.join(", "),
        });
    }
    let is_asked =
        |notifier: &&Notifier| names.is_empty() || names.iter().any(|name| **name == *notifier.name);
    Ok(settings.notifiers.iter().filter(is_asked).collect())
}
