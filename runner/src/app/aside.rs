//! The thread that still speaks when checks have eaten everything: telemetry and the admin address.

use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::admin;
use crate::console::{self, Console};
use crate::telemetry::settings::{Exporter, Process, Settings, Signal, resource};
use crate::telemetry::{FLUSH, HostView, Telemetry, start};

/// Threads for what the operating system does not offer without waiting: names of collectors.
const BLOCKING_THREADS: usize = 2;
/// After the flush, how long the thread may take to end.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// A thread of its own; ends when it is told to, or dropped.
pub struct Aside {
    stop: CancellationToken,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Aside {
    /// Starts telemetry, and the admin address on `listener`. Call it when the host is warm: what is open now
    /// counts as the host's own.
    ///
    /// # Errors
    /// The operating system refuses a thread or what a runtime needs.
    pub fn start(
        host: &Host,
        settings: &Settings,
        listener: Option<TcpListener>,
    ) -> io::Result<(Self, Telemetry)> {
        // Its own descriptors come before the stock-taking.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        let view = HostView {
            ledger: host.sandbox.ledger().clone(),
            audit: host.audit()?,
            reserve: host.reserve.clone(),
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
        let stop = CancellationToken::new();
        let until = stop.clone();
        let reserve = host.reserve.clone();
        let (ending, ended) = sync_channel(1);
        let work = move || {
            let served = async {
                if let Some(listener) = listener {
                    let text = move |format| exposition.text(format);
                    admin::serve(listener, reserve, text, until.cancelled()).await;
                }
            };
            run(runtime, async { tokio::join!(worker.run(until.clone()), served) });
            // Nobody waits any more when this is late.
            let _late = ending.send(());
        };
        let thread = std::thread::Builder::new().name("canary-aside".to_owned());
        let aside = Self {
            stop,
            ended,
            thread: Some(thread.spawn(work)?),
        };
        Ok((aside, telemetry))
    }

    /// Sends what is left and ends the thread. Takes 7 s at most.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        let in_time = self.ended.recv_timeout(FLUSH + LAST_MOMENT).is_ok();
        let Some(thread) = self.thread.take().filter(|_| in_time) else {
            // It hangs on a disk; the process ends without it.
            return;
        };
        if thread.join().is_err() {
            console::note("telemetry ended by a fault of its own");
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

/// Where a console exporter writes, by way of a thread that may wait for a reader.
fn printer(settings: &Settings) -> io::Result<Box<dyn io::Write + Send>> {
    let prints = |signal: &Signal| *settings.exporter(*signal) == Exporter::Console;
    Ok(match Signal::ALL.iter().any(prints) {
        true => Box::new(Console::start()?),
        false => Box::new(io::sink()),
    })
}

fn run(runtime: Runtime, work: impl Future) {
    runtime.block_on(work);
    // A name that is being looked up holds the end up no longer.
    runtime.shutdown_background();
}
