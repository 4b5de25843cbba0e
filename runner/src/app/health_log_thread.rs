//! The thread that logs when health issues begin and end. It has no runtime, and so needs no descriptor.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use canary_system::liveness::{self, Component, Impact, Registry};
use canary_watch::health::{Evaluations, Health, IssueLine, IssueLog};

const HEALTH_LOG: Component = Component {
    name: "health-log",
    impact: Impact::Readiness,
};
/// How often it reports progress.
const BEAT: Duration = Duration::from_secs(1);
/// How long the end of the service waits for it.
const JOIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The thread; it stops when this is dropped.
pub(super) struct HealthLogThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts it. It evaluates health once `begin` is cancelled.
///
/// # Errors
/// The operating system refuses a thread.
pub(super) fn start(
    health: Health,
    registry: &Registry,
    begin: &CancellationToken,
) -> io::Result<HealthLogThread> {
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, begin, mut log) = (Arc::clone(&stop), begin.clone(), IssueLog::default());
    let mut evaluations = Evaluations::new(Instant::now());
    let thread = liveness::spawn(HEALTH_LOG, registry, move |progress| {
        while !stopped.load(Ordering::Acquire) {
            std::thread::park_timeout(BEAT);
            progress.beat();
            let now = Instant::now();
            let is_due = evaluations.is_due(now);
            if is_due && begin.is_cancelled() && !health.is_draining() {
                write(log.update(&health.check(), now));
            }
        }
    })?;
    Ok(HealthLogThread {
        stop,
        thread: Some(thread),
    })
}

/// Both at the same level: a log that has the beginning has the end.
fn write(lines: Vec<IssueLine>) {
    for line in lines {
        match line {
            IssueLine::Begun(text) | IssueLine::Ended(text) => tracing::warn!("{text}"),
        }
    }
}

impl Drop for HealthLogThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            liveness::join(thread, JOIN_TIMEOUT);
        }
    }
}
