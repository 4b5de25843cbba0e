//! What an exchange itself takes of the run's quotas.

use canary_sdk::http::Request;

use crate::effort::{Effort, TooCostly};
use crate::memory::{MemoryBudget, OutOfMemory};

/// Effort units for one exchange: usually it includes a handshake.
const PER_EXCHANGE: usize = 3_000_000;
/// Effort units per received byte: it is decrypted, parsed and copied.
const PER_BYTE: usize = 6;

/// Why an address is not queried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    #[error("not checked: evaluating one more response {0}")]
    TooCostly(#[from] TooCostly),
    #[error("not checked: retaining its body takes {0}")]
    OutOfMemory(#[from] OutOfMemory),
}

/// Charges the effort and checks the memory that a response takes.
///
/// # Errors
/// There is not enough.
pub(crate) fn prepare(request: &Request, memory: MemoryBudget, effort: &Effort) -> Result<(), NotSent> {
    effort.charge(PER_EXCHANGE)?;
    let body = usize::try_from(request.options.max_body).unwrap_or(usize::MAX);
    if memory.has(body) {
        Ok(())
    } else {
        Err(OutOfMemory.into())
    }
}

/// Charges so many bytes of a body that is already evaluated: bytes that were not retained count only against the
/// remaining addresses.
pub(crate) fn charge_body(bytes: u64, effort: &Effort) {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let _unpaid = effort.charge(bytes.saturating_mul(PER_BYTE));
}
