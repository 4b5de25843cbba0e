//! What the attempt has used of its [`Quotas`](crate::Quotas) so far.
//!
//! A probe whose work grows with what a peer sends checks it from time to time, and returns a verdict while there is
//! time for one: the host stops a run that has exceeded a quota, and its verdict is lost.

use std::time::Duration;

/// CPU time, which counts against [`Quotas::cpu`](crate::Quotas::cpu): what the probe computed, and what the host
/// computed for it. The call takes about a microsecond.
#[must_use]
pub fn cpu() -> Duration {
    crate::backend::cpu_used()
}
