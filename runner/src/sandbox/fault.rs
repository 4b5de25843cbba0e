//! What wasmtime says of a guest that did not return, as an outcome.

use std::any::Any;
use std::io;

use rustix::io::Errno;
use wasmtime::component::ResourceTableError;
use wasmtime::{OutOfMemory, PoolConcurrencyLimitError, Trap};
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

fn trap(error: wasmtime::Error, recorder: &Recorder) -> Outcome {
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
    if is_short_of_memory(error) {
        return Some(StopCause::HostMemory.into());
    }
    let Denial { what, limit } = *error.downcast_ref::<Denial>()?;
    Some(Outcome::Stopped(StopCause::Quota { what, limit }))
}

/// Whether the operating system refused memory for a guest: a limit of the process, or of the machine.
pub(crate) fn is_short_of_memory(error: &wasmtime::Error) -> bool {
    let by_system = error.chain().any(|cause| {
        let by_system = cause.downcast_ref::<Errno>() == Some(&Errno::NOMEM);
        let by_std =
            cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::OutOfMemory);
        by_system || by_std
    });
    by_system || error.is::<OutOfMemory>()
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

/// A call did not return. A guest that was refused memory traps as a rule, in a way of its own language.
pub(super) fn of_call(error: wasmtime::Error, recorder: &Recorder, state: &State) -> Outcome {
    match (trap(error, recorder), state.limiter.refusal()) {
        (Outcome::Faulted(Fault::Trap(_)), Some(denial)) => StopCause::from(denial).into(),
        (outcome, _) => outcome,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Quota;
    use crate::suite::Secrets;

    #[test]
    fn a_host_that_is_short_of_memory_is_never_the_plugins_fault() {
        let recorder = Recorder::new(Secrets::default(), Quota::default().record);
        let refusals = || {
            [
                wasmtime::Error::from(Errno::NOMEM),
                wasmtime::Error::from(Errno::NOMEM).context("failed to create stack pool entry"),
                wasmtime::Error::from(io::Error::from_raw_os_error(Errno::NOMEM.raw_os_error())),
                wasmtime::Error::from(OutOfMemory::new(65_536)),
            ]
        };
        for outcome in refusals()
            .map(|error| instantiate(error, &recorder))
            .into_iter()
            .chain(refusals().map(|error| trap(error, &recorder)))
        {
            assert_eq!(outcome, Outcome::Stopped(StopCause::HostMemory));
        }
        let other = trap(wasmtime::Error::from(Errno::ACCESS), &recorder);
        assert!(matches!(other, Outcome::Faulted(_)), "{other:?}");
    }
}
