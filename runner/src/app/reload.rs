//! Hot reload of the suite: the new suite is loaded and compiled on a separate thread while the old one runs, and
//! then applied atomically or not at all.

mod debounce;
mod reloaded;
mod writers;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Host;
use super::file_fingerprint::FileFingerprint;
use super::load::{Files, Loaded, load_recording};
use super::supervisor::SuiteUpdate;
use super::systemd::SystemdNotifier;
use canary_suite::{CheckId, Problems, Suite};
use canary_system::backoff::{Backoff, Policy};
use canary_system::liveness::{self, Component, Impact, Thread, runtime};
use canary_system::signal::Hangup;
use canary_watch::reload_status::ReloadStatus;
use debounce::{ChangeDebouncer, ChangeStatus};
use writers::Writers;

pub use reloaded::Reloaded;

/// How often files are polled. A change is applied at the following poll at the earliest, see [`ChangeDebouncer`].
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Time-out of a reload. Each file and each plugin has a shorter one of its own.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// The delay after a reload that failed with a transient error.
const RETRY_BACKOFF: Policy = Policy::new(Duration::from_secs(5), Duration::from_secs(5 * 60));
/// Maximum number of pending reload requests; further ones are rejected.
const MAX_PENDING_RELOADS: usize = 16;
const RELOAD: Component = Component {
    name: "reload",
    impact: Impact::Readiness,
};

/// Result of a reload: a summary of the active suite, or every problem.
pub type ReloadResult = Result<Reloaded, String>;

/// Requests reloads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<oneshot::Sender<ReloadResult>>);

impl ReloadHandle {
    /// Requests a reload and waits until the new suite is active or was rejected.
    ///
    /// Cancellation: the reload continues.
    ///
    /// # Errors
    /// Every problem of the suite; or too many pending requests, or the runner is shutting down.
    pub async fn request(&self) -> ReloadResult {
        let (result_tx, result_rx) = oneshot::channel();
        if self.0.try_send(result_tx).is_err() {
            return Err("too many pending reloads, or shutting down".to_owned());
        }
        result_rx
            .await
            .unwrap_or_else(|_| Err("the runner is shutting down".to_owned()))
    }
}

/// What the reloader keeps of the active suite. It does not keep the suite itself, which would outlive the next
/// reload.
#[derive(Debug)]
pub struct CurrentSuite {
    files: Files,
    checks: BTreeSet<CheckId>,
}

impl CurrentSuite {
    /// Extracts it from a loaded suite.
    #[must_use]
    pub fn new(loaded: &Loaded) -> Self {
        Self {
            files: loaded.files.clone(),
            checks: ids(&loaded.suite),
        }
    }
}

/// Called with the result of each reload, and the time of the next automatic retry.
pub type OnReload = dyn FnMut(&ReloadResult, Option<Instant>) + Send;

/// Dependencies of the reloader.
pub struct Dependencies {
    /// Loads and compiles suites.
    pub host: Arc<Host>,
    /// Suite paths as given by the operator.
    pub paths: Vec<PathBuf>,
    /// The active suite.
    pub current: CurrentSuite,
    /// Channel to the supervisor.
    pub suite_updates: mpsc::Sender<SuiteUpdate>,
    /// Where results are recorded.
    pub reloads: ReloadStatus,
    /// SIGHUP; its handler is installed before the service reports that it runs.
    pub hangup: Hangup,
    /// Notified of reloads.
    pub(super) systemd: SystemdNotifier,
    /// Cancelled when the thread may begin.
    pub begin: CancellationToken,
    /// Called after each reload.
    pub on_reload: Box<OnReload>,
}

/// Starts the reload thread. It reloads the suite on request, on SIGHUP, when one of its files changed, and
/// periodically while the last reload failed with a transient error.
///
/// # Errors
/// The operating system refuses a thread, a signal handler, or what a runtime needs.
pub fn start(dependencies: Dependencies) -> io::Result<(ReloadHandle, Thread)> {
    let (requests_tx, requests_rx) = mpsc::channel(MAX_PENDING_RELOADS);
    let Files { sources, fingerprint } = dependencies.current.files.clone();
    let reloader = Reloader {
        // A change since the suite was read is detected like any other.
        debouncer: ChangeDebouncer::new(fingerprint),
        checks: dependencies.current.checks.clone(),
        sources,
        retry: Backoff::new(RETRY_BACKOFF),
        is_unwatched: false,
        dependencies,
    };
    let begin = reloader.dependencies.begin.clone();
    let liveness = reloader.dependencies.host.settings().liveness.clone();
    let thread = Thread::start(RELOAD, &liveness, runtime()?, &begin, |stop| {
        reloader.run(requests_rx, stop)
    })?;
    Ok((ReloadHandle(requests_tx), thread))
}

struct Reloader {
    dependencies: Dependencies,
    sources: BTreeSet<PathBuf>,
    debouncer: ChangeDebouncer,
    /// Checks of the active suite.
    checks: BTreeSet<CheckId>,
    retry: Backoff,
    /// Whether the last poll could not read the files' metadata.
    is_unwatched: bool,
}

/// Why a suite was rejected.
struct Refusal {
    /// Every problem.
    problems: String,
    /// Whether one of them is transient.
    is_transient: bool,
}

impl Refusal {
    fn ending() -> Self {
        Self {
            problems: "the runner is shutting down".to_owned(),
            is_transient: false,
        }
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self {
            problems: problems.to_string(),
            is_transient: problems.is_transient(),
        }
    }
}

