//! What an event weighs: its texts, and what is around them.

use crate::telemetry::Event;

/// Bytes of an event that has no text.
const EVENT: usize = 512;

/// The bytes that an event takes, roughly; never much fewer than there are.
pub(super) fn of(event: &Event) -> usize {
    EVENT
        + match event {
            Event::Finished(run, _) => run.weight(),
            Event::Missed(check, ..) => check.as_str().len(),
            Event::Reloaded(Err(problems)) => problems.len(),
            // The suite is there anyway.
            Event::Suite(_) | Event::Reloaded(Ok(_)) => 0,
        }
}
