//! The telemetry thread. It has its own thread so that it makes progress even when checks saturate the workers.

use std::io;

use tokio_util::sync::CancellationToken;

use super::Host;
use canary_console::Output;
use canary_net::ledger::audit::Audit;
use canary_outbound::alert_report::AlertReports;
use canary_system::liveness::{Component, Impact, Thread, runtime};
use canary_telemetry::Signal;
use canary_telemetry::settings::{Exporter, Process, Settings, resource};
use canary_telemetry::{FLUSH_TIMEOUT, HostView, MetricsHandle, Telemetry};

/// Runs are not reported while this thread is stalled.
const TELEMETRY: Component = Component {
    name: "telemetry",
    impact: Impact::Heartbeat,
};

/// Starts telemetry. When the thread stops it flushes what is pending, which takes 7 s at most.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub fn start(
    host: &Host,
    audit: &Audit,
    settings: &Settings,
    alerts: Option<AlertReports>,
    begin: &CancellationToken,
) -> io::Result<(Thread, Telemetry, MetricsHandle)> {
    let runtime = runtime()?;
    let view = HostView {
        ledger: host.sandbox.ledger().clone(),
        audit: audit.clone(),
        internal_fds: host.internal_fds.clone(),
        secrets: host.settings().secrets.clone(),
        alerts,
        streams: host.settings().streams.clone(),
        liveness: host.settings().liveness.clone(),
    };
    let instance = format!("{:032x}", fastrand::u128(..));
    let resource = resource(settings, &Process::current(instance));
    let (telemetry, metrics, worker) = canary_telemetry::start(
        settings,
        resource,
        view,
        console_writer(settings, &host.settings().streams.stdout),
    );
    let liveness = &host.settings().liveness;
    let thread = Thread::start(TELEMETRY, liveness, runtime, begin, |stop| worker.run(stop))?;
    Ok((thread.with_stop_timeout(FLUSH_TIMEOUT), telemetry, metrics))
}

/// The writer of the console exporter. It goes through a thread that may block on a slow reader.
fn console_writer(settings: &Settings, stdout: &Output) -> Box<dyn io::Write + Send> {
    let uses_console = |signal: &Signal| *settings.exporter(*signal) == Exporter::Console;
    if Signal::ALL.iter().any(uses_console) {
        Box::new(stdout.clone())
    } else {
        Box::new(io::sink())
    }
}
