//! What checks ask, and what they get.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::sleep;

use crate::dispatch::{Execute, Request};
use crate::outcome::{Fault, Outcome, StopCause, Usage, Verdict, VerdictStatus};
use crate::sandbox::{Report, Room};
use crate::suite::Check;
use crate::trace::Trail;

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

    pub(super) fn heal(&self) {
        self.inner().moods.clear();
    }

    /// What must not be.
    pub(super) fn trouble(&self) -> Option<String> {
        let most = self.inner().most;
        (most > CONCURRENCY).then(|| format!("{most} runs went on at once"))
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
        let outcome = tokio::select! {
            () = shutdown.cancelled(), if mood != Mood::NeverEnds => Outcome::Stopped(StopCause::Shutdown),
            outcome = self.answer(check, mood, latency) => outcome,
        };
        Report {
            outcome,
            usage: Usage::default(),
            log: Vec::new(),
            trail: Trail::default(),
        }
    }

    fn room(&self) -> &Room {
        &self.room
    }
}

impl Targets {
    async fn answer(&self, check: &Check, mood: Mood, latency: Duration) -> Outcome {
        match mood {
            Mood::Hangs => sleep(check.timeout).await,
            Mood::NeverEnds => {
                while self.is_stuck(check) {
                    sleep(Duration::from_secs(1)).await;
                }
            }
            _ => sleep(latency).await,
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
        Mood::Passes | Mood::Flaps(_) => verdict(VerdictStatus::Pass),
        Mood::Warns => verdict(VerdictStatus::Warn),
        Mood::Fails => verdict(VerdictStatus::Fail),
        Mood::Breaks => Outcome::Faulted(Fault::Trap("unreachable".to_owned().into())),
        Mood::Panics => std::panic::resume_unwind(Box::new("the host panics")),
        Mood::NoDescriptors => Outcome::Stopped(StopCause::Descriptors),
        Mood::Hangs | Mood::NeverEnds => Outcome::Stopped(StopCause::Deadline { limit: timeout }),
    }
}
