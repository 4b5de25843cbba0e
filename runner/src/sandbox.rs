//! The sandbox: one attempt of a check, from a fresh store to an outcome with nothing left behind.
//!
//! Only this module and `plugin` know wasmtime. Whatever happens to a guest, a panic in a host function included,
//! is an [`Outcome`]; and before it is returned, the attempt's page is closed and every descriptor with it.

mod bindings;
mod cpu;
mod engine;
mod fault;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
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

pub use bindings::Description;
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
use crate::quota::Quota;
use crate::record::{Part, Recorder};
use crate::suite::{Check, Secrets};
use crate::trace::{EndCause, Shortage, StepKind, TraceContext, Trail};
use bindings::probe;
use cpu::CpuMeter;
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
        let call = async |guest: &bindings::Check, store: &mut Store<State>| {
            guest.canary_check_probe().call_run(store, &request).await
        };
        let record = async |returned, meter: &Arc<CpuMeter>| match returned {
            Ok(verdict) => Ok(host::verdict(attempt.recorder, meter, verdict).await),
            Err(reason) => Err(reason),
        };
        let (called, record) = self
            .call(attempt.program, bounds, attempt.shutdown, call, record)
            .await;
        let outcome = match called {
            Ok(returned) => judged(returned, record.shortage, attempt.recorder),
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

    /// Asks a plugin what it is, without a network.
    ///
    /// # Errors
    /// How the call ended when it did not return.
    pub async fn describe(&self, program: &Program) -> Result<Description, Outcome> {
        let bounds = Bounds {
            quota: Quota {
                cpu: Duration::from_secs(5),
                memory: 64 << 20,
                ..Quota::default()
            },
            timeout: Duration::from_secs(10),
            grants: Grants::default(),
            secrets: Secrets::default(),
            trace: TraceContext {
                trace_id: [0; 16],
                span_id: [0; 8],
                sampled: false,
            },
            owner: PageOwner::service("describe"),
            recorder: Recorder::new(Secrets::default(), Quota::default().record),
        };
        let room = self.engine.room().to_describe(program.weight()).await;
        let _room = room.map_err(|_| StopCause::Instances)?;
        let (described, _) = self
            .call(
                program,
                bounds,
                &CancellationToken::new(),
                async |guest, store| guest.canary_check_probe().call_describe(store).await,
                async |description, _| description,
            )
            .await;
        described
    }

    /// One call of a fresh instance, bounded in every way, and what is made of what it returns. That comes after the
    /// deadline counts: it is bounded by the quota of `cpu`, and a guest that returned in time is not late.
    async fn call<T, U>(
        &self,
        program: &Program,
        bounds: Bounds,
        shutdown: &CancellationToken,
        call: impl AsyncFnOnce(&bindings::Check, &mut Store<State>) -> wasmtime::Result<T>,
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
                called.map_err(|error| fault::trap(error, recorder))
            };
            let guest = pin!(guest);
            let ended = work.until(deadline, bounds.timeout, guest).await;
            let ended = within_cpu(&meter, ended);
            // Before the call and its store go: whatever is open now was left open.
            page.end(end_cause(&ended));
            ended
        };
        let ended = match ended {
            Ok(returned) => {
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
) -> Result<bindings::Check, Outcome> {
    let step = page.begin(StepKind::Instantiate, deadline);
    let instance = program.pre().instantiate_async(store).await;
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
    }
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
