//! What an exchange itself takes of the run's quotas.

use canary_sdk::http::Request;

use crate::effort::{Effort, TooCostly};
use crate::memory::{Memory, OutOfMemory};

/// Units for one exchange: a handshake, as a rule.
const PER_EXCHANGE: usize = 3_000_000;
/// Units for one byte that comes: it is decrypted, taken apart, and copied.
const PER_BYTE: usize = 6;

/// Why an address is not asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unasked {
    #[error("not asked: to judge one more answer {0}")]
    TooCostly(#[from] TooCostly),
    #[error("not asked: to keep its body takes {0}")]
    OutOfMemory(#[from] OutOfMemory),
}

/// Looks for what an answer takes.
///
/// # Errors
/// It is not there.
pub(crate) fn prepare(request: &Request, memory: Memory, effort: &Effort) -> Result<(), Unasked> {
    effort.take(PER_EXCHANGE)?;
    let body = usize::try_from(request.options.max_body).unwrap_or(usize::MAX);
    match memory.has(body) {
        true => Ok(()),
        false => Err(OutOfMemory.into()),
    }
}

/// Pays for so many bytes of a body, which is judged already: what is not kept of it costs the rest of the addresses alone.
pub(crate) fn pay(bytes: u64, effort: &Effort) {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let _unpaid = effort.take(bytes.saturating_mul(PER_BYTE));
}
