//! What stands behind a guest's handle of an HTTP exchange.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::ledger::Page;
use crate::net::NetError;
use crate::net::http;
use crate::sandbox::limiter::Limiter;

/// A guest's handle on one exchange. Dropping it closes the connection.
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub struct Exchange {
    pub(super) exchange: http::Exchange,
    /// Earlier than the request's and the run's.
    deadline: Option<Instant>,
    /// Bytes of what it keeps that are counted in the quota `memory`.
    counted: usize,
    _place: OwnedSemaphorePermit,
}

impl Exchange {
    pub(super) fn new(exchange: http::Exchange, place: OwnedSemaphorePermit) -> Self {
        Self {
            exchange,
            deadline: None,
            counted: 0,
            _place: place,
        }
    }

    /// Counts what is kept of the answer in the quota `memory`; where there is no room for it, the exchange is over.
    pub(super) fn count(&mut self, limiter: &mut Limiter, page: &Page) -> Result<(), NetError> {
        let new = self.exchange.kept().saturating_sub(self.counted);
        let counted = limiter.keep(new);
        if let Err(denial) = counted {
            let error = page.note_denial(denial.what).into();
            self.exchange.fail(&error);
            return Err(error);
        }
        self.counted += new;
        Ok(())
    }

    /// Gives back what was counted, and closes the connection.
    pub(super) fn close(self, limiter: &mut Limiter) {
        limiter.release(self.counted);
    }

    /// Ends what is read afterwards in so much time from now; with none, by the request's and the run's deadline.
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
