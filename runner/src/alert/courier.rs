//! The thread that delivers: a lane for each notifier, so that a receiver that hangs holds up nobody else.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::lane::{Lane, Shared};
use super::outbox::{Outbox, Reports};
use super::settings::Settings;
use super::{Keep, Say};
use crate::ledger::audit::Reserve;

/// How long deliveries under way may go on at the end; what is not delivered by then stays on disk.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);
/// After that, how long the thread may take to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// Threads that look up names, a notifier: one lookup, and one given up that the system goes on with.
const LOOKUPS: usize = 2;

/// The thread `canary-alert`; ends when it is told to, or dropped. There is none without a notifier.
pub struct Courier {
    reports: Reports,
    stop: CancellationToken,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Cancelled when there may be deliveries.
pub type Begin = CancellationToken;

/// What the courier has to do with.
pub(super) struct Outside {
    pub(super) reserve: Reserve,
    pub(super) begin: Begin,
    pub(super) keep: Keep,
    pub(super) say: Say,
}

impl Courier {
    pub(super) fn start(
        settings: &Settings,
        desk: &Desk,
        outbox: Arc<Outbox>,
        outside: Outside,
    ) -> io::Result<Self> {
        let Outside {
            reserve,
            begin,
            keep,
            say,
        } = outside;
        let stop = CancellationToken::new();
        let (ending, ended) = sync_channel(1);
        let mut courier = Self {
            reports: Reports(Arc::clone(&outbox)),
            stop: stop.clone(),
            ended,
            thread: None,
        };
        if settings.notifiers.is_empty() {
            return Ok(courier);
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKUPS * settings.notifiers.len())
            .build()?;
        let shared = Arc::new(Shared {
            outbox,
            link: settings.link.clone(),
            reserve,
            keep: Mutex::new(keep),
            say: Mutex::new(say),
        });
        let notifiers = settings.notifiers.iter().cloned();
        let notifiers = notifiers.map(|notifier| {
            let standing = match notifier.refresh() {
                Some(_) => desk.standing(&notifier.name),
                None => Vec::new(),
            };
            (notifier, standing)
        });
        let notifiers: Vec<_> = notifiers.collect();
        let work = move || {
            let lanes = async {
                let lanes = notifiers.into_iter();
                let lanes = lanes.map(|(notifier, told)| Lane::new(notifier, told, Arc::clone(&shared)));
                deliver(lanes, begin, stop).await;
            };
            run(runtime, lanes);
            // Nobody waits any more when this is late.
            let _late = ending.send(());
        };
        let thread = std::thread::Builder::new().name("canary-alert".to_owned());
        courier.thread = Some(thread.spawn(work)?);
        Ok(courier)
    }

    /// How notifications fare, from now on and after the end.
    #[must_use]
    pub fn reports(&self) -> Reports {
        self.reports.clone()
    }

    /// Lets deliveries under way end, and ends the thread. Takes 3 s at most. What is not delivered stays on disk.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.ended.recv_timeout(LAST_DELIVERIES + LAST_MOMENT).is_ok() {
            // A panic is nobody's business any more: all that was not delivered is on disk.
            drop(thread.join());
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs the lanes from `begin` until `stop`, and a moment longer.
async fn deliver(lanes: impl Iterator<Item = Lane>, begin: CancellationToken, stop: CancellationToken) {
    tokio::select! {
        () = begin.cancelled() => {}
        () = stop.cancelled() => {}
    }
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn(lane.run(stop.clone()));
    }
    let ended = async {
        stop.cancelled().await;
        // What a receiver sent cannot end a lane; if something did, the others go on.
        let all = async { while tasks.join_next().await.is_some() {} };
        drop(timeout(LAST_DELIVERIES, all).await);
    };
    ended.await;
    tasks.shutdown().await;
}

fn run(runtime: Runtime, work: impl Future) {
    runtime.block_on(work);
    // A name that is being looked up holds the end up no longer.
    runtime.shutdown_background();
}
