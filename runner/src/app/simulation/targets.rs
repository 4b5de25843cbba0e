//! What checks ask, and what they get.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::sleep;

use super::host::{Guest, Host};
use crate::dispatch::{Execute, Request};
use crate::ledger::Lease;
use crate::outcome::{Fault, Outcome, StopCause, Verdict, VerdictStatus};
use crate::sandbox::{Report, Room};
use crate::suite::Check;
use crate::trace::EndCause;

/// Runs that may go on at once.
pub(super) const CONCURRENCY: usize = 4;

/// How a target fares, or what becomes of the run that asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Passes,
    Warns,
    Fails,
    /// One of so many fails.
    Flaps(u32),
    /// It never answers, and the run is stopped at its deadline.
    Hangs,
    /// The plugin breaks.
    Breaks,
    /// The host panics.
    Panics,
    /// The host has no descriptor to lend.
    NoDescriptors,
    /// The run takes all that it gets of what checks share, and keeps it.
    Hoards,
    /// The run ignores its deadline.
    NeverEnds,
}

/// All targets, by check. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    inner: Arc<Mutex<Inner>>,
    room: Arc<Room>,
}

#[derive(Debug)]
struct Inner {
    /// Of the process that goes on.
    host: Option<Host>,
    is_starved: bool,
    trouble: Option<String>,
    moods: HashMap<String, Mood>,
    random: fastrand::Rng,
    running: usize,
    /// That went on at once.
    most: usize,
}

/// Counts a run that goes on.
struct Running(Targets);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.inner().running -= 1;
    }
}

impl Targets {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            host: None,
            is_starved: false,
            trouble: None,
            moods: HashMap::new(),
            random: fastrand::Rng::with_seed(seed),
            running: 0,
            most: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            room: Arc::new(Room::for_runs(4)),
        }
    }

    pub(super) fn set(&self, check: &str, mood: Mood) {
        self.inner().moods.insert(check.to_owned(), mood);
    }

    /// A process begins, which lends what it has.
    pub(super) fn run_on(&self, host: Host) {
        let mut inner = self.inner();
        if inner.is_starved {
            host.starve(true);
        }
        inner.host = Some(host);
    }

    /// The host has no descriptor to lend from now on, or has them again.
    pub(super) fn starve(&self, is_starved: bool) {
        let mut inner = self.inner();
        inner.is_starved = is_starved;
        if let Some(host) = &inner.host {
            host.starve(is_starved);
        }
    }

    pub(super) fn heal(&self) {
        self.inner().moods.clear();
        self.starve(false);
    }

    /// What must not be.
    pub(super) fn trouble(&self) -> Option<String> {
        let inner = self.inner();
        let most = inner.most;
        let crowded = (most > CONCURRENCY).then(|| format!("{most} runs went on at once"));
        // What was lent before the host fell short comes back in time.
        let host = inner.host.as_ref().filter(|_| !inner.is_starved);
        let overdrawn = host.and_then(Host::overdrawn);
        inner.trouble.clone().or(crowded).or(overdrawn)
    }

    /// Descriptors that are lent while no more runs go on than that.
    pub(super) fn leaked(&self) -> u64 {
        let inner = self.inner();
        let leased = inner.host.as_ref().map_or(0, |host| host.ledger.leased());
        leased.saturating_sub(inner.running as u64)
    }

    fn note(&self, trouble: String) {
        self.inner().trouble.get_or_insert(trouble);
    }

    fn is_stuck(&self, check: &Check) -> bool {
        self.inner().moods.get(&check.name) == Some(&Mood::NeverEnds)
    }

    /// Counts one more run, until it is dropped.
    fn begin(&self) -> Running {
        let mut inner = self.inner();
        inner.running += 1;
        inner.most = inner.most.max(inner.running);
        Running(self.clone())
    }

    /// How the next run fares, and how long an answer takes.
    fn draw(&self, check: &Check) -> (Mood, Duration) {
        let mut inner = self.inner();
        let mood = inner.moods.get(&check.name).copied().unwrap_or(Mood::Passes);
        let mood = match mood {
            Mood::Flaps(of) if inner.random.u32(..of) == 0 => Mood::Fails,
            Mood::Flaps(_) => Mood::Passes,
            mood => mood,
        };
        (mood, Duration::from_millis(inner.random.u64(1..900)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Execute for Targets {
    async fn execute(&self, request: Request<'_>) -> Report {
        let Request { check, shutdown, .. } = request;
        let _running = self.begin();
        let (mood, latency) = self.draw(check);
        let host = self.inner().host.clone().expect("a process goes on");
        let guest = host.admit(&request);
        let mut left_open = Vec::new();
        let outcome = tokio::select! {
            () = shutdown.cancelled(), if mood != Mood::NeverEnds => Outcome::Stopped(StopCause::Shutdown),
            outcome = self.answer(&guest, check, (mood, latency), &mut left_open) => outcome,
        };
        guest.page.end(EndCause::Returned);
        Report {
            outcome,
            usage: guest.page.usage(),
            log: Vec::new(),
            trail: guest.page.take_trail(),
            queued: Duration::ZERO,
        }
    }

    fn room(&self) -> &Room {
        &self.room
    }
}

impl Targets {
    async fn answer(
        &self,
        guest: &Guest,
        check: &Check,
        (mood, latency): (Mood, Duration),
        left_open: &mut Vec<Lease>,
    ) -> Outcome {
        match mood {
            Mood::Hangs => sleep(check.timeout).await,
            Mood::Hoards => {
                if let Err(trouble) = guest.hoard(left_open).await {
                    self.note(trouble);
                }
            }
            Mood::NeverEnds => {
                while self.is_stuck(check) {
                    sleep(Duration::from_secs(1)).await;
                }
            }
            _ => {
                if let Err(cause) = guest.reach(latency).await {
                    if !self.inner().is_starved {
                        self.note(format!("{} got nothing of what checks share: {cause}", check.id));
                    }
                    return Outcome::Stopped(cause);
                }
            }
        }
        outcome(mood, check.timeout)
    }
}

fn outcome(mood: Mood, timeout: Duration) -> Outcome {
    let verdict = |status: VerdictStatus| {
        Outcome::Completed(Verdict {
            status,
            summary: status.word().to_owned().into(),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
        })
    };
    match mood {
        Mood::Passes | Mood::Flaps(_) | Mood::NoDescriptors => verdict(VerdictStatus::Pass),
        Mood::Warns => verdict(VerdictStatus::Warn),
        Mood::Fails => verdict(VerdictStatus::Fail),
        Mood::Breaks => Outcome::Faulted(Fault::Trap("unreachable".to_owned().into())),
        Mood::Panics => std::panic::resume_unwind(Box::new("the host panics")),
        Mood::Hangs | Mood::NeverEnds | Mood::Hoards => {
            Outcome::Stopped(StopCause::Deadline { limit: timeout })
        }
    }
}
