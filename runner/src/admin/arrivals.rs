//! Connections as they come.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::admission::Admission;
use crate::io_class::IoClass;
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
    /// Given up for a connection where the process has no descriptor left.
    spare: Option<(OwnedFd, Held)>,
}

impl Arrivals {
    pub(super) fn new(listener: TcpListener, reserve: Reserve) -> Self {
        Self {
            listener,
            reserve,
            idle: None,
            spare: None,
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

    /// Whether a connection waits with the kernel. Where descriptors are short [`Self::next`] fails whether one does or
    /// not, for accept(2) takes the descriptor first.
    pub(super) fn is_anyone_waiting(&self) -> bool {
        let mut listener = [PollFd::new(&self.listener, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut listener, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        // Held before the descriptor exists, and only while it can.
        let held = self.reserve.hold();
        self.keep_a_spare();
        let accepted = match self.listener.poll_accept(context) {
            Poll::Ready(Err(error)) if is_short(&error) && self.spare.take().is_some() => {
                self.listener.poll_accept(context)
            }
            accepted => accepted,
        };
        let Poll::Ready(accepted) = accepted else {
            self.idle = None;
            self.keep_a_spare();
            return Poll::Pending;
        };
        self.idle.get_or_insert_with(Instant::now);
        let (stream, peer) = accepted?;
        Poll::Ready(Ok(Arrival { stream, peer, held }))
    }

    fn keep_a_spare(&mut self) {
        if self.spare.is_none() {
            let held = self.reserve.hold();
            let spare = self.listener.as_fd().try_clone_to_owned();
            self.spare = spare.ok().map(|spare| (spare, held));
        }
    }
}

/// Whether there is no descriptor for a connection.
fn is_short(error: &io::Error) -> bool {
    IoClass::of(error) == IoClass::Shortage
}
