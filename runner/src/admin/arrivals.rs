//! Connections as they come.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::admission::Admission;
use crate::ledger::audit::{Held, Reserve};

/// How long connections are left with the kernel for want of room. A crowd that is larger than that fills its queue,
/// and then no client could connect at all.
const PATIENCE: Duration = Duration::from_millis(400);

/// A connection that has come.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) held: Held,
}

/// Connections to a listener.
pub(super) struct Arrivals {
    listener: TcpListener,
    reserve: Reserve,
    /// When nobody was waiting last; absent while nobody is.
    idle: Option<Instant>,
}

impl Arrivals {
    pub(super) fn new(listener: TcpListener, reserve: Reserve) -> Self {
        Self {
            listener,
            reserve,
            idle: None,
        }
    }

    /// The next one. While each of those that are to make room for it came a moment ago, it stays with the kernel, which
    /// takes what it sends meanwhile.
    ///
    /// Cancellation: no connection is lost.
    pub(super) async fn next(&mut self, admission: &Admission) -> io::Result<Arrival> {
        let room_in = admission.room_in();
        let is_patient = self.idle.is_none_or(|idle| idle.elapsed() < PATIENCE);
        if is_patient && !room_in.is_zero() {
            sleep(room_in).await;
        }
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        // Held before the descriptor exists, and only while it can.
        let held = self.reserve.hold();
        let Poll::Ready(accepted) = self.listener.poll_accept(context) else {
            self.idle = None;
            return Poll::Pending;
        };
        self.idle.get_or_insert_with(Instant::now);
        let (stream, peer) = accepted?;
        Poll::Ready(Ok(Arrival { stream, peer, held }))
    }
}