impl Reloader {
    async fn run(
        mut self,
        mut requests_rx: mpsc::Receiver<oneshot::Sender<ReloadResult>>,
        stop: CancellationToken,
    ) {
        let mut polls = interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next_try = self.retry.until();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.dependencies.hangup.requested() => drop(self.reload().await),
                Some(requester) = requests_rx.recv() => {
                    let result = self.reload().await;
                    // The requester may be gone.
                    let _requester_gone = requester.send(result);
                }
                () = sleep_until_some(next_try) => self.retry_reload().await,
                _ = polls.tick() => {
                    if self.poll().await == ChangeStatus::Stable {
                        drop(self.reload().await);
                    }
                }
            }
        }
    }

    /// Retries a failed reload, unless files are still being written: then it waits until they are complete.
    async fn retry_reload(&mut self) {
        match self.poll().await {
            ChangeStatus::Pending | ChangeStatus::Overdue(_) => {
                self.retry.record_failure(None, Instant::now());
            }
            ChangeStatus::Unchanged | ChangeStatus::Stable => drop(self.reload().await),
        }
    }

    /// Polls the files: whether they changed, and are complete enough to be read.
    async fn poll(&mut self) -> ChangeStatus {
        let sources = self.sources.clone();
        let found = liveness::run_blocking("suite", move || FileFingerprint::new(&sources)).await;
        let is_known = found.as_ref().is_ok_and(FileFingerprint::is_known);
        self.record_visibility(!is_known);
        let status = match found {
            Ok(found) if is_known => self.debouncer.poll(found, Instant::now(), Writers::of_any),
            _ => ChangeStatus::Unchanged,
        };
        if let ChangeStatus::Overdue(path) = &status {
            self.report_incomplete(path);
        }
        status
    }

    /// Part of a suite may be a valid suite; applying it would drop checks and their alerts.
    fn report_incomplete(&mut self, path: &Path) {
        let problem = format!(
            "{}: still being written, reloading once it has been unchanged for a while; write a temporary \
             file and rename it, or request a reload",
            path.display()
        );
        let secrets = self.dependencies.host.settings().secrets.secrets();
        let problem = secrets.redact(&problem);
        self.dependencies
            .reloads
            .failed(problem.clone(), SystemTime::now(), None);
        (self.dependencies.on_reload)(&Err(problem), None);
    }

    /// While changes cannot be detected, the suite is reloaded periodically.
    fn record_visibility(&mut self, is_unwatched: bool) {
        self.is_unwatched = is_unwatched;
        self.dependencies.reloads.set_watched(!is_unwatched);
        if is_unwatched && self.retry.until().is_none() {
            self.retry.record_failure(None, Instant::now());
        }
    }

    async fn reload(&mut self) -> ReloadResult {
        self.dependencies.systemd.reloading();
        self.dependencies.reloads.started(Instant::now());
        let result = self.read().await;
        let retry_at = match &result {
            Err(Refusal {
                is_transient: true, ..
            }) => Some(self.retry.record_failure(None, Instant::now())),
            _ if self.is_unwatched => {
                self.retry.record_failure(None, Instant::now());
                None
            }
            _ => {
                self.retry.reset();
                None
            }
        };
        let secrets = self.dependencies.host.settings().secrets.secrets();
        let result = result.map_err(|refusal| secrets.redact(&refusal.problems));
        let now = SystemTime::now();
        match &result {
            Ok(_) => self.dependencies.reloads.succeeded(now),
            Err(problems) => self.dependencies.reloads.failed(problems.clone(), now, retry_at),
        }
        (self.dependencies.on_reload)(&result, retry_at);
        result
    }

    async fn read(&mut self) -> Result<Reloaded, Refusal> {
        let Dependencies {
            host,
            paths,
            suite_updates,
            ..
        } = &self.dependencies;
        let mut recorded = Files::default();
        let loaded = timeout(RELOAD_TIMEOUT, load_recording(paths, host, &mut recorded)).await;
        // A missing file may appear, and a broken one may be fixed.
        if !recorded.sources.is_empty() {
            self.debouncer.reset(recorded.fingerprint);
            self.sources = recorded.sources;
        }
        let loaded = loaded.map_err(|_| Refusal {
            problems: format!("the reload took longer than {} s", RELOAD_TIMEOUT.as_secs()),
            is_transient: true,
        })??;
        let checks = ids(&loaded.suite);
        let (update, replaced_rx) = SuiteUpdate::new(loaded);
        suite_updates.send(update).await.map_err(|_| Refusal::ending())?;
        // Dropped on this thread, because it takes a while.
        drop(replaced_rx.await.map_err(|_| Refusal::ending())?);
        let before = std::mem::replace(&mut self.checks, checks);
        Ok(Reloaded::new(&before, &self.checks))
    }
}

/// Sleeps until `at`, or for ever without one.
async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn ids(suite: &Suite) -> BTreeSet<CheckId> {
    suite.checks.iter().map(|check| check.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_begin_anew_when_it_went_well() {
        let (mut retry, now) = (Backoff::new(RETRY_BACKOFF), Instant::now());
        assert_eq!(retry.until(), None);
        let mut wait = || (retry.record_failure(None, now) - now).as_secs();
        let waits: Vec<u64> = (0..40).map(|_| wait()).collect();
        assert_eq!(waits[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits[39], 300);
        assert_eq!(retry.until(), Some(now + Duration::from_secs(300)));
        retry.reset();
        assert_eq!(retry.until(), None);
        assert_eq!(retry.record_failure(None, now) - now, Duration::from_secs(5));
    }
}
