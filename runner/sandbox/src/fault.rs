//! Classification of wasmtime errors of a call that did not return, as outcomes.

use std::any::Any;

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::limiter::is_short_of_memory;
use super::state::State;
use super::{frames, panic_message};
use canary_net::ledger::Denial;
use canary_record::{Recorder, Section, Text};
use canary_run::outcome::{Fault, Outcome, StopCause};

/// Classifies a failed instantiation.
pub(super) fn classify_instantiation(error: wasmtime::Error, recorder: &Recorder) -> Outcome {
    // Other guests hold what the pool has too little of: nothing is wrong with this one.
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return StopCause::Instances.into();
    }
    match stop_cause(&error) {
        Some(outcome) => outcome,
        None => Outcome::Faulted(Fault::Instantiate(record_text(recorder, reason(&error)))),
    }
}

fn classify_trap(error: wasmtime::Error, recorder: &Recorder) -> Outcome {
    if let Some(outcome) = stop_cause(&error) {
        return outcome;
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        let text = record_text(recorder, format!("it called exit({code})"));
        return Outcome::Faulted(Fault::Trap(text));
    }
    if error.downcast_ref::<ResourceTableError>().is_some() {
        let text = record_text(recorder, format!("resources: {}", reason(&error)));
        return Outcome::Faulted(Fault::Limit(text));
    }
    let reason = reason(&error);
    let is_limit = reason.contains("handle") && reason.contains("limit") || reason.contains("fuel");
    let text = record_text(recorder, reason);
    Outcome::Faulted(if is_limit {
        Fault::Limit(text)
    } else {
        Fault::Trap(text)
    })
}

/// The outcome of a panic in a host function.
pub(super) fn from_panic(panic: &(dyn Any + Send), recorder: &Recorder) -> Outcome {
    Outcome::Faulted(Fault::Host(record_text(recorder, panic_text(panic))))
}

fn record_text(recorder: &Recorder, text: String) -> Text {
    recorder.text(Section::Conclusion, text)
}

fn stop_cause(error: &wasmtime::Error) -> Option<Outcome> {
    if is_short_of_memory(error) {
        return Some(StopCause::HostMemory.into());
    }
    let Denial { what, limit } = *error.downcast_ref::<Denial>()?;
    Some(Outcome::Stopped(StopCause::Quota { what, limit }))
}

/// Adds to a trap what the guest wrote to its standard error, where most languages write their panic message, and counts
/// the quota that ended the run as a denial.
pub(super) fn add_details(outcome: Outcome, state: &State) -> Outcome {
    match outcome {
        Outcome::Faulted(Fault::Trap(reason)) => {
            let text = panic_message::describe(&reason, &state.stderr.tail());
            Outcome::Faulted(Fault::Trap(record_text(state.client.page().recorder(), text)))
        }
        Outcome::Stopped(StopCause::Quota { what, limit }) => {
            state.client.page().record_denial(what);
            Outcome::Stopped(StopCause::Quota { what, limit })
        }
        other => other,
    }
}

/// Classifies a call that did not return. A guest that was refused memory usually traps, in a way that depends on its
/// language.
pub(super) fn classify_call(error: wasmtime::Error, recorder: &Recorder, state: &State) -> Outcome {
    match (classify_trap(error, recorder), state.limiter.refusal()) {
        (Outcome::Faulted(Fault::Trap(_)), Some(denial)) => StopCause::from(denial).into(),
        (outcome, _) => outcome,
    }
}

/// The trap or the root cause, without the backtrace.
fn reason(error: &wasmtime::Error) -> String {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let text = trap.to_string();
        let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
        return match frames::innermost(error) {
            Some(function) => format!("{text} in `{function}`"),
            None => text.to_owned(),
        };
    }
    error.root_cause().to_string()
}

/// The message of a panic.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a host function panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;
    use wasmtime::OutOfMemory;

    use super::*;
    use canary_record::quota::Quota;
    use canary_suite::Secrets;

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
            .map(|error| classify_instantiation(error, &recorder))
            .into_iter()
            .chain(refusals().map(|error| classify_trap(error, &recorder)))
        {
            assert_eq!(outcome, Outcome::Stopped(StopCause::HostMemory));
        }
        let other = classify_trap(wasmtime::Error::from(Errno::ACCESS), &recorder);
        assert!(matches!(other, Outcome::Faulted(_)), "{other:?}");
    }
}
