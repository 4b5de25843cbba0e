//! The other side: a process that examines one plugin, and is nothing else.
//!
//! It has no environment, no descriptors but three pipes, no privileges to gain, and limits on memory, processor time,
//! descriptors and files. It ends with the process that started it, and is the first to be killed where memory runs
//! out.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::confine::confine;
use super::exchange::MAX_ANSWER;
use super::protocol::{self, Answer, Task};
use crate::grant::Networks;
use crate::ledger::{Budget, Ledger};
use crate::net::Shared;
use crate::net::resolve::{Resolver, ResolverSettings};
use crate::net::tls::TrustStore;
use crate::plugin::artefact::Artefact;
use crate::plugin::compile;
use crate::plugin::refusal::Refusal;
use crate::sandbox::{Engine, Sandbox};
use crate::suite::{self, ConfigRequest};

/// The command that does this.
pub const SUBCOMMAND: &str = "plugin-worker";

/// What a worker is kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct WorkerLimits {
    /// Bytes of memory that it may write to.
    #[arg(long)]
    pub memory: u64,
    /// Seconds of processor time, on all processors together.
    #[arg(long)]
    pub cpu: u64,
    /// The process that started it.
    #[arg(long)]
    pub parent: u32,
}

impl WorkerLimits {
    pub(super) fn arguments(self) -> [OsString; 3] {
        let Self { memory, cpu, parent } = self;
        [
            format!("--memory={memory}").into(),
            format!("--cpu={cpu}").into(),
            format!("--parent={parent}").into(),
        ]
    }
}

/// Limits this process, reads what it is to do, does it, and writes what came of it.
///
/// # Errors
/// It cannot be limited, or its pipes are closed.
pub fn run(limits: WorkerLimits) -> io::Result<()> {
    confine(limits)?;
    let mut input = Vec::new();
    io::stdin().lock().take(MAX_ANSWER).read_to_end(&mut input)?;
    let (answer, payload) = match protocol::split(input) {
        Some((task, payload)) => work(task, payload),
        None => failed("what it is to do makes no sense"),
    };
    let header = protocol::frame(&answer).map_err(io::Error::other)?;
    let mut output = io::stdout().lock();
    output.write_all(&header)?;
    output.write_all(&payload)?;
    output.flush()
}

fn work(task: Task, payload: Vec<u8>) -> (Answer, Vec<u8>) {
    match task {
        Task::Load { pooling } => load(&payload, pooling),
        Task::Judge => judge(&payload),
        Task::CheckConfigs { pooling } => {
            check_configs(payload, pooling).unwrap_or_else(|reason| failed(&reason))
        }
    }
}

/// What it takes to run a plugin.
fn runtime(pooling: bool) -> Result<(Engine, Runtime), String> {
    let engine = Engine::compiler(pooling).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok((engine, runtime.map_err(|error| error.to_string())?))
}

fn check_configs(payload: Vec<u8>, pooling: bool) -> Result<(Answer, Vec<u8>), String> {
    let (engine, runtime) = runtime(pooling)?;
    let frame = protocol::split::<ConfigRequest>(payload);
    let (request, code) = frame.ok_or("what it is to judge makes no sense")?;
    let component = compile::restore(&code, &engine).map_err(|refusal| refusal.to_string())?;
    let sandbox = offline(engine);
    let program = sandbox.link(&component).map_err(|error| error.to_string())?;
    let answer = runtime.block_on(sandbox.check_configs(&program, &request));
    let answer = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
    Ok((Answer::Configs, answer))
}

fn load(wasm: &[u8], pooling: bool) -> (Answer, Vec<u8>) {
    let (engine, runtime) = match runtime(pooling) {
        Ok(made) => made,
        Err(reason) => return failed(&reason),
    };
    let examined = compile::component(wasm, &engine).and_then(|component| {
        let sandbox = offline(engine);
        let described = runtime.block_on(compile::describe(&component, &sandbox));
        described.map(|(_, artefact)| artefact)
    });
    match examined {
        Ok(artefact) => (Answer::Artefact, Artefact::into_bytes(artefact)),
        Err(refusal) => (Answer::Refused(Refusal::bounded(refusal)), Vec::new()),
    }
}

fn judge(request: &[u8]) -> (Answer, Vec<u8>) {
    let judged =
        serde_json::from_slice(request).and_then(|request| serde_json::to_vec(&suite::judge(&request)));
    match judged {
        Ok(judgement) => (Answer::Judgement, judgement),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(reason: &str) -> (Answer, Vec<u8>) {
    (Answer::Failed(reason.to_owned()), Vec::new())
}

/// Enough of a sandbox to ask a plugin what it is: nothing is lent, and no name is known.
fn offline(engine: Engine) -> Sandbox {
    let ledger = Ledger::new(Budget::new(0));
    let shared = Shared {
        resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
        blocked: Networks::default(),
        trust: TrustStore::default(),
        propagation: Default::default(),
        proxies: Default::default(),
    };
    Sandbox::new(engine, ledger, Arc::new(shared))
}
