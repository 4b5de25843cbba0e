//! The estimated size of an event: its texts and a fixed overhead.

use crate::Event;

/// Bytes of an event without texts.
const BASE_SIZE: usize = 512;

/// The approximate size in bytes, never much too small.
pub(super) fn estimate(event: &Event) -> usize {
    BASE_SIZE
        + match event {
            Event::Finished(run, _) => run.weight(),
            Event::Missed(check, ..) => check.as_str().len(),
            Event::Reloaded(Err(problems)) => problems.len(),
            // The suite is shared and in memory anyway.
            Event::Suite(_) | Event::Reloaded(Ok(_)) => 0,
        }
}
