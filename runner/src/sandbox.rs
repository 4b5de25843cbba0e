//! The sandbox: one attempt of a check, from a fresh store to an outcome with nothing left behind.
//!
//! Only this module and `plugin` know wasmtime. Whatever happens to a guest, a panic in a host function included,
//! is an [`Outcome`]; and before it is returned, the attempt's page is closed and every descriptor with it.

mod bindings;
mod config_batch;
mod contract;
mod cpu;
mod describe;
mod description;
mod engine;
mod fault;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guest;
mod host;
mod imports;
mod limiter;
mod line;
mod polls;
mod program;
mod room;
mod state;
mod work;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

pub use crate::suite::ProblemAt;
pub use contract::ContractVersion;
pub use describe::{ConfigProblem, ConfigRequest};
pub use description::{Description, Metric};
pub use engine::{Engine, EngineError, EngineSettings};
pub(crate) use fault::is_short_of_memory;
pub use fault::panic_text;
pub use polls::{HostFunction, PollRegistry, PollUnderWay};
pub use program::{LinkError, Program};
pub use room::{Extra, Room, TooLarge, Weight};

use crate::grant::Grants;
use crate::ledger::{Denial, Ledger, Page, PageOwner, RunMark};
use crate::net::{Client, Shared};
use crate::outcome::{Fault, LogLine, Outcome, StopCause, Usage, Verdict, VerdictStatus};
use crate::quota::{Quota, QuotaKind};
use crate::record::{Part, Recorder};
use crate::suite::{Check, Secrets};
use crate::trace::{EndCause, Shortage, StepKind, TraceContext, Trail};
use bindings::v0_2::probe;
use cpu::CpuMeter;
use guest::Guest;
use state::State;
use work::{Work, within_cpu};

/// How much earlier than the run's deadline a host function gives up, so that the guest can still answer:
/// a twentieth of the time, within these bounds.
const ANSWER_TIME: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// One attempt to run.
pub struct Attempt<'a> {
    /// What is run.
    pub check: &'a Arc<Check>,
    /// Its plugin's program.
    pub program: &'a Program,
    /// 1 for the first of a run.
    pub number: u32,
    /// Of the run.
    pub trace: TraceContext,
    /// Of the run.
    pub recorder: &'a Arc<Recorder>,
    /// Cancelled when the grace period of a shutdown is over.
    pub shutdown: &'a CancellationToken,
}

/// What came of an attempt. Every descriptor that it used is closed.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// What the guest logged.
    pub log: Vec<LogLine>,
    /// What the host did for it; times count from the attempt's start.
    pub trail: Trail,
    /// How long it could have gone on, and waited for others that compute.
    pub queued: Duration,
}

/// What is known of a call, however it ended.
#[derive(Debug)]
struct Record {
    usage: Usage,
    log: Vec<LogLine>,
    trail: Trail,
    shortage: Option<Shortage>,
    queued: Duration,
}

impl Record {
    fn of(page: &Page, meter: &CpuMeter, memory_peak: u64) -> Self {
        let mut usage = page.usage();
        usage.cpu = meter.used();
        usage.memory_peak = memory_peak;
        Self {
            usage,
            queued: meter.queued(),
            log: page.take_log(),
            trail: page.take_trail(),
            shortage: page.shortage(),
        }
    }
}

/// Runs attempts.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    ledger: Arc<Ledger>,
    shared: Arc<Shared>,
    polls: PollRegistry,
}

/// What bounds one call of a guest.
struct Bounds {
    quota: Quota,
    timeout: Duration,
    grants: Grants,
    secrets: Secrets,
    trace: TraceContext,
    owner: PageOwner,
    recorder: Arc<Recorder>,
}

impl Sandbox {
    /// A sandbox on an engine, lending from a ledger.
    #[must_use]
    pub fn new(engine: Engine, ledger: Arc<Ledger>, shared: Arc<Shared>) -> Self {
        engine.room().show(&ledger);
        engine.line().show(&ledger);
        Self {
            engine,
            ledger,
            shared,
            polls: PollRegistry::default(),
        }
    }

