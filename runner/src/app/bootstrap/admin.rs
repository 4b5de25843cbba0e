//! Starts the admin server with what it serves.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::reload::ReloadHandle;
use crate::app::{Host, features};
use canary_admin::{AdminListener, AdminState};
use canary_run::publish::StatusStore;
use canary_system::liveness::{Component, Impact, Thread, runtime};
use canary_telemetry::MetricsHandle;
use canary_watch::health::Health;
use canary_watch::reload_status::ReloadStatus;

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
        features: features::built(),
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
            Some(listener) => {
                canary_admin::serve(listener, internal_fds, admin_state, stop.cancelled()).await
            }
            None => stop.cancelled().await,
        }
    })
}
