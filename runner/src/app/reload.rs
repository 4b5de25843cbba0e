//! The suite read again while the old one runs: everything is parsed and compiled first, on a thread of its own, and
//! then put in force as a whole or not at all.

mod footprint;
mod reloaded;
mod settling;
mod writers;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Host;
use super::load::{Loaded, Noted, load_noting};
use super::serve::Swap;
use super::systemd::Systemd;
use crate::liveness::{Component, Impact, Thread, runtime};
use crate::signal::Hangup;
use crate::suite::{CheckId, Suite};
use crate::watch::reloads::Reloads;
use settling::Settling;
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

/// What a reloader works with.
pub struct Parts {
    /// Compiles plugins.
    pub host: Arc<Host>,
    /// Files of the suite, as the operator named them.
    pub paths: Vec<PathBuf>,
    /// The suite that is in force.
    pub current: Loaded,
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
    /// Told of each time, with what came of it.
    pub told: Box<dyn FnMut(&Answer) + Send>,
}

/// Starts the thread that reads the suite when it is asked to, on SIGHUP, and when one of its files changed.
///
/// # Errors
/// The operating system refuses a thread, a signal handler, or what a runtime needs.
pub fn start(parts: Parts) -> io::Result<(Reload, Thread)> {
    let (asks, asked) = mpsc::channel(ASKERS);
    let suite = parts.paths.iter().cloned().collect();
    let reloader = Reloader {
        // What changed since it was read is a change like any other.
        settling: match Footprint::of(&suite) == parts.current.before {
            true => Settling::new(parts.current.seen.clone()),
            false => Settling::changed(Footprint::of(&parts.current.sources), Instant::now()),
        },
        checks: ids(&parts.current.suite),
        sources: parts.current.sources.clone(),
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
}

impl Reloader {
    async fn run(mut self, mut asked: mpsc::Receiver<oneshot::Sender<Answer>>, stop: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.parts.hangup.requested() => drop(self.reload().await),
                Some(asker) = asked.recv() => {
                    let answer = self.reload().await;
                    // Whoever asked may have gone.
                    let _nobody_waits = asker.send(answer);
                }
                _ = looks.tick() => {
                    if self.has_changed() {
                        drop(self.reload().await);
                    }
                }
            }
        }
    }

    /// Whether files changed, and are whole enough to be read.
    fn has_changed(&mut self) -> bool {
        let found = Footprint::of(&self.sources);
        self.settling.look(found, Instant::now(), Writers::of_any)
    }

    async fn reload(&mut self) -> Answer {
        // Before they are read: what changes meanwhile is another change.
        self.settling.taken(Footprint::of(&self.sources));
        self.parts.systemd.reloading();
        self.parts.reloads.started(Instant::now());
        let shown = self.parts.host.settings().secrets.others();
        let answer = self.read().await.map_err(|problems| shown.redact(&problems));
        let now = SystemTime::now();
        match &answer {
            Ok(_) => self.parts.reloads.succeeded(now),
            Err(problems) => self.parts.reloads.failed(problems.clone(), now),
        }
        (self.parts.told)(&answer);
        answer
    }

    async fn read(&mut self) -> Answer {
        let Parts {
            host, paths, swaps, ..
        } = &self.parts;
        let mut noted = Noted::default();
        let loaded = timeout(LIMIT, load_noting(paths, host, &mut noted)).await;
        let loaded = loaded.map_err(|_| format!("the reload took longer than {} s", LIMIT.as_secs()))?;
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(problems) => {
                // A file that it lacks may come, and one that is wrong may be mended.
                self.watch(noted);
                return Err(problems.to_string());
            }
        };
        let checks = ids(&loaded.suite);
        let (sources, seen) = (loaded.sources.clone(), loaded.seen.clone());
        let (done, in_force) = oneshot::channel();
        let gone = || "the runner goes down".to_owned();
        swaps.send(Swap { loaded, done }).await.map_err(|_| gone())?;
        in_force.await.map_err(|_| gone())?;
        if sources != self.sources {
            self.settling.taken(seen);
        }
        self.sources = sources;
        let before = std::mem::replace(&mut self.checks, checks);
        Ok(Reloaded::new(&before, &self.checks))
    }

    /// Looks at the files of a suite that is refused from now on.
    fn watch(&mut self, noted: Noted) {
        if noted.sources != self.sources {
            self.settling.taken(noted.seen);
            self.sources = noted.sources;
        }
    }
}

fn ids(suite: &Suite) -> BTreeSet<CheckId> {
    suite.checks.iter().map(|check| check.id.clone()).collect()
}