    /// The polls of all runs, for a watchdog.
    #[must_use]
    pub fn polls(&self) -> &PollRegistry {
        &self.polls
    }

    /// The engine that plugins are compiled for.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The account of all descriptors.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Runs one attempt to its end.
    ///
    /// Cancellation: dropping the future closes every descriptor of the attempt, and nothing is recorded.
    pub async fn run(&self, attempt: Attempt<'_>) -> Report {
        let check = attempt.check;
        let bounds = Bounds {
            quota: check.quota,
            timeout: check.timeout,
            grants: check.grants.clone(),
            secrets: check.secrets.clone(),
            trace: attempt.trace,
            owner: PageOwner {
                check: check.id.clone(),
                run: Some(RunMark {
                    trace_id: attempt.trace.trace_id,
                    plugin: check.plugin.as_str().into(),
                }),
                attempt: attempt.number,
            },
            recorder: Arc::clone(attempt.recorder),
        };
        let request = request(&attempt);
        let call = async |guest: &Guest, store: &mut Store<State>| guest.run(store, &request).await;
        let record = async |returned, meter: &Arc<CpuMeter>| match returned {
            Ok(verdict) => {
                let is_own_fault = host::is_own_fault(&verdict);
                let verdict = host::verdict(attempt.recorder, meter, verdict).await;
                Ok((verdict, is_own_fault))
            }
            Err(reason) => Err(reason),
        };
        let (called, mut record) = self
            .call(attempt.program, bounds, attempt.shutdown, call, record)
            .await;
        let outcome = match called {
            Ok(returned) => {
                record.usage.own_failures += u64::from(matches!(returned, Ok((_, true))));
                let returned = returned.map(|(verdict, _)| verdict);
                judged(returned, record.shortage, attempt.recorder)
            }
            Err(outcome) => outcome,
        };
        Report {
            outcome,
            usage: record.usage,
            log: record.log,
            trail: record.trail,
            queued: record.queued,
        }
    }

    /// One call of a fresh instance, bounded in every way, and what is made of what it returns. That comes after the
    /// deadline counts: it is bounded by the quota of `cpu`, and a guest that returned in time is not late.
    async fn call<T, U>(
        &self,
        program: &Program,
        bounds: Bounds,
        shutdown: &CancellationToken,
        call: impl AsyncFnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<T>,
        conclude: impl AsyncFnOnce(T, &Arc<CpuMeter>) -> U,
    ) -> (Result<U, Outcome>, Record) {
        let deadline = Instant::now() + bounds.timeout;
        let shown = self.polls.enter(&bounds.owner.check);
        let place = self.engine.line().place(&bounds.owner.check);
        let meter = Arc::new(CpuMeter::new(&bounds.quota, place, shown));
        let recorder = &bounds.recorder;
        let page = self
            .ledger
            .open_page(bounds.owner, bounds.quota, Arc::clone(recorder));
        let client = Client::new(
            Arc::clone(&self.shared),
            Arc::clone(&page),
            bounds.grants,
            bounds.secrets,
            deadline - answer_time(bounds.timeout),
            bounds.trace,
        );
        let mut store = self
            .engine
            .store(State::new(client, Arc::clone(&meter), &bounds.quota));
        let work = Work {
            meter: &meter,
            recorder,
            shutdown,
        };
        let ended = {
            let guest = async {
                let instance = instantiate(program, &mut store, &page, deadline).await?;
                meter.begin_guest();
                let called = call(&instance, &mut store).await;
                called.map_err(|error| fault::of_call(error, recorder, store.data()))
            };
            let ended = work.until(deadline, bounds.timeout, pin!(guest)).await;
            let ended = within_cpu(&meter, ended);
            // Before the call and its store go: whatever is open now was left open.
            page.end(end_cause(&ended));
            ended
        };
        let ended = match ended {
            Ok(returned) => {
                note_refused_memory(&page, store.data());
                let concluded = pin!(async { Ok(conclude(returned, &meter).await) });
                work.measured(concluded, || None).await
            }
            Err(outcome) => Err(fault::explain(outcome, store.data())),
        };
        let ended = within_cpu(&meter, ended);
        let memory_peak = store.data().limiter.peak();
        drop(store);
        (ended, Record::of(&page, &meter, memory_peak))
    }
}

