//! Examines untrusted plugins in a separate process of this same program, with limits that this process cannot have.
//!
//! The process receives bytes, and returns an artefact, the result of a validation, or a refusal; see [`worker`] for
//! how it is confined. If it ends otherwise, an [`IsolationError`] says which limit it hit and how to raise it.

mod background;
mod confine;
mod error;
mod pipes;
mod process;
mod protocol;
#[cfg(test)]
mod tests;
mod time_budget;
pub mod worker;
mod worker_limits;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) use self::background::blocking;
pub use self::error::IsolationError;
pub use self::worker::SUBCOMMAND;
pub use self::worker_limits::WorkerLimits;

use self::process::Program;
use self::protocol::{Reply, Task};
use super::PluginError;
use super::artefact::Artefact;
use super::refusal::{Refusal, bounded};
use crate::Engine;
use canary_net::ledger::audit::InternalFds;
use canary_suite::{ConfigRequest, ConfigResponse, SchemaRequest, SchemaResponse};

/// Limits of examining one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the process to its end, without the time for which a busy machine delayed it; at most ten
    /// times this in all.
    pub time: Duration,
    /// Bytes of memory that the process may write to.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            memory: 1 << 30,
        }
    }
}

/// Runs worker processes that examine plugins.
#[derive(Debug)]
pub struct Isolation {
    program: Program,
    limits: Limits,
    /// Accounts for the pipes to such a process.
    internal_fds: InternalFds,
}

impl Isolation {
    /// Uses the program that this process runs, even if its file was replaced since.
    #[must_use]
    pub fn new(limits: Limits, internal_fds: InternalFds) -> Self {
        Self {
            program: Program::worker(limits),
            limits,
            internal_fds,
        }
    }

    /// Compiles and describes a plugin for an engine.
    pub(super) async fn load(&self, wasm: Vec<u8>, engine: &Engine) -> Result<Artefact, PluginError> {
        let pooling = engine.is_pooling();
        match self.run_task(Task::Load { pooling }, wasm).await? {
            (Reply::Artefact, payload) => {
                Artefact::parse(payload).ok_or_else(|| IsolationError::InvalidReply.into())
            }
            (Reply::Refused(refusal), _) => {
                let is_out_of_memory = matches!(refusal, Refusal::NoMemory(_));
                if is_out_of_memory || error::is_out_of_memory(&refusal.to_string()) {
                    Err(IsolationError::TooMuchMemory {
                        limit: self.limits.memory,
                    }
                    .into())
                } else {
                    Err(Refusal::bounded(refusal).into())
                }
            }
            (Reply::Failed(reason), _) => Err(IsolationError::Failed(bounded(&reason)).into()),
            (Reply::Validation | Reply::Configs, _) => Err(IsolationError::InvalidReply.into()),
        }
    }

    /// Validates configurations against a schema.
    pub(super) async fn validate(&self, request: SchemaRequest) -> Result<SchemaResponse, IsolationError> {
        let payload =
            serde_json::to_vec(&request).map_err(|error| IsolationError::Failed(error.to_string()))?;
        match self.run_task(Task::Validate, payload).await? {
            (Reply::Validation, payload) => {
                serde_json::from_slice(&payload).map_err(|_| IsolationError::InvalidReply)
            }
            (Reply::Failed(reason), _) => Err(IsolationError::Failed(bounded(&reason))),
            _ => Err(IsolationError::InvalidReply),
        }
    }

    /// Validates configurations with a plugin, given its machine code for an engine.
    pub(super) async fn check_configs(
        &self,
        code: Vec<u8>,
        request: &ConfigRequest,
        engine: &Engine,
    ) -> Result<ConfigResponse, IsolationError> {
        let mut payload = protocol::frame(request)?;
        payload.extend(code);
        let pooling = engine.is_pooling();
        match self.run_task(Task::CheckConfigs { pooling }, payload).await? {
            (Reply::Configs, payload) => {
                serde_json::from_slice(&payload).map_err(|_| IsolationError::InvalidReply)
            }
            (Reply::Failed(reason), _) => Err(IsolationError::Failed(bounded(&reason))),
            (Reply::Refused(refusal), _) => Err(IsolationError::Failed(bounded(&refusal.to_string()))),
            _ => Err(IsolationError::InvalidReply),
        }
    }

    async fn run_task(&self, task: Task, payload: Vec<u8>) -> Result<(Reply, Vec<u8>), IsolationError> {
        let cancel_on_drop = CancelOnDrop::default();
        let (program, limits, internal_fds) = (self.program.clone(), self.limits, self.internal_fds.clone());
        let cancelled = Arc::clone(&cancel_on_drop.0);
        let reply = blocking(move || {
            let header = protocol::frame(&task)?;
            // Its three pipes; they are closed before the guards are dropped.
            let _pipes = [
                internal_fds.acquire(),
                internal_fds.acquire(),
                internal_fds.acquire(),
            ];
            process::run(&program, &[&header, &payload], limits, &cancelled)
        });
        protocol::split(reply.await??).ok_or(IsolationError::InvalidReply)
    }
}

/// Makes the thread that waits for a process kill it, when the caller no longer waits.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
