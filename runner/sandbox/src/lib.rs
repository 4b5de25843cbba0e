//! The sandbox: runs one attempt of a check, from a fresh store to an outcome, and leaves nothing behind.
//!
//! Only this crate uses wasmtime; it knows neither suites as files nor statuses. Every ending of a guest, a panic in a
//! host function included, becomes an [`Outcome`]. Before it is returned, the attempt's ledger page is closed and every
//! descriptor with it. [`plugin`] makes programs of untrusted bytes, and [`dispatch`] makes runs of attempts.

mod bindings;
mod call_context;
mod config_batch;
mod contract;
mod cpu;
mod cpu_queue;
mod describe;
mod description;
pub mod dispatch;
mod engine;
mod fault;
mod frames;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guest;
mod host;
mod imports;
mod instance_pool;
mod limiter;
mod output;
mod panic_message;
pub mod plugin;
mod polls;
mod program;
mod state;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

pub use canary_suite::ProblemAt;
pub use contract::{ContractVersion, LinkError};
pub use describe::{ConfigProblem, ConfigRequest};
pub use description::{Description, Metric};
pub use engine::{Engine, EngineError, EngineSettings};
pub use fault::panic_text;
pub use instance_pool::{ExtraSlots, InstancePool, TooLarge, Weight};
pub(crate) use limiter::is_short_of_memory;
pub use polls::{ActivePoll, HostFunction, PollRegistry};
pub use program::Program;

use bindings::v0_2::probe;
use call_context::{CallContext, within_cpu};
use canary_net::ledger::{Ledger, Page, PageOwner, RunRef};
use canary_net::{Client, NetServices};
use canary_record::quota::{Quota, QuotaKind};
use canary_record::trace::{EndCause, Shortage, StepKind, TraceContext, Trail};
use canary_record::{Recorder, Section};
use canary_run::outcome::{Fault, LogLine, Outcome, StopCause, Usage, Verdict, VerdictStatus};
use canary_suite::Check;
use canary_suite::grant::Grants;
use cpu::CpuMeter;
use guest::Guest;
use state::State;

/// How much earlier than the run's deadline a host function times out, so that the guest can still return a verdict:
/// a twentieth of the timeout, within these bounds, and at most a quarter of it.
const ANSWER_TIME: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// One attempt of a run.
pub struct Attempt<'a> {
    /// The check to run.
    pub check: &'a Arc<Check>,
    /// The linked program of the check's plugin.
    pub program: &'a Program,
    /// 1 for the first of a run.
    pub number: u32,
    /// Trace context of the run.
    pub trace: TraceContext,
    /// Recorder of the run.
    pub recorder: &'a Arc<Recorder>,
    /// Cancelled when the grace period of a shutdown has passed.
    pub shutdown: &'a CancellationToken,
}

/// The result of an attempt. Every descriptor that it used is closed.
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
    /// How long the run was ready to continue but waited for its CPU turn.
    pub queued: Duration,
}

/// What was recorded of a call, however it ended.
#[derive(Debug)]
struct CallRecord {
    usage: Usage,
    log: Vec<LogLine>,
    trail: Trail,
    shortage: Option<Shortage>,
    queued: Duration,
}

impl CallRecord {
    fn new(page: &Page, meter: &CpuMeter, memory_peak: u64) -> Self {
        let mut usage = page.usage();
        usage.used.cpu = meter.used();
        usage.used.memory_peak = memory_peak;
        Self {
            usage,
            queued: meter.queued(),
            log: page.take_log(),
            trail: page.take_trail(),
            shortage: page.shortage(),
        }
    }
}

/// Runs attempts. Cheap to clone; clones share the engine and the ledger.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    ledger: Arc<Ledger>,
    shared: Arc<NetServices>,
    polls: PollRegistry,
}

/// Everything that limits one call of a guest.
struct Bounds {
    quota: Quota,
    timeout: Duration,
    grants: Grants,
    trace: TraceContext,
    owner: PageOwner,
    recorder: Arc<Recorder>,
}

impl Sandbox {
    /// Creates a sandbox on an engine. Descriptors are leased from `ledger`.
    #[must_use]
    pub fn new(engine: Engine, ledger: Arc<Ledger>, shared: Arc<NetServices>) -> Self {
        engine.instance_pool().register_in(&ledger);
        engine.cpu_queue().register_in(&ledger);
        Self {
            engine,
            ledger,
            shared,
            polls: PollRegistry::default(),
        }
    }

    /// The polls that are in progress in all runs, for the watchdog.
    #[must_use]
    pub fn polls(&self) -> &PollRegistry {
        &self.polls
    }

