//! Connections as they come.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::admission::Admission;
use super::door;
use super::protocol::Protocol;
use crate::io_class::IoClass;
use crate::ledger::audit::{Held, Reserve};

/// How long connections are left with the kernel for want of room. A crowd that is larger than that fills its queues,
/// and then no client could connect at all.
const PATIENCE: Duration = Duration::from_millis(100);
/// Queues of the kernel, a descriptor each: ten thousand clients that come at once find room in them.
pub(super) const QUEUES: usize = 3;
/// Connections that are turned away before others have their turn.
const PORTION: usize = 32;

/// A connection that has come.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) held: Held,
}

/// Connections to an address.
pub(super) struct Arrivals {
    protocol: Protocol,
    queues: Vec<Queue>,
    /// The queue that is looked at first.
    first: usize,
    reserve: Reserve,
    /// When nobody was waiting last; absent while nobody is.
    idle: Option<Instant>,
    /// Given up for a connection where the process has no descriptor left.
    spare: Option<(OwnedFd, Held)>,
}

/// A listener, with one queue of the kernel's.
struct Queue {
    listener: TcpListener,
    /// Absent for the one that was there when stock was taken.
    _held: Option<Held>,
}

impl Arrivals {
    /// Connections to the address of `listener`, in [`QUEUES`] queues unless descriptors are few.
    ///
    /// # Errors
    /// `listener` is of no use.
    pub(super) fn new(
        (listener, protocol): (std::net::TcpListener, Protocol),
        reserve: Reserve,
        are_descriptors_few: bool,
    ) -> io::Result<Self> {
        let more = if are_descriptors_few { 0 } else { QUEUES - 1 };
        let more: Vec<Queue> = (0..more)
            .map_while(|_| Queue::beside(&listener, &reserve).ok())
            .collect();
        let mut queues = vec![Queue {
            listener: TcpListener::from_std(listener)?,
            _held: None,
        }];
        queues.extend(more);
        Ok(Self {
            protocol,
            queues,
            first: 0,
            reserve,
            idle: None,
            spare: None,
        })
    }

    /// The next one. While each of those that are to make room for it came a moment ago, it stays with the kernel, which
    /// takes what it sends meanwhile; and when too many have stayed there, only those are taken that have sent their
    /// first message, and the others are closed.
    ///
    /// Cancellation: no connection is lost.
    pub(super) async fn next(&mut self, admission: &Admission) -> io::Result<Arrival> {
        let room_in = admission.room_in();
        if self.is_patient() && !room_in.is_zero() {
            sleep(room_in).await;
        }
        let mut turned_away = 0_usize;
        loop {
            let arrival = poll_fn(|context| self.poll(context)).await?;
            if admission.room_in().is_zero() || self.is_patient() {
                return Ok(arrival);
            }
            if let Some(arrival) = self.that_has_begun(arrival)? {
                return Ok(arrival);
            }
            turned_away = turned_away.wrapping_add(1);
            if turned_away.is_multiple_of(PORTION) {
                yield_now().await;
            }
        }
    }

    /// Whether connections have come without a pause for a short time only.
    fn is_patient(&self) -> bool {
        self.idle.is_none_or(|idle| idle.elapsed() < PATIENCE)
    }

    /// The connection, if its client has sent its first message; else it is closed.
    fn that_has_begun(&self, arrival: Arrival) -> io::Result<Option<Arrival>> {
        let Arrival { stream, peer, held } = arrival;
        let stream = stream.into_std()?;
        if !self.protocol.has_begun(&stream) {
            return Ok(None);
        }
        let stream = TcpStream::from_std(stream)?;
        Ok(Some(Arrival { stream, peer, held }))
    }

