//! The kernel's queues of connections that wait to be accepted.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use socket2::SockRef;
use tokio::net::TcpListener;

use super::door;
use crate::io_class::IoClass;
use crate::ledger::audit::{Held, Reserve};

/// Queues of the kernel, a descriptor each: ten thousand clients that come at once find room in them.
pub(super) const QUEUES: usize = 3;

/// A connection that was accepted, and that nothing has been spent on yet: it does not block, and no runtime knows it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) held: Held,
}

/// Every queue of an address.
pub(super) struct Queues {
    all: Vec<Queue>,
    /// The queue that is looked at first.
    first: usize,
    reserve: Reserve,
    /// Given up for a connection where the process has no descriptor left.
    spare: Option<(OwnedFd, Held)>,
}

/// A listener, with one queue of the kernel's.
struct Queue {
    listener: TcpListener,
    /// Absent for the one that was there when stock was taken.
    _held: Option<Held>,
}

impl Accepted {
    /// How long ago the kernel completed the connection, to a few milliseconds. Where it does not say, long ago.
    pub(super) fn age(&self) -> Duration {
        age(&self.stream).unwrap_or(Duration::MAX)
    }
}

impl Queues {
    /// [`QUEUES`] of them for the address of `listener`, unless descriptors are few.
    ///
    /// # Errors
    /// `listener` is of no use.
    pub(super) fn new(
        listener: std::net::TcpListener,
        reserve: Reserve,
        are_descriptors_few: bool,
    ) -> io::Result<Self> {
        let more = if are_descriptors_few { 0 } else { QUEUES - 1 };
        let beside: Vec<Queue> = (0..more)
            .map_while(|_| Queue::beside(&listener, &reserve).ok())
            .collect();
        let mut all = vec![Queue::of(listener, None)?];
        all.extend(beside);
        Ok(Self {
            all,
            first: 0,
            reserve,
            spare: None,
        })
    }

    /// Whether a connection waits. Where descriptors are short [`Self::poll`] fails whether one does or not, for accept(2)
    /// takes the descriptor first.
    pub(super) fn is_anyone_waiting(&self) -> bool {
        let queues = self.all.iter();
        let mut listeners: Vec<_> = queues
            .map(|queue| PollFd::new(&queue.listener, PollFlags::IN))
            .collect();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut listeners, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// The next connection, of one queue after the other.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        // Held before the descriptor exists, and only while it can.
        let held = self.reserve.hold();
        self.keep_a_spare();
        let accepted = match self.poll_accept(context) {
            Poll::Ready(Err(error)) if is_short(&error) && self.spare.take().is_some() => {
                self.poll_accept(context)
            }
            accepted => accepted,
        };
        if accepted.is_pending() {
            self.keep_a_spare();
        }
        let (stream, peer) = ready!(accepted)?;
        Poll::Ready(Ok(Accepted { stream, peer, held }))
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (before, from) = self.all.split_at(self.first);
        for queue in from.iter().chain(before) {
            self.first = (self.first + 1) % self.all.len();
            if let Poll::Ready(accepted) = queue.poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    fn keep_a_spare(&mut self) {
        if self.spare.is_none()
            && let Some(queue) = self.all.first()
        {
            let held = self.reserve.hold();
            let spare = queue.listener.as_fd().try_clone_to_owned();
            self.spare = spare.ok().map(|spare| (spare, held));
        }
    }
}

impl Queue {
    fn of(listener: std::net::TcpListener, held: Option<Held>) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            _held: held,
        })
    }

    fn beside(listener: &std::net::TcpListener, reserve: &Reserve) -> io::Result<Self> {
        let held = reserve.hold();
        Self::of(door::beside(listener)?, Some(held))
    }

    /// Past the runtime where one waits: most connections of a crowd are closed right after.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match accept(&self.listener) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (stream, peer) = ready!(self.listener.poll_accept(context))?;
                Poll::Ready(stream.into_std().map(|stream| (stream, peer)))
            }
            accepted => Poll::Ready(accepted),
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = SockRef::from(listener).accept()?;
    stream.set_nonblocking(true)?;
    // Of a connection that is gone already.
    let peer = peer.as_socket().ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((stream.into(), peer))
}

/// Whether there is no descriptor for a connection.
fn is_short(error: &io::Error) -> bool {
    IoClass::of(error) == IoClass::Shortage
}

