//! What wasmtime says of a guest that did not return, as an outcome.

use std::any::Any;

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::state::State;
use crate::ledger::Denial;
use crate::outcome::{Fault, Outcome, StopCause};
use crate::record::{Part, Recorder, Text};

/// An instance could not be made.
pub(super) fn instantiate(error: wasmtime::Error, recorder: &Recorder) -> Outcome {
    // Of whatever the pool has too little, other guests have it: nothing is wrong with this one.
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return StopCause::Instances.into();
    }
    match stop(&error) {
        Some(stop) => stop,
        None => Outcome::Faulted(Fault::Instantiate(conclude(recorder, reason(&error)))),
    }
}

/// A call did not return.
pub(super) fn trap(error: wasmtime::Error, recorder: &Recorder) -> Outcome {
    if let Some(stop) = stop(&error) {
        return stop;
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        let text = conclude(recorder, format!("it called exit({code})"));
        return Outcome::Faulted(Fault::Trap(text));
    }
    if error.downcast_ref::<ResourceTableError>().is_some() {
        let text = conclude(recorder, format!("resources: {}", reason(&error)));
        return Outcome::Faulted(Fault::Limit(text));
    }
    let reason = reason(&error);
    let is_limit = reason.contains("handle") && reason.contains("limit") || reason.contains("fuel");
    let text = conclude(recorder, reason);
    Outcome::Faulted(match is_limit {
        true => Fault::Limit(text),
        false => Fault::Trap(text),
    })
}

/// A host function panicked.
pub(super) fn host(panic: &(dyn Any + Send), recorder: &Recorder) -> Outcome {
    Outcome::Faulted(Fault::Host(conclude(recorder, panic_text(panic))))
}

fn conclude(recorder: &Recorder, text: String) -> Text {
    recorder.text(Part::Conclusion, text)
}

fn stop(error: &wasmtime::Error) -> Option<Outcome> {
    let Denial { what, limit } = *error.downcast_ref::<Denial>()?;
    Some(Outcome::Stopped(StopCause::Quota { what, limit }))
}

/// Adds to a trap what the guest wrote to its standard error, where a language leaves its panic message; notes a
/// quota that ended the run among the denials.
pub(super) fn explain(outcome: Outcome, state: &State) -> Outcome {
    match outcome {
        Outcome::Faulted(Fault::Trap(reason)) => {
            let written = state.stderr.contents();
            let text = String::from_utf8_lossy(&written);
            let text = text.trim();
            Outcome::Faulted(Fault::Trap(match text.is_empty() {
                true => reason,
                false => {
                    let text = text.lines().collect::<Vec<_>>().join(" ");
                    conclude(state.client.page().recorder(), format!("{reason}: {text}"))
                }
            }))
        }
        Outcome::Stopped(StopCause::Quota { what, limit }) => {
            state.client.page().note_denial(what);
            Outcome::Stopped(StopCause::Quota { what, limit })
        }
        other => other,
    }
}

/// The trap or the deepest cause, without the backtrace.
fn reason(error: &wasmtime::Error) -> String {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let text = trap.to_string();
        return text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned();
    }
    error.root_cause().to_string()
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a host function panicked: {}", text.unwrap_or("no message"))
}