/// Counts memory that a guest was refused and did without.
fn note_refused_memory(page: &Page, state: &State) {
    if let Some(denial) = state.limiter.refusal() {
        page.note_denial(denial.what);
    }
}

/// What a guest has left to answer in, once its network calls have run out of time.
fn answer_time(timeout: Duration) -> Duration {
    (timeout / 20).clamp(ANSWER_TIME.0, ANSWER_TIME.1).min(timeout)
}

/// What a guest says of its target: not that something is wrong with it when the host itself was short of something,
/// nor that the plugin is.
fn judged(returned: Result<Verdict, String>, shortage: Option<Shortage>, recorder: &Recorder) -> Outcome {
    match (returned, shortage.map(StopCause::from)) {
        (Ok(verdict), None) => Outcome::Completed(verdict),
        (Ok(verdict), Some(_)) if verdict.status == VerdictStatus::Pass => Outcome::Completed(verdict),
        (Err(reason), None) => Outcome::Faulted(Fault::GaveUp(recorder.text(Part::Conclusion, reason))),
        (Ok(_) | Err(_), Some(cause)) => cause.into(),
    }
}

/// A fresh instance, as a step of the run's record.
async fn instantiate(
    program: &Program,
    store: &mut Store<State>,
    page: &Arc<Page>,
    deadline: Instant,
) -> Result<Guest, Outcome> {
    let step = page.begin(StepKind::Instantiate, deadline);
    let instance = program.instantiate(store).await;
    let failed = instance.as_ref().err();
    step.end(failed.map(|error| ("instantiate", format!("{error:#}"))));
    instance.map_err(|error| fault::instantiate(error, page.recorder()))
}

fn end_cause<T>(ended: &Result<T, Outcome>) -> EndCause {
    match ended {
        Ok(_) => EndCause::Returned,
        Err(Outcome::Stopped(StopCause::Deadline { .. })) => EndCause::Deadline,
        Err(Outcome::Stopped(StopCause::Quota { .. })) => EndCause::Quota,
        Err(Outcome::Stopped(StopCause::Shutdown)) => EndCause::Shutdown,
        // Of a verdict that was there, all this comes later.
        Err(Outcome::Stopped(
            StopCause::Descriptors
            | StopCause::TrustStore
            | StopCause::DnsBusy
            | StopCause::Instances
            | StopCause::HostMemory
            | StopCause::Overload { .. },
        )) => EndCause::Returned,
        Err(Outcome::Faulted(_) | Outcome::Completed(_)) => EndCause::Trapped,
    }
}

fn request(attempt: &Attempt<'_>) -> probe::Request {
    let check = attempt.check;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    probe::Request {
        check: check.name.clone(),
        target: check.target.expose().to_owned(),
        config: check.config.expose().to_owned(),
        attempt: attempt.number,
        now: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        time_left: u32::try_from(check.timeout.as_millis()).unwrap_or(u32::MAX),
        expect_failure: check.expect_failure,
        quotas: quotas(&check.quota),
        extra: Vec::new(),
    }
}

fn quotas(quota: &Quota) -> Vec<(String, u64)> {
    let limit = |kind: QuotaKind| (kind.key().to_owned(), quota.limit(kind));
    QuotaKind::ALL.map(limit).into()
}

impl From<Denial> for StopCause {
    fn from(denial: Denial) -> Self {
        Self::Quota {
            what: denial.what,
            limit: denial.limit,
        }
    }
}

impl From<Shortage> for StopCause {
    fn from(shortage: Shortage) -> Self {
        match shortage {
            Shortage::Descriptors => Self::Descriptors,
            Shortage::Dns => Self::DnsBusy,
            Shortage::TrustStore => Self::TrustStore,
        }
    }
}

impl From<StopCause> for Outcome {
    fn from(cause: StopCause) -> Self {
        Self::Stopped(cause)
    }
}

#[cfg(test)]
mod tests;
