//! What commands do before they run checks: load the suite, listen for signals, say where the admin address is.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::Host;
use crate::app::load::{Loaded, load};
use canary_admin::AdminListener;
use canary_system::signal::{self, Shutdown};

/// Loads a suite and logs resource warnings.
pub(super) async fn load_and_warn(suites: &[PathBuf], host: &Host) -> anyhow::Result<Loaded> {
    let loaded = load(suites, host).await?;
    for shortage in host.resource_warnings(&loaded.suite) {
        tracing::warn!("{shortage}");
    }
    Ok(loaded)
}

/// Installs handlers for SIGTERM and SIGINT; after the first of them the process ends within `grace` plus a margin.
pub(super) fn listen(host: &Host, grace: Duration) -> anyhow::Result<Shutdown> {
    let failed = "cannot listen for signals";
    signal::guard(&host.settings().liveness, grace).context(failed)?;
    Shutdown::listen().context(failed)
}

/// Logs where the metrics are.
pub(super) fn log_admin_address(listener: &AdminListener) -> io::Result<()> {
    tracing::info!("metrics on {}/metrics", listener.origin()?);
    Ok(())
}
