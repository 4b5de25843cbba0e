//! The thread that tells of what happens, when checks have eaten everything too.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::Host;
use super::thread::Thread;
use crate::alert;
use crate::console::{self, Console};
use crate::ledger::audit::Audit;
use crate::telemetry::settings::{Exporter, Process, Settings, Signal, resource};
use crate::telemetry::{Exposition, FLUSH, HostView, Telemetry, start};

/// Threads for what the operating system does not offer without waiting: names of collectors.
const BLOCKING_THREADS: usize = 2;

/// A runtime for one thread that waits for the network, and for nobody else.
///
/// # Errors
/// The operating system refuses what it needs.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
}

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
        alerts,
    };
    let instance = format!("{:032x}", fastrand::u128(..));
    let resource = resource(settings, &Process::current(instance));
    let (telemetry, exposition, worker) = start(
        settings,
        resource,
        view,
        printer(settings)?,
        Box::new(console::note),
    );
    let thread = Thread::start("canary-telemetry", runtime, begin, |stop| worker.run(stop))?;
    Ok((thread.patiently(FLUSH), telemetry, exposition))
}

/// Where a console exporter writes, by way of a thread that may wait for a reader.
fn printer(settings: &Settings) -> io::Result<Box<dyn io::Write + Send>> {
    let prints = |signal: &Signal| *settings.exporter(*signal) == Exporter::Console;
    Ok(match Signal::ALL.iter().any(prints) {
        true => Box::new(Console::start()?),
        false => Box::new(io::sink()),
    })
}
