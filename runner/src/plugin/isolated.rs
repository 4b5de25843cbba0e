//! Untrusted plugins are examined by a process of this same program, which has limits that this one cannot have.
//!
//! It gets bytes, and hands back an artefact, a judgement or a refusal; see [`worker`] for what it is kept from. How it
//! ended otherwise is an [`IsolationError`] that says which limit it met and how to raise it.

mod allowance;
mod confine;
mod error;
mod exchange;
mod process;
mod protocol;
#[cfg(test)]
mod tests;
pub mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use self::error::IsolationError;
pub use self::worker::{SUBCOMMAND, WorkerLimits};

use self::process::Program;
use self::protocol::{Answer, Task};
use super::PluginError;
use super::artefact::Artefact;
use super::loader::blocking;
use super::refusal::{Refusal, bounded};
use crate::ledger::audit::Reserve;
use crate::sandbox::Engine;
use crate::suite::{ConfigAnswer, ConfigRequest, Judgement, SchemaRequest};

/// What examining one plugin may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the process to its end, less what a busy machine kept it waiting: ten times this at most.
    pub time: Duration,
    /// Bytes of memory that it may write to.
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

/// Has other processes examine plugins.
#[derive(Debug)]
pub struct Isolation {
    program: Program,
    limits: Limits,
    /// Counts the pipes to such a process.
    reserve: Reserve,
}

impl Isolation {
    /// By processes of the program that this process runs, even when its file was replaced since.
    #[must_use]
    pub fn new(limits: Limits, reserve: Reserve) -> Self {
        Self {
            program: Program::own(limits),
            limits,
            reserve,
        }
    }

    /// Compiles a plugin for an engine, and lets it describe itself.
    pub(super) async fn load(&self, wasm: Vec<u8>, engine: &Engine) -> Result<Artefact, PluginError> {
        let pooling = engine.is_pooling();
        match self.ask(Task::Load { pooling }, wasm).await? {
            (Answer::Artefact, payload) => {
                Artefact::parse(payload).ok_or_else(|| IsolationError::Unintelligible.into())
            }
            (Answer::Refused(refusal), _) => {
                let is_out_of_memory = matches!(refusal, Refusal::NoMemory(_));
                match is_out_of_memory || error::is_out_of_memory(&refusal.to_string()) {
                    true => Err(IsolationError::TooMuchMemory {
                        limit: self.limits.memory,
                    }
                    .into()),
                    false => Err(Refusal::bounded(refusal).into()),
                }
            }
            (Answer::Failed(reason), _) => Err(IsolationError::Failed(bounded(&reason)).into()),
            (Answer::Judgement | Answer::Configs, _) => Err(IsolationError::Unintelligible.into()),
        }
    }

    /// Has a schema judge configurations.
    pub(super) async fn judge(&self, request: SchemaRequest) -> Result<Judgement, IsolationError> {
        let payload =
            serde_json::to_vec(&request).map_err(|error| IsolationError::Failed(error.to_string()))?;
        match self.ask(Task::Judge, payload).await? {
            (Answer::Judgement, payload) => {
                serde_json::from_slice(&payload).map_err(|_| IsolationError::Unintelligible)
            }
            (Answer::Failed(reason), _) => Err(IsolationError::Failed(bounded(&reason))),
            _ => Err(IsolationError::Unintelligible),
        }
    }

    /// Has a plugin, of which this is the machine code for an engine, judge configurations.
    pub(super) async fn check_configs(
        &self,
        code: Vec<u8>,
        request: &ConfigRequest,
        engine: &Engine,
    ) -> Result<ConfigAnswer, IsolationError> {
        let mut payload = protocol::frame(request)?;
        payload.extend(code);
        let pooling = engine.is_pooling();
        match self.ask(Task::CheckConfigs { pooling }, payload).await? {
            (Answer::Configs, payload) => {
                serde_json::from_slice(&payload).map_err(|_| IsolationError::Unintelligible)
            }
            (Answer::Failed(reason), _) => Err(IsolationError::Failed(bounded(&reason))),
            (Answer::Refused(refusal), _) => Err(IsolationError::Failed(bounded(&refusal.to_string()))),
            _ => Err(IsolationError::Unintelligible),
        }
    }

    async fn ask(&self, task: Task, payload: Vec<u8>) -> Result<(Answer, Vec<u8>), IsolationError> {
        let cancel = Cancel::default();
        let (program, limits, reserve) = (self.program.clone(), self.limits, self.reserve.clone());
        let cancelled = Arc::clone(&cancel.0);
        let answer = blocking(move || {
            let header = protocol::frame(&task)?;
            // Its three pipes; they are closed before these are given back.
            let _held = [reserve.hold(), reserve.hold(), reserve.hold()];
            process::run(&program, &[&header, &payload], limits, &cancelled)
        });
        protocol::split(answer.await??).ok_or(IsolationError::Unintelligible)
    }
}

/// Has the thread that waits for a process kill it, when nobody waits for the thread any more.
#[derive(Default)]
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
