//! The resource behind a guest's handle of an HTTP exchange.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::limiter::Limiter;
use canary_net::NetError;
use canary_net::http;
use canary_net::ledger::Page;

/// One HTTP exchange of a guest. Dropping it closes the connection.
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub struct Exchange {
    pub(super) exchange: http::Exchange,
    /// Deadline of the reads, earlier than the request's and the run's.
    deadline: Option<Instant>,
    /// Buffered bytes that are counted against the quota `memory`.
    counted: usize,
    _permit: OwnedSemaphorePermit,
}

impl Exchange {
    pub(super) fn new(exchange: http::Exchange, permit: OwnedSemaphorePermit) -> Self {
        Self {
            exchange,
            deadline: None,
            counted: 0,
            _permit: permit,
        }
    }

    /// Counts the buffered part of the response against the quota `memory`, and fails the exchange if it exceeds it.
    pub(super) fn count(&mut self, limiter: &mut Limiter, page: &Page) -> Result<(), NetError> {
        let new = self.exchange.weight().saturating_sub(self.counted);
        let counted = limiter.reserve(new);
        if let Err(denial) = counted {
            let error = page.record_denial(denial.what).into();
            self.exchange.fail(&error);
            return Err(error);
        }
        self.counted += new;
        Ok(())
    }

    /// Releases the counted bytes and closes the connection.
    pub(super) fn close(self, limiter: &mut Limiter) {
        limiter.release(self.counted);
    }

    /// Limits the following reads to `time` from now; `None` leaves the deadlines of the request and the run.
    pub(super) fn set_deadline(&mut self, time: Option<Duration>) {
        self.deadline = time.and_then(|time| Instant::now().checked_add(time));
    }

    pub(super) async fn read(&mut self, max: usize) -> Result<Vec<u8>, NetError> {
        self.exchange.read(self.deadline, max).await
    }

    pub(super) async fn read_ready(&mut self, max: usize) -> Result<Option<Vec<u8>>, NetError> {
        self.exchange.read_ready(self.deadline, max).await
    }
}
