//! `canary demo`.

use std::sync::Arc;

use super::preparation::log_admin_address;
use super::settings::Settings;
use crate::app::Host;
use crate::demo;
use canary_admin::AdminListener;
use canary_console::Console;
use canary_run::report::Screen;

/// Runs the demo, and exports what it measures if `telemetry` is given.
pub(super) async fn run(
    once: bool,
    telemetry: Option<&canary_telemetry::settings::Settings>,
    host: &Arc<Host>,
    settings: &Settings,
    (console, screen): (&Console, Screen),
) -> anyhow::Result<u8> {
    let is_as_expected = if once {
        demo::run_once(host, telemetry, console, screen).await?
    } else {
        let unsent = settings.telemetry.without_export();
        let telemetry = telemetry.unwrap_or(&unsent);
        demo::run_live(host, telemetry, || open_admin(settings), (console, screen)).await?
    };
    Ok(u8::from(!is_as_expected))
}

/// The demo has an admin address as well. If another runner has it already, the demo runs without.
fn open_admin(settings: &Settings) -> Option<AdminListener> {
    let opened = settings
        .open_admin()
        .map_err(anyhow::Error::new)
        .and_then(|listener| {
            if let Some(listener) = &listener {
                log_admin_address(listener)?;
            }
            Ok(listener)
        });
    opened.unwrap_or_else(|error| {
        tracing::warn!("{error:#}");
        None
    })
}
