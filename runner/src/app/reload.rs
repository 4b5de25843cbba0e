//! The suite read again while the old one runs: everything is parsed and compiled first, on a thread of its own, and
//! then put in force as a whole or not at all.

mod footprint;
mod reloaded;
mod retry;
mod settling;
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
use super::load::{Files, Loaded, load_noting};
use super::serve::Swap;
use super::systemd::Systemd;
use crate::liveness::{self, Component, Impact, Thread, runtime};
use crate::signal::Hangup;
use crate::suite::{CheckId, Problems, Suite};
use crate::watch::reloads::Reloads;
use retry::Retry;
use settling::{Look, Settling};
use writers::Writers;

pub(super) use footprint::Footprint;
pub use reloaded::Reloaded;

/// Files are looked at this often. A change is taken at the next look at the earliest, see [`Settling`].
const LOOK: Duration = Duration::from_secs(2);
/// A reload that is not over by then is given up. Each file and each plugin has a shorter limit of its own.
const LIMIT: Duration = Duration::from_secs(3 * 60);
/// Askers that wait for a reload; further ones are refused.
const ASKERS: usize = 16;
const RELOAD: Component = Component {
    name: "reload",
    impact: Impact::Readiness,
};

/// What came of a reload: what is in force now, or every problem.
pub type Answer = Result<Reloaded, String>;

/// Asks for reloads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reload(mpsc::Sender<oneshot::Sender<Answer>>);

impl Reload {
    /// Has the suite read again, and waits until it is in force or refused.
    ///
    /// Cancellation: the reload goes on.
    ///
    /// # Errors
    /// Every problem of the suite; or too many ask at once, or the runner goes down.
    pub async fn ask(&self) -> Answer {
        let (tell, told) = oneshot::channel();
        if self.0.try_send(tell).is_err() {
            return Err("too many ask for a reload at once, or the runner goes down".to_owned());
        }
        told.await
            .unwrap_or_else(|_| Err("the runner goes down".to_owned()))
    }
}

/// What a reloader needs to know of the suite that is in force, and not the suite itself: that goes with the next one.
#[derive(Debug)]
pub struct Current {
    files: Files,
    checks: BTreeSet<CheckId>,
}

impl Current {
    /// Of a suite.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        Self {
            files: loaded.files.clone(),
            checks: ids(&loaded.suite),
        }
    }
}

/// Is given what came of a reload, and when it is tried again by itself.
pub type OnAnswer = dyn FnMut(&Answer, Option<Instant>) + Send;

/// What a reloader works with.
pub struct Parts {
    /// Compiles plugins.
    pub host: Arc<Host>,
    /// Files of the suite, as the operator named them.
    pub paths: Vec<PathBuf>,
    /// The suite that is in force.
    pub current: Current,
    /// Where suites go.
    pub swaps: mpsc::Sender<Swap>,
    /// How it went.
    pub reloads: Reloads,
    /// SIGHUP, taken over before the service says that it runs.
    pub hangup: Hangup,
    /// Is told that the suite is read again.
    pub(super) systemd: Systemd,
    /// When to begin.
    pub begin: CancellationToken,
    /// For each time.
    pub told: Box<OnAnswer>,
}

/// Starts the thread that reads the suite when it is asked to, on SIGHUP, when one of its files changed, and now and then
/// while it could not be read for a reason that may pass.
///
/// # Errors
/// The operating system refuses a thread, a signal handler, or what a runtime needs.
pub fn start(parts: Parts) -> io::Result<(Reload, Thread)> {
    let (asks, asked) = mpsc::channel(ASKERS);
    let Files { sources, seen } = parts.current.files.clone();
    let reloader = Reloader {
        // What changed since it was read is a change like any other.
        settling: Settling::new(seen),
        checks: parts.current.checks.clone(),
        sources,
        retry: Retry::default(),
        is_blind: false,
        parts,
    };
    let begin = reloader.parts.begin.clone();
    let liveness = reloader.parts.host.settings().liveness.clone();
    let thread = Thread::start(RELOAD, &liveness, runtime()?, &begin, |stop| {
        reloader.run(asked, stop)
    })?;
    Ok((Reload(asks), thread))
}

struct Reloader {
    parts: Parts,
    sources: BTreeSet<PathBuf>,
    settling: Settling,
    /// Those in force.
    checks: BTreeSet<CheckId>,
    retry: Retry,
    /// Whether the disk did not say at the last look what files look like.
    is_blind: bool,
}

