//! Starts the admin server with what it serves.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, AdminListener, AdminState};
use crate::app::Host;
use crate::app::reload::ReloadHandle;
use crate::watch::health::Health;
use crate::watch::reload_status::ReloadStatus;
use canary_run::publish::StatusStore;
use canary_system::liveness::{Component, Impact, Thread, runtime};
use canary_telemetry::MetricsHandle;

const ADMIN: Component = Component {
    name: "admin",
    impact: Impact::Readiness,
};

/// What the admin address serves.
pub(super) fn admin_state(
    host: &Host,
    (statuses, reloads): (StatusStore, ReloadStatus),
    reload: ReloadHandle,
    health: Health,
    metrics: MetricsHandle,
) -> AdminState {
    AdminState {
        store: statuses,
        ledger: Arc::clone(host.sandbox.ledger()),
        reloads,
        started: (SystemTime::now(), Instant::now()),
        health: Box::new(move || health.check()),
        metrics: Box::new(move |format| Box::new(metrics.render(format))),
        reload: Box::new(move || {
            let reload = reload.clone();
            Box::pin(async move { reload.request().await.map(|reloaded| reloaded.checks) })
        }),
    }
}

/// Starts the thread of the admin server.
pub(super) fn spawn_admin(
    host: &Host,
    listener: Option<AdminListener>,
    admin_state: AdminState,
    begin: &CancellationToken,
) -> io::Result<Thread> {
    let internal_fds = host.internal_fds.clone();
    let liveness = &host.settings().liveness;
    Thread::start(ADMIN, liveness, runtime()?, begin, |stop| async move {
        match listener {
            Some(listener) => admin::serve(listener, internal_fds, admin_state, stop.cancelled()).await,
            None => stop.cancelled().await,
        }
    })
}
