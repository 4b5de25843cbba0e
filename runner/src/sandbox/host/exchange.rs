//! What stands behind a guest's handle of an HTTP exchange.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::net::NetError;
use crate::net::http;

/// A guest's handle on one exchange. Dropping it closes the connection.
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub struct Exchange {
    pub(super) exchange: http::Exchange,
    /// Earlier than the request's and the run's.
    deadline: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

impl Exchange {
    pub(super) fn new(exchange: http::Exchange, place: OwnedSemaphorePermit) -> Self {
        Self {
            exchange,
            deadline: None,
            _place: place,
        }
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
