//! The worker: a process that only examines one plugin.
//!
//! It has no environment, no descriptors except three pipes, no privileges to gain, and limits on memory, CPU time,
//! descriptors and files. It ends with the process that started it, and is the first to be killed when memory runs
//! out.

use std::io::{self, Read as _, Write as _};

use tokio::runtime::Runtime;

use super::confine::confine;
use super::pipes::MAX_REPLY;
use super::protocol::{self, Reply, Task};
use super::worker_limits::WorkerLimits;
use crate::plugin::artefact::Artefact;
use crate::plugin::compile;
use crate::plugin::refusal::Refusal;
use crate::{Engine, Sandbox};
use canary_suite::ConfigRequest;

/// The subcommand that runs a worker.
pub const SUBCOMMAND: &str = "plugin-worker";

/// Confines this process, reads a task, performs it, and writes the result.
///
/// # Errors
/// The process cannot be confined, or its pipes are closed.
pub fn run(limits: WorkerLimits) -> io::Result<()> {
    confine(limits)?;
    let mut input = Vec::new();
    io::stdin().lock().take(MAX_REPLY).read_to_end(&mut input)?;
    let (reply, payload) = match protocol::split(input) {
        Some((task, payload)) => perform(task, payload),
        None => failed("invalid request"),
    };
    let header = protocol::frame(&reply).map_err(io::Error::other)?;
    let mut output = io::stdout().lock();
    output.write_all(&header)?;
    output.write_all(&payload)?;
    output.flush()
}

fn perform(task: Task, payload: Vec<u8>) -> (Reply, Vec<u8>) {
    match task {
        Task::Load { pooling } => load(&payload, pooling),
        Task::Validate => validate(&payload),
        Task::CheckConfigs { pooling } => {
            check_configs(payload, pooling).unwrap_or_else(|reason| failed(&reason))
        }
    }
}

/// The engine and the runtime to call a plugin with.
fn runtime(pooling: bool) -> Result<(Engine, Runtime), String> {
    let engine = Engine::compiler(pooling).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok((engine, runtime.map_err(|error| error.to_string())?))
}

fn check_configs(payload: Vec<u8>, pooling: bool) -> Result<(Reply, Vec<u8>), String> {
    let (engine, runtime) = runtime(pooling)?;
    let frame = protocol::split::<ConfigRequest>(payload);
    let (request, code) = frame.ok_or("invalid request")?;
    let component = compile::restore(&code, &engine).map_err(|refusal| refusal.to_string())?;
    let sandbox = Sandbox::without_network(engine);
    let program = sandbox.link(&component).map_err(|error| error.to_string())?;
    let reply = runtime.block_on(sandbox.check_configs(&program, &request));
    let reply = serde_json::to_vec(&reply).map_err(|error| error.to_string())?;
    Ok((Reply::Configs, reply))
}

fn load(wasm: &[u8], pooling: bool) -> (Reply, Vec<u8>) {
    let (engine, runtime) = match runtime(pooling) {
        Ok(made) => made,
        Err(reason) => return failed(&reason),
    };
    let loaded = compile::component(wasm, &engine).and_then(|component| {
        let sandbox = Sandbox::without_network(engine);
        runtime.block_on(compile::describe(&component, &sandbox))
    });
    match loaded {
        Ok(artefact) => (Reply::Artefact, Artefact::into_bytes(artefact)),
        Err(refusal) => (Reply::Refused(Refusal::bounded(refusal)), Vec::new()),
    }
}

fn validate(request: &[u8]) -> (Reply, Vec<u8>) {
    let validated = serde_json::from_slice(request)
        .and_then(|request| serde_json::to_vec(&canary_suite::validate_configs(&request)));
    match validated {
        Ok(validation) => (Reply::Validation, validation),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(reason: &str) -> (Reply, Vec<u8>) {
    (Reply::Failed(reason.to_owned()), Vec::new())
}
