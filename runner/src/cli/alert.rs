//! `canary alert`.

use std::time::SystemTime;

use futures_util::future::join_all;

use canary_alert::{DeliveryResult, Notifier, Settings, send_test};
use canary_console::Console;
use canary_net::ledger::audit::InternalFds;
use canary_run::report::sanitize;

/// Why `canary alert test` cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum AlertError {
    /// No notifier is configured.
    #[error("no notifiers are configured; set `alerts.notifiers` in the file of `--config`")]
    NoNotifier,
    /// No notifier has this name.
    #[error("unknown notifier `{name}`; configured: {known}")]
    NoSuchNotifier {
        /// The requested name.
        name: String,
        /// The configured names.
        known: String,
    },
}

/// Sends a test notification through these notifiers concurrently and prints a line for each. Returns whether all of
/// them work.
pub(super) async fn test(
    settings: &Settings,
    names: &[String],
    internal_fds: &InternalFds,
    console: &Console,
) -> anyhow::Result<bool> {
    let notifiers = select(settings, names)?;
    let external_url = settings.external_url.as_ref();
    let now = SystemTime::now();
    let deliveries = notifiers
        .iter()
        .map(|notifier| send_test(notifier, external_url, internal_fds, now));
    let mut all_well = true;
    let mut lines = Vec::new();
    for (notifier, delivery) in notifiers.iter().zip(join_all(deliveries).await) {
        all_well &= delivery.is_delivered();
        let result = match (&delivery.firing, &delivery.resolved) {
            (DeliveryResult::Sent, Some(resolved)) => match resolved.failure() {
                None => "ok: firing and resolved notifications sent".to_owned(),
                Some(failure) => format!("failed to send the resolved notification: {}", failure.message),
            },
            (failed, _) => {
                let message = failed.failure().map(|failure| failure.message.as_str());
                format!("failed: {}", message.unwrap_or_default())
            }
        };
        let kind = notifier.type_name();
        lines.push(format!("{:<16} {kind:<12} {}", notifier.name, sanitize(&result)));
    }
    console.print(&lines.join("\n"))?;
    Ok(all_well)
}

fn select<'a>(settings: &'a Settings, names: &[String]) -> Result<Vec<&'a Notifier>, AlertError> {
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
    let is_selected =
        |notifier: &&Notifier| names.is_empty() || names.iter().any(|name| **name == *notifier.name);
    Ok(settings.notifiers.iter().filter(is_selected).collect())
}