    /// Whether a connection waits with the kernel. Where descriptors are short [`Self::next`] fails whether one does or
    /// not, for accept(2) takes the descriptor first.
    pub(super) fn is_anyone_waiting(&self) -> bool {
        let queues = self.queues.iter();
        let mut listeners: Vec<_> = queues
            .map(|queue| PollFd::new(&queue.listener, PollFlags::IN))
            .collect();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut listeners, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        // Held before the descriptor exists, and only while it can.
        let held = self.reserve.hold();
        self.keep_a_spare();
        let accepted = match self.poll_accept(context) {
            Poll::Ready(Err(error)) if is_short(&error) && self.spare.take().is_some() => {
                self.poll_accept(context)
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

    /// Of one queue after the other.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (before, from) = self.queues.split_at(self.first);
        for queue in from.iter().chain(before) {
            self.first = (self.first + 1) % self.queues.len();
            if let Poll::Ready(accepted) = queue.listener.poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    fn keep_a_spare(&mut self) {
        if self.spare.is_none()
            && let Some(queue) = self.queues.first()
        {
            let held = self.reserve.hold();
            let spare = queue.listener.as_fd().try_clone_to_owned();
            self.spare = spare.ok().map(|spare| (spare, held));
        }
    }
}

impl Queue {
    fn beside(listener: &std::net::TcpListener, reserve: &Reserve) -> io::Result<Self> {
        let held = reserve.hold();
        Ok(Self {
            listener: TcpListener::from_std(door::beside(listener)?)?,
            _held: Some(held),
        })
    }
}

/// Whether there is no descriptor for a connection.
fn is_short(error: &io::Error) -> bool {
    IoClass::of(error) == IoClass::Shortage
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as Client;

    use super::super::admission::Places;
    use super::super::{Door, DoorError, LIMITS};
    use super::*;
    use crate::settings::{Access, Listen};

    fn open(address: SocketAddr) -> Result<Door, DoorError> {
        Door::open(&Listen::flag("--admin", address), &Access::default())
    }

    fn arrivals(are_descriptors_few: bool) -> (Arrivals, SocketAddr) {
        let door = open(([127, 0, 0, 1], 0).into()).unwrap();
        let address = door.listener.local_addr().unwrap();
        let reserve = Reserve::default();
        let arrivals = Arrivals::new((door.listener, Protocol::Http), reserve, are_descriptors_few).unwrap();
        (arrivals, address)
    }

    #[test]
    fn ten_thousand_clients_at_once_find_room_with_the_kernel() {
        // Which queue a client comes to is left to chance: a fifth more than an equal part is for that.
        assert!(QUEUES * usize::try_from(door::BACKLOG).unwrap() >= 12_000);
    }

    #[tokio::test]
    async fn clients_come_by_several_queues_and_none_of_them_is_forgotten() {
        for (are_descriptors_few, queues) in [(true, 1), (false, QUEUES)] {
            let (mut arrivals, address) = arrivals(are_descriptors_few);
            let clients: Vec<_> = (0..120).map(|_| Client::connect(address).unwrap()).collect();
            let busy = arrivals.queues.iter();
            let busy = busy.filter(|queue| has_a_client(&queue.listener)).count();
            assert_eq!(busy, queues);
            let admission = Admission::new(LIMITS.places);
            for _ in &clients {
                arrivals.next(&admission).await.unwrap();
            }
            assert!(!arrivals.is_anyone_waiting());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_crowd_that_is_too_large_those_are_taken_that_have_sent_a_request() {
        let (mut arrivals, address) = arrivals(true);
        let admission = Admission::new(Places {
            openings: 1,
            ..LIMITS.places
        });
        let _first = Client::connect(address).unwrap();
        arrivals.next(&admission).await.unwrap();
        let _young = admission.admit(address.ip());
        arrivals.idle = Instant::now().checked_sub(PATIENCE);
        let mut crowd: Vec<_> = (0..3 * PORTION)
            .map(|_| Client::connect(address).unwrap())
            .collect();
        crowd[0].write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let mut client = Client::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let arrival = arrivals.next(&admission).await.unwrap();
        assert_eq!(arrival.peer, client.local_addr().unwrap());
        for mut one in crowd.into_iter().skip(1) {
            assert_eq!(one.read(&mut [0]).unwrap(), 0, "it is closed");
        }
    }

    #[tokio::test]
    async fn an_address_with_several_queues_is_nobody_elses() {
        let (_arrivals, address) = arrivals(false);
        assert!(open(address).is_err());
    }

    fn has_a_client(listener: &TcpListener) -> bool {
        let mut listener = [PollFd::new(listener, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut listener, Some(&at_once)).unwrap() > 0
    }
}