/// The time since the kernel last sent data, which begins with the connection, and nothing has been sent on it.
#[expect(unsafe_code, reason = "TCP_INFO has no safe wrapper")]
fn age(stream: &TcpStream) -> io::Result<Duration> {
    // As far as `tcpi_last_data_sent`, in milliseconds; the kernel fills in as much of `tcp_info` as there is room for.
    let mut info = [0_u32; 12];
    let mut length: libc::socklen_t = 48;
    // SAFETY: the descriptor is open as long as it is borrowed, and `info` has as many bytes as `length` says.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match (result, info) {
        (0, [.., milliseconds]) => Ok(Duration::from_millis(milliseconds.into())),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::net::TcpStream as Client;

    use super::super::{Door, DoorError};
    use super::*;
    use crate::settings::{Access, Listen};

    fn open(address: SocketAddr) -> Result<Door, DoorError> {
        Door::open(&Listen::flag("--admin", address), &Access::default())
    }

    fn queues(are_descriptors_few: bool) -> (Queues, SocketAddr) {
        let door = open(([127, 0, 0, 1], 0).into()).unwrap();
        let address = door.listener.local_addr().unwrap();
        let queues = Queues::new(door.listener, Reserve::default(), are_descriptors_few).unwrap();
        (queues, address)
    }

    async fn next(queues: &mut Queues) -> Accepted {
        poll_fn(|context| queues.poll(context)).await.unwrap()
    }

    #[test]
    fn ten_thousand_clients_at_once_find_room_with_the_kernel() {
        // Which queue a client comes to is left to chance: a fifth more than an equal part is for that.
        assert!(QUEUES * usize::try_from(door::BACKLOG).unwrap() >= 12_000);
    }

    #[tokio::test]
    async fn clients_come_by_several_queues_and_none_of_them_is_forgotten() {
        for (are_descriptors_few, count) in [(true, 1), (false, QUEUES)] {
            let (mut queues, address) = queues(are_descriptors_few);
            let clients: Vec<_> = (0..120).map(|_| Client::connect(address).unwrap()).collect();
            let busy = queues.all.iter();
            let busy = busy.filter(|queue| has_a_client(&queue.listener)).count();
            assert_eq!(busy, count);
            assert!(queues.is_anyone_waiting());
            for _ in &clients {
                next(&mut queues).await;
            }
            assert!(!queues.is_anyone_waiting());
        }
    }

    #[tokio::test]
    async fn each_queue_has_its_turn_and_one_client_is_enough_to_be_waiting() {
        let (mut queues, address) = queues(false);
        assert!(!queues.is_anyone_waiting());
        let _client = Client::connect(address).unwrap();
        assert!(queues.is_anyone_waiting());
        next(&mut queues).await;
        queues.first = 0;
        let _clients: Vec<_> = (0..120).map(|_| Client::connect(address).unwrap()).collect();
        for first in [1, 2, 0] {
            next(&mut queues).await;
            assert_eq!(queues.first, first);
        }
    }

    #[tokio::test]
    async fn descriptors_are_counted_and_one_is_kept_for_when_there_is_none() {
        let door = open(([127, 0, 0, 1], 0).into()).unwrap();
        let reserve = Reserve::default();
        let mut queues = Queues::new(door.listener, reserve.clone(), false).unwrap();
        assert_eq!(reserve.held(), 2, "the first was there before");
        for _ in 0..2 {
            let accepted = poll_fn(|context| Poll::Ready(queues.poll(context))).await;
            assert!(accepted.is_pending());
            assert!(queues.spare.take().is_some());
        }
        assert!(is_short(&io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!is_short(&io::ErrorKind::ConnectionAborted.into()));
    }

    #[tokio::test]
    async fn an_address_with_several_queues_is_nobody_elses() {
        let (_queues, address) = queues(false);
        assert!(open(address).is_err());
    }

    #[tokio::test]
    async fn the_age_of_a_connection_includes_the_time_in_the_queue_and_what_is_sent_does_not_change_it() {
        let (mut queues, address) = queues(true);
        let mut client = Client::connect(address).unwrap();
        let passed = || async {
            let began = tokio::time::Instant::now();
            tokio::time::sleep(Duration::from_millis(40)).await;
            client_writes(&client);
            began.elapsed()
        };
        let in_queue = passed().await;
        let accepted = next(&mut queues).await;
        assert!(accepted.age() + SLACK >= in_queue, "{:?}", accepted.age());
        let after = passed().await;
        assert!(accepted.age() + SLACK >= in_queue + after, "{:?}", accepted.age());
        client.flush().unwrap();
    }

    /// The kernel counts in ticks.
    const SLACK: Duration = Duration::from_millis(20);

    fn client_writes(mut client: &Client) {
        client.write_all(b"x").unwrap();
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
