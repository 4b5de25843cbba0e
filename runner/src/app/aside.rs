//! The thread that tells of what happens, when checks have eaten everything too.

use std::io;

use tokio_util::sync::CancellationToken;

use super::Host;
use crate::alert;
use crate::console::Output;
use crate::ledger::audit::Audit;
use crate::liveness::{Component, Impact, Thread, runtime};
use crate::telemetry::settings::{Exporter, Process, Settings, Signal, resource};
use crate::telemetry::{Exposition, FLUSH, HostView, Telemetry, start};

/// Runs are not reported while it stands still.
const TELEMETRY: Component = Component {
    name: "telemetry",
    impact: Impact::Heartbeat,
};

/// Starts telemetry. What is left is sent when the thread ends, which takes 7 s at most.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub fn telemetry(
    host: &Host,
    audit: &Audit,
    settings: &Settings,
    alerts: Option<alert::Reports>,
    begin: &CancellationToken,
) -> io::Result<(Thread, Telemetry, Exposition)> {
    let runtime = runtime()?;
    let view = HostView {
        ledger: host.sandbox.ledger().clone(),
        audit: audit.clone(),
        reserve: host.reserve.clone(),
        secrets: host.settings().secrets.clone(),
        alerts,
        streams: host.settings().streams.clone(),
        liveness: host.settings().liveness.clone(),
    };
    let instance = format!("{:032x}", fastrand::u128(..));
    let resource = resource(settings, &Process::current(instance));
    let (telemetry, exposition, worker) = start(
        settings,
        resource,
        view,
        printer(settings, &host.settings().streams.stdout),
    );
    let liveness = &host.settings().liveness;
    let thread = Thread::start(TELEMETRY, liveness, runtime, begin, |stop| worker.run(stop))?;
    Ok((thread.patiently(FLUSH), telemetry, exposition))
}

/// Where a console exporter writes, by way of a thread that may wait for a reader.
fn printer(settings: &Settings, stdout: &Output) -> Box<dyn io::Write + Send> {
    let prints = |signal: &Signal| *settings.exporter(*signal) == Exporter::Console;
    match Signal::ALL.iter().any(prints) {
        true => Box::new(stdout.clone()),
        false => Box::new(io::sink()),
    }
}