/// Why a suite is not in force.
struct Refusal {
    /// Every problem.
    problems: String,
    /// Whether one of them may pass by itself.
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
    async fn run(mut self, mut asked: mpsc::Receiver<oneshot::Sender<Answer>>, stop: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next_try = self.retry.at();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.parts.hangup.requested() => drop(self.reload().await),
                Some(asker) = asked.recv() => {
                    let answer = self.reload().await;
                    // Whoever asked may have gone.
                    let _nobody_waits = asker.send(answer);
                }
                () = due(next_try) => self.try_again().await,
                _ = looks.tick() => {
                    if self.look().await == Look::Settled {
                        drop(self.reload().await);
                    }
                }
            }
        }
    }

    /// Reads a suite again that could not be read, unless somebody is at it: it is read when it is whole.
    async fn try_again(&mut self) {
        match self.look().await {
            Look::Unsettled | Look::Overdue(_) => drop(self.retry.failed(Instant::now())),
            Look::Unchanged | Look::Settled => drop(self.reload().await),
        }
    }

    /// Whether files changed, and are whole enough to be read.
    async fn look(&mut self) -> Look {
        let sources = self.sources.clone();
        let found = liveness::once("suite", move || Footprint::of(&sources)).await;
        let is_known = found.as_ref().is_ok_and(Footprint::is_known);
        self.note_blindness(!is_known);
        let look = match found {
            Ok(found) if is_known => self.settling.look(found, Instant::now(), Writers::of_any),
            _ => Look::Unchanged,
        };
        if let Look::Overdue(path) = &look {
            self.report_unfinished(path);
        }
        look
    }

    /// Half a suite may be a suite, with which checks and their alerts would go.
    fn report_unfinished(&mut self, path: &Path) {
        let problem = format!(
            "{}: it is still being written, and is read once it has been left alone for a while; write it beside and \
             rename it, or ask for a reload",
            path.display()
        );
        let shown = self.parts.host.settings().secrets.others();
        let problem = shown.redact(&problem);
        self.parts
            .reloads
            .failed(problem.clone(), SystemTime::now(), None);
        (self.parts.told)(&Err(problem), None);
    }

    /// Where nobody can see whether files changed they are read now and then.
    fn note_blindness(&mut self, is_blind: bool) {
        self.is_blind = is_blind;
        self.parts.reloads.see(!is_blind);
        if is_blind && self.retry.at().is_none() {
            self.retry.failed(Instant::now());
        }
    }

    async fn reload(&mut self) -> Answer {
        self.parts.systemd.reloading();
        self.parts.reloads.started(Instant::now());
        let answer = self.read().await;
        let retry_at = match &answer {
            Err(Refusal {
                is_transient: true, ..
            }) => Some(self.retry.failed(Instant::now())),
            _ if self.is_blind => {
                self.retry.failed(Instant::now());
                None
            }
            _ => {
                self.retry.clear();
                None
            }
        };
        let shown = self.parts.host.settings().secrets.others();
        let answer = answer.map_err(|refusal| shown.redact(&refusal.problems));
        let now = SystemTime::now();
        match &answer {
            Ok(_) => self.parts.reloads.succeeded(now),
            Err(problems) => self.parts.reloads.failed(problems.clone(), now, retry_at),
        }
        (self.parts.told)(&answer, retry_at);
        answer
    }

    async fn read(&mut self) -> Result<Reloaded, Refusal> {
        let Parts {
            host, paths, swaps, ..
        } = &self.parts;
        let mut noted = Files::default();
        let loaded = timeout(LIMIT, load_noting(paths, host, &mut noted)).await;
        // A file that it lacks may come, and one that is wrong may be mended.
        if !noted.sources.is_empty() {
            self.settling.taken(noted.seen);
            self.sources = noted.sources;
        }
        let loaded = loaded.map_err(|_| Refusal {
            problems: format!("the reload took longer than {} s", LIMIT.as_secs()),
            is_transient: true,
        })??;
        let checks = ids(&loaded.suite);
        let (swap, in_force) = Swap::new(loaded);
        swaps.send(swap).await.map_err(|_| Refusal::ending())?;
        // Released here, where nobody waits for that.
        drop(in_force.await.map_err(|_| Refusal::ending())?);
        let before = std::mem::replace(&mut self.checks, checks);
        Ok(Reloaded::new(&before, &self.checks))
    }
}

/// Waits until then, or for ever.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn ids(suite: &Suite) -> BTreeSet<CheckId> {
    suite.checks.iter().map(|check| check.id.clone()).collect()
}
