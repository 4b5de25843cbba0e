//! The resource behind a guest's connection handle, in every version of the contract.

use std::time::Duration;

use tokio::time::Instant;

use canary_net::tcp::{ConnectionInfo, Stream};
use canary_net::tls::{TlsOptions, TlsSession};
use canary_net::{Client, NetError, Timings};

/// One socket of a guest. Dropping it closes the socket.
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub struct Connection {
    pub(super) stream: Stream,
    timings: Timings,
    /// Deadline of the connection, earlier than the run's.
    deadline: Option<Instant>,
}

impl Connection {
    pub(super) fn new(stream: Stream, timings: Timings) -> Self {
        Self {
            stream,
            timings,
            deadline: None,
        }
    }

    /// Limits the following operations to `time` from now; `None` leaves the run's deadline.
    pub(super) fn set_deadline(&mut self, time: Option<Duration>) {
        self.deadline = time.and_then(|time| Instant::now().checked_add(time));
    }

    /// The client for the next operation, with the connection's deadline.
    pub(super) fn client(&self, client: &Client) -> Client {
        client.with_deadline(self.deadline)
    }

    pub(super) async fn start_tls(
        &mut self,
        client: &Client,
        options: Result<TlsOptions, NetError>,
    ) -> Result<TlsSession, NetError> {
        let (session, took): (TlsSession, Duration) = self.stream.start_tls(client, &options?).await?;
        self.timings.handshake = Some(took);
        Ok(session)
    }

    pub(super) fn info(&self) -> (ConnectionInfo, Timings) {
        (self.stream.info(), self.timings)
    }
}
