//! A collector of telemetry, and what has to arrive there: the spans of each run, once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::{Instant, sleep};

use crate::outcome::Run;
use crate::suite::CheckId;
use crate::telemetry::delivery::simulated::{self, Status};
use crate::telemetry::settings::Signal;

/// How far the collector is, there and back.
const LATENCY: Duration = Duration::from_millis(20);
/// Bytes of spans that it takes at once where it takes little; of metrics, ten times as much.
pub(super) const LITTLE: usize = 3_000;
/// What was handed over this long before a kill may not be in the journal yet.
const GATHERED: Duration = Duration::from_millis(20);
/// What arrived this long before a kill may not be noted to have arrived.
const UNNOTED: Duration = Duration::from_secs(2);

/// How the collector fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Takes,
    /// An answer takes this many milliseconds.
    Slow(u64),
    /// It answers this status, with these seconds to wait, and takes nothing.
    Answers(u16, Option<u64>),
    /// It answers that a request is wrong, and will be.
    Rejects,
    /// It answers this status to each request that has spans of one check, and takes all others.
    Chokes(u16),
    /// It takes [`LITTLE`] at once.
    TakesLittle,
    /// It does not listen.
    Away,
    /// It never answers.
    Hangs,
    /// It takes what it gets, and never answers.
    TakesAndHangs,
    /// The task that sends to it panics.
    Panics,
}

impl Mood {
    /// Whether exports fail.
    pub(super) fn is_failing(self) -> bool {
        matches!(
            self,
            Self::Answers(..) | Self::Away | Self::Hangs | Self::TakesAndHangs
        )
    }
}

/// Clones are the same collector.
#[derive(Debug, Clone, Default)]
pub(super) struct Collector(Arc<Mutex<Inner>>);

type TraceId = [u8; 16];

#[derive(Debug, Default)]
struct Inner {
    mood: Mood,
    /// Runs whose spans have not arrived: their check, and when they were handed over.
    owed: HashMap<TraceId, (CheckId, Instant)>,
    /// At whose spans it chokes.
    choked: Option<CheckId>,
    arrived: HashMap<TraceId, Instant>,
    /// Of which the runner does not know that they arrived.
    may_repeat: HashSet<TraceId>,
    trouble: Option<String>,
}

impl Collector {
    pub(super) fn exporter(&self) -> simulated::Collector {
        let collector = self.clone();
        simulated::Collector::new(move |signal, request| collector.clone().receive(signal, request))
    }

    async fn receive(self, signal: Signal, request: Bytes) -> Status {
        sleep(LATENCY).await;
        let mood = self.inner().mood;
        let little = if signal == Signal::Traces {
            LITTLE
        } else {
            10 * LITTLE
        };
        match mood {
            Mood::Takes => {}
            Mood::Slow(millis) => sleep(Duration::from_millis(millis)).await,
            Mood::Answers(status, after) => return Status::Http(status, after),
            Mood::Chokes(status) if self.inner().is_choked(signal, &request) => {
                return Status::Http(status, None);
            }
            Mood::Chokes(_) => {}
            Mood::Away => return Status::Refused,
            Mood::TakesLittle if request.len() > little => return Status::Http(413, None),
            Mood::TakesLittle => {}
            Mood::Rejects => {
                self.inner().refuse(signal, &request);
                return Status::Http(400, None);
            }
            Mood::Hangs => std::future::pending().await,
            Mood::TakesAndHangs => {
                self.inner().take(signal, &request, true);
                std::future::pending().await
            }
            Mood::Panics => std::panic::resume_unwind(Box::new("the task panics")),
        }
        self.inner().take(signal, &request, false);
        Status::Http(200, None)
    }

    pub(super) fn set(&self, mood: Mood) {
        let mut inner = self.inner();
        inner.mood = mood;
        inner.choked = None;
    }

    /// Whether it takes all but the spans of one check.
    pub(super) fn is_choking(&self) -> bool {
        matches!(self.inner().mood, Mood::Chokes(_))
    }

    /// The spans of this run are to arrive.
    pub(super) fn owe(&self, run: &Run) {
        let owed = (run.check.id.clone(), Instant::now());
        self.inner().owed.insert(run.trace.trace_id, owed);
    }

    /// Runs whose spans have not arrived for longer than this, but for those of the check at which it chokes.
    pub(super) fn late(&self, time: Duration) -> usize {
        let inner = self.inner();
        let owed = inner.owed.values();
        owed.filter(|(check, at)| at.elapsed() > time && inner.choked.as_ref() != Some(check))
            .count()
    }

    /// The process was killed. Without a journal everything that had not arrived is lost, and nobody knows what had.
    pub(super) fn killed(&self, has_journal: bool) {
        let inner = &mut *self.inner();
        inner
            .owed
            .retain(|_, (_, at)| has_journal && at.elapsed() > GATHERED);
        let unnoted = inner.arrived.iter();
        let unnoted = unnoted.filter(|(_, at)| !has_journal || at.elapsed() < UNNOTED);
        inner.may_repeat.extend(unnoted.map(|(trace_id, _)| *trace_id));
    }

    /// Something was lost, and counted.
    pub(super) fn forgive(&self) {
        self.inner().owed.clear();
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.inner().trouble.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    /// Whether a request has spans of the check at which it chokes, which is the first that it sees.
    fn is_choked(&mut self, signal: Signal, request: &Bytes) -> bool {
        let runs = simulated::runs(signal, request);
        let mut checks = runs
            .iter()
            .filter_map(|run| self.owed.get(run))
            .map(|(check, _)| check);
        match &self.choked {
            Some(choked) => checks.any(|check| check == choked),
            None => {
                self.choked = checks.next().cloned();
                self.choked.is_some()
            }
        }
    }

    fn take(&mut self, signal: Signal, request: &Bytes, may_repeat: bool) {
        for trace_id in simulated::runs(signal, request) {
            self.arrive(trace_id, may_repeat);
        }
    }

    /// What is refused is divided and sent again, and lost in the end: whether it comes once more is left open.
    fn refuse(&mut self, signal: Signal, request: &Bytes) {
        for trace_id in simulated::runs(signal, request) {
            self.owed.remove(&trace_id);
        }
    }

    fn arrive(&mut self, trace_id: TraceId, may_repeat: bool) {
        self.owed.remove(&trace_id);
        let is_known = self.arrived.insert(trace_id, Instant::now()).is_some();
        if is_known && !self.may_repeat.contains(&trace_id) {
            let name = hex::encode(trace_id);
            self.trouble
                .get_or_insert(format!("the spans of run {name} arrived twice"));
        }
        if may_repeat {
            self.may_repeat.insert(trace_id);
        }
    }
}