    /// The engine that plugins are compiled for.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The ledger of all descriptors.
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
            trace: attempt.trace,
            owner: PageOwner {
                check: check.id.clone(),
                run: Some(RunRef {
                    trace_id: attempt.trace.trace_id,
                    plugin: check.plugin.as_str().into(),
                }),
                attempt: attempt.number,
            },
            recorder: Arc::clone(attempt.recorder),
        };
        let request = request(&attempt);
        let call = async |guest: &Guest, store: &mut Store<State>| guest.run(store, &request).await;
        let record = async |returned, page: &Page, meter: &Arc<CpuMeter>| match returned {
            Ok(verdict) => {
                let is_own_fault = host::is_own_fault(&verdict);
                let verdict = host::record_verdict(page, meter, verdict).await;
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
                classify(returned, record.shortage, attempt.recorder)
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

    /// Calls a fresh instance within `bounds`, then passes what it returned to `conclude`. The deadline covers the
    /// guest only: `conclude` runs after it and is limited by the quota `cpu`, so that a guest which returned in time
    /// never counts as late.
    async fn call<T, U>(
        &self,
        program: &Program,
        bounds: Bounds,
        shutdown: &CancellationToken,
        call: impl AsyncFnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<T>,
        conclude: impl AsyncFnOnce(T, &Page, &Arc<CpuMeter>) -> U,
    ) -> (Result<U, Outcome>, CallRecord) {
        let deadline = Instant::now() + bounds.timeout;
        let run_poll = self.polls.enter(&bounds.owner.check);
        let turn = self.engine.cpu_queue().turn(&bounds.owner);
        let meter = Arc::new(CpuMeter::new(&bounds.quota, turn, run_poll));
        let recorder = &bounds.recorder;
        let page = self
            .ledger
            .open_page(bounds.owner, bounds.quota, Arc::clone(recorder));
        page.set_cpu_meter(Box::new({
            let meter = Arc::clone(&meter);
            move || meter.used()
        }));
        let client = Client::new(
            Arc::clone(&self.shared),
            Arc::clone(&page),
            bounds.grants,
            deadline - answer_time(bounds.timeout),
            bounds.trace,
        );
        let mut store = self
            .engine
            .store(State::new(client, Arc::clone(&meter), &bounds.quota));
        let context = CallContext {
            meter: &meter,
            recorder,
            shutdown,
        };
        let ended = {
            let guest = async {
                let instance = instantiate(program, &mut store, &page, deadline).await?;
                meter.begin_guest();
                let called = call(&instance, &mut store).await;
                called.map_err(|error| {
                    frames::log(&page, &error);
                    fault::classify_call(error, recorder, store.data())
                })
            };
            let ended = context.run_until(deadline, bounds.timeout, pin!(guest)).await;
            let ended = within_cpu(&meter, ended);
            // Before the call and its store are dropped: whatever is open now was leaked by the guest.
            page.end(end_cause(&ended));
            ended
        };
        let ended = match ended {
            Ok(returned) => {
                record_refused_memory(&page, store.data());
                let concluded = pin!(async { Ok(conclude(returned, &page, &meter).await) });
                context.run_metered(concluded, || None).await
            }
            Err(outcome) => Err(fault::add_details(outcome, store.data())),
        };
        let ended = within_cpu(&meter, ended);
        let memory_peak = store.data().limiter.peak();
        store.data().stdout.end();
        store.data().stderr.end();
        drop(store);
        (ended, CallRecord::new(&page, &meter, memory_peak))
    }
}

/// Records memory that a guest was refused and did without.
fn record_refused_memory(page: &Page, state: &State) {
    if let Some(denial) = state.limiter.refusal() {
        page.record_denial(denial.what);
    }
}

/// The time that a guest has left for its verdict after its network calls have timed out.
fn answer_time(timeout: Duration) -> Duration {
    (timeout / 20)
        .clamp(ANSWER_TIME.0, ANSWER_TIME.1)
        .min(timeout / 4)
}

/// Classifies what a guest returned. A failing verdict says nothing about the target if the host was short of a
/// resource; neither does an error about the plugin.
fn classify(returned: Result<Verdict, String>, shortage: Option<Shortage>, recorder: &Recorder) -> Outcome {
    match (returned, shortage.map(StopCause::from)) {
        (Ok(verdict), None) => Outcome::Completed(verdict),
        (Ok(verdict), Some(_)) if verdict.status == VerdictStatus::Pass => Outcome::Completed(verdict),
        (Err(reason), None) => Outcome::Faulted(Fault::GaveUp(recorder.text(Section::Conclusion, reason))),
        (Ok(_) | Err(_), Some(cause)) => cause.into(),
    }
}

/// Creates a fresh instance and records it as a step of the run.
async fn instantiate(
    program: &Program,
    store: &mut Store<State>,
    page: &Arc<Page>,
    deadline: Instant,
) -> Result<Guest, Outcome> {
    let step = page.begin_step(StepKind::Instantiate, deadline);
    let instance = program.instantiate(store).await;
    let failed = instance.as_ref().err();
    step.end(failed.map(|error| ("instantiate", format!("{error:#}"))));
    instance.map_err(|error| fault::classify_instantiation(error, page.recorder()))
}

fn end_cause<T>(ended: &Result<T, Outcome>) -> EndCause {
    match ended {
        Ok(_) => EndCause::Returned,
        Err(Outcome::Stopped(StopCause::Deadline { .. })) => EndCause::Deadline,
        Err(Outcome::Stopped(StopCause::Quota { .. })) => EndCause::Quota,
        Err(Outcome::Stopped(StopCause::Shutdown)) => EndCause::Shutdown,
        // These arise only after the guest has returned a verdict.
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
    let limit = |kind: QuotaKind| (kind.as_str().to_owned(), quota.limit(kind));
    QuotaKind::ALL.map(limit).into()
}

#[cfg(test)]
mod tests;
