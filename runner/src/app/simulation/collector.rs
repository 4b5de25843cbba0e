//! A simulated collector. It checks that the spans of each run arrive exactly once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::{Instant, sleep};

use canary_run::outcome::Run;
use canary_suite::CheckId;
use canary_telemetry::Signal;
use canary_telemetry::delivery::simulated::{self, Status};

/// Round-trip time.
const LATENCY: Duration = Duration::from_millis(20);
/// Maximum size of a request with spans while the collector accepts little; ten times as much for metrics.
pub(super) const LITTLE: usize = 3_000;
/// What was handed over this long before a kill may not be in the journal yet.
const GATHERED: Duration = Duration::from_millis(20);
/// What arrived this long before a kill may not be recorded as delivered.
const UNNOTED: Duration = Duration::from_secs(2);

/// How the collector behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Behaviour {
    #[default]
    Takes,
    /// Responds after this many milliseconds.
    Slow(u64),
    /// Responds with this status and these seconds of `Retry-After`, and accepts nothing.
    Answers(u16, Option<u64>),
    /// Responds that a request is invalid.
    Rejects,
    /// Responds with this status to each request with spans of one check, and accepts all others.
    Chokes(u16),
    /// Accepts requests of up to [`LITTLE`] bytes.
    TakesLittle,
    /// Refuses connections.
    Away,
    /// Never responds.
    Hangs,
    /// Accepts requests, and never responds.
    TakesAndHangs,
    /// Makes the task that sends to it panic.
    Panics,
}

impl Behaviour {
    /// Whether exports fail.
    pub(super) fn is_failing(self) -> bool {
        matches!(
            self,
            Self::Answers(..) | Self::Away | Self::Hangs | Self::TakesAndHangs
        )
    }
}

/// Clones share their state.
#[derive(Debug, Clone, Default)]
pub(super) struct Collector(Arc<Mutex<Inner>>);

type TraceId = [u8; 16];

#[derive(Debug, Default)]
struct Inner {
    behaviour: Behaviour,
    /// Runs whose spans have not arrived: their check, and when they were handed over.
    owed: HashMap<TraceId, (CheckId, Instant)>,
    /// The check whose spans it fails at.
    choked: Option<CheckId>,
    arrived: HashMap<TraceId, Instant>,
    /// Traces of which the runner does not know that they arrived.
    may_repeat: HashSet<TraceId>,
    violation: Option<String>,
}

impl Collector {
    pub(super) fn exporter(&self) -> simulated::Collector {
        let collector = self.clone();
        simulated::Collector::new(move |signal, request| collector.clone().receive(signal, request))
    }

    async fn receive(self, signal: Signal, request: Bytes) -> Status {
        sleep(LATENCY).await;
        let behaviour = self.inner().behaviour;
        let little = if signal == Signal::Traces {
            LITTLE
        } else {
            10 * LITTLE
        };
        match behaviour {
            Behaviour::Takes => {}
            Behaviour::Slow(millis) => sleep(Duration::from_millis(millis)).await,
            Behaviour::Answers(status, after) => return Status::Http(status, after),
            Behaviour::Chokes(status) if self.inner().is_choked(signal, &request) => {
                return Status::Http(status, None);
            }
            Behaviour::Chokes(_) => {}
            Behaviour::Away => return Status::Refused,
            Behaviour::TakesLittle if request.len() > little => return Status::Http(413, None),
            Behaviour::TakesLittle => {}
            Behaviour::Rejects => {
                self.inner().refuse(signal, &request);
                return Status::Http(400, None);
            }
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::TakesAndHangs => {
                self.inner().take(signal, &request, true);
                std::future::pending().await
            }
            Behaviour::Panics => std::panic::resume_unwind(Box::new("the task panics")),
        }
        self.inner().take(signal, &request, false);
        Status::Http(200, None)
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        let mut inner = self.inner();
        inner.behaviour = behaviour;
        inner.choked = None;
    }

    /// Whether it accepts all but the spans of one check.
    pub(super) fn is_choking(&self) -> bool {
        matches!(self.inner().behaviour, Behaviour::Chokes(_))
    }

    /// Expects the spans of this run.
    pub(super) fn owe(&self, run: &Run) {
        let owed = (run.check.id.clone(), Instant::now());
        self.inner().owed.insert(run.trace.trace_id, owed);
    }

    /// Number of runs whose spans have been missing for longer than this, without those of the check that it fails
    /// at.
    pub(super) fn late(&self, time: Duration) -> usize {
        let inner = self.inner();
        let owed = inner.owed.values();
        owed.filter(|(check, at)| at.elapsed() > time && inner.choked.as_ref() != Some(check))
            .count()
    }

    /// The process was killed. Without a journal everything that had not arrived is lost, and it is unknown what had.
    pub(super) fn killed(&self, has_journal: bool) {
        let inner = &mut *self.inner();
        inner
            .owed
            .retain(|_, (_, at)| has_journal && at.elapsed() > GATHERED);
        let unnoted = inner.arrived.iter();
        let unnoted = unnoted.filter(|(_, at)| !has_journal || at.elapsed() < UNNOTED);
        inner.may_repeat.extend(unnoted.map(|(trace_id, _)| *trace_id));
    }

    /// The runner dropped something, and counted it.
    pub(super) fn forgive(&self) {
        self.inner().owed.clear();
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.inner().violation.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    /// Whether a request has spans of the check that it fails at, which is the first one that it sees.
    fn is_choked(&mut self, signal: Signal, request: &Bytes) -> bool {
        let runs = simulated::trace_ids(signal, request);
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
        for trace_id in simulated::trace_ids(signal, request) {
            self.arrive(trace_id, may_repeat);
        }
    }

    /// A rejected request is split and sent again, and dropped in the end: whether it arrives again is left open.
    fn refuse(&mut self, signal: Signal, request: &Bytes) {
        for trace_id in simulated::trace_ids(signal, request) {
            self.owed.remove(&trace_id);
        }
    }

    fn arrive(&mut self, trace_id: TraceId, may_repeat: bool) {
        self.owed.remove(&trace_id);
        let is_known = self.arrived.insert(trace_id, Instant::now()).is_some();
        if is_known && !self.may_repeat.contains(&trace_id) {
            let name = hex::encode(trace_id);
            self.violation
                .get_or_insert(format!("the spans of run {name} arrived twice"));
        }
        if may_repeat {
            self.may_repeat.insert(trace_id);
        }
    }
}
