//! Accepting connections from several sockets on one address (`SO_REUSEPORT`).

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use socket2::SockRef;
use tokio::net::TcpListener;

use super::listener;
use canary_net::ledger::audit::{FdGuard, InternalFds};
use canary_system::io_class::IoClass;

/// Number of listening sockets: their backlogs hold ten thousand clients that connect at once.
pub(super) const MAX_LISTENERS: usize = 3;

/// An accepted connection that nothing has been set up for yet: non-blocking, and not registered with the runtime.
#[derive(Debug)]
pub(super) struct RawConnection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) fd_guard: FdGuard,
}

/// All listening sockets of an address.
pub(super) struct ListenerGroup {
    all: Vec<QueueListener>,
    /// The socket that is polled first.
    first: usize,
    internal_fds: InternalFds,
    /// A descriptor that is closed to accept a connection when the process is out of descriptors.
    spare: Option<(OwnedFd, FdGuard)>,
}

/// A listening socket, with its backlog in the kernel.
struct QueueListener {
    listener: TcpListener,
    /// Absent for the first socket, which was open when the descriptors were counted.
    _fd_guard: Option<FdGuard>,
}

impl RawConnection {
    /// The time since the kernel completed the connection, to a few milliseconds; the maximum if unknown.
    pub(super) fn age(&self) -> Duration {
        age(&self.stream).unwrap_or(Duration::MAX)
    }
}

impl ListenerGroup {
    /// Opens up to [`MAX_LISTENERS`] sockets on the address of `listener`, or uses only that one if descriptors are
    /// few.
    ///
    /// # Errors
    /// `listener` cannot be registered with the runtime.
    pub(super) fn new(
        listener: std::net::TcpListener,
        internal_fds: InternalFds,
        is_low_on_descriptors: bool,
    ) -> io::Result<Self> {
        let more = if is_low_on_descriptors {
            0
        } else {
            MAX_LISTENERS - 1
        };
        let additional: Vec<QueueListener> = (0..more)
            .map_while(|_| QueueListener::additional(&listener, &internal_fds).ok())
            .collect();
        let mut all = vec![QueueListener::new(listener, None)?];
        all.extend(additional);
        Ok(Self {
            all,
            first: 0,
            internal_fds,
            spare: None,
        })
    }

    /// Whether a connection waits. When the process is out of descriptors, [`Self::poll`] fails in any case, since
    /// accept(2) allocates the descriptor first.
    pub(super) fn has_waiting(&self) -> bool {
        let group = self.all.iter();
        let mut listeners: Vec<_> = group
            .map(|queue| PollFd::new(&queue.listener, PollFlags::IN))
            .collect();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut listeners, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// Accepts the next connection, from the sockets in turn.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<RawConnection>> {
        // Accounted for before the descriptor exists.
        let fd_guard = self.internal_fds.acquire();
        self.reserve_spare();
        let accepted = match self.poll_accept(context) {
            Poll::Ready(Err(error)) if is_out_of_descriptors(&error) && self.spare.take().is_some() => {
                self.poll_accept(context)
            }
            accepted => accepted,
        };
        if accepted.is_pending() {
            self.reserve_spare();
        }
        let (stream, peer) = ready!(accepted)?;
        Poll::Ready(Ok(RawConnection {
            stream,
            peer,
            fd_guard,
        }))
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

    fn reserve_spare(&mut self) {
        if self.spare.is_none()
            && let Some(queue) = self.all.first()
        {
            let fd_guard = self.internal_fds.acquire();
            let spare = queue.listener.as_fd().try_clone_to_owned();
            self.spare = spare.ok().map(|spare| (spare, fd_guard));
        }
    }
}

impl QueueListener {
    fn new(listener: std::net::TcpListener, fd_guard: Option<FdGuard>) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            _fd_guard: fd_guard,
        })
    }

    fn additional(listener: &std::net::TcpListener, internal_fds: &InternalFds) -> io::Result<Self> {
        let fd_guard = internal_fds.acquire();
        Self::new(listener::additional(listener)?, Some(fd_guard))
    }

    /// Accepts directly if a connection waits, without registering it with the runtime: most connections of a crowd are
    /// closed right away.
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
    // Missing if the connection is closed already.
    let peer = peer.as_socket().ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((stream.into(), peer))
}

/// Whether the process or system is out of descriptors.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    IoClass::classify(error) == IoClass::Shortage
}

/// The time since the kernel last sent data: the age of the connection, since nothing has been sent on it.
#[expect(unsafe_code, reason = "TCP_INFO has no safe wrapper")]
fn age(stream: &TcpStream) -> io::Result<Duration> {
    // Up to `tcpi_last_data_sent`, in milliseconds; the kernel fills in as much of `tcp_info` as fits.
    let mut info = [0_u32; 12];
    let mut length: libc::socklen_t = 48;
    // SAFETY: the descriptor is open as long as it is borrowed, and `info` is `length` bytes long.
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

    use super::super::{AdminListener, ListenError};
    use super::*;
    use canary_settings::{Access, Listen};

    fn open(address: SocketAddr) -> Result<AdminListener, ListenError> {
        AdminListener::open(&Listen::from_flag("--admin", address), &Access::default())
    }

    fn group(is_low_on_descriptors: bool) -> (ListenerGroup, SocketAddr) {
        let listener = open(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.listener.local_addr().unwrap();
        let group =
            ListenerGroup::new(listener.listener, InternalFds::default(), is_low_on_descriptors).unwrap();
        (group, address)
    }

    async fn next(group: &mut ListenerGroup) -> RawConnection {
        poll_fn(|context| group.poll(context)).await.unwrap()
    }

    /// connect(2) may return before the kernel has put the connection into a backlog.
    fn until_one_waits(group: &ListenerGroup) {
        while !group.has_waiting() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_backlogs_hold_ten_thousand_clients_at_once() {
        // Clients are distributed randomly, hence a fifth more than an equal share.
        assert!(MAX_LISTENERS * usize::try_from(listener::BACKLOG).unwrap() >= 12_000);
    }

    #[tokio::test]
    async fn clients_are_accepted_from_all_sockets() {
        for (is_low_on_descriptors, count) in [(true, 1), (false, MAX_LISTENERS)] {
            let (mut group, address) = group(is_low_on_descriptors);
            let clients: Vec<_> = (0..120).map(|_| Client::connect(address).unwrap()).collect();
            let busy = group.all.iter();
            let busy = busy.filter(|queue| has_a_client(&queue.listener)).count();
            assert_eq!(busy, count);
            assert!(group.has_waiting());
            for _ in &clients {
                next(&mut group).await;
            }
            assert!(!group.has_waiting());
        }
    }

    #[tokio::test]
    async fn sockets_are_polled_in_turn_and_a_single_waiting_client_is_detected() {
        let (mut group, address) = group(false);
        assert!(!group.has_waiting());
        let _client = Client::connect(address).unwrap();
        until_one_waits(&group);
        next(&mut group).await;
        group.first = 0;
        let _clients: Vec<_> = (0..120).map(|_| Client::connect(address).unwrap()).collect();
        for first in [1, 2, 0] {
            next(&mut group).await;
            assert_eq!(group.first, first);
        }
    }

    #[tokio::test]
    async fn descriptors_are_accounted_for_and_a_spare_one_is_held() {
        let listener = open(([127, 0, 0, 1], 0).into()).unwrap();
        let internal_fds = InternalFds::default();
        let mut group = ListenerGroup::new(listener.listener, internal_fds.clone(), false).unwrap();
        assert_eq!(internal_fds.count(), 2, "the first was there before");
        for _ in 0..2 {
            let accepted = poll_fn(|context| Poll::Ready(group.poll(context))).await;
            assert!(accepted.is_pending());
            assert!(group.spare.take().is_some());
        }
        assert!(is_out_of_descriptors(&io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!is_out_of_descriptors(&io::ErrorKind::ConnectionAborted.into()));
    }

    #[tokio::test]
    async fn an_address_with_several_sockets_cannot_be_opened_again() {
        let (_queues, address) = group(false);
        assert!(open(address).is_err());
    }

    #[tokio::test]
    async fn the_age_of_a_connection_includes_its_time_in_the_backlog_and_is_not_changed_by_received_data() {
        let (mut group, address) = group(true);
        let mut client = Client::connect(address).unwrap();
        until_one_waits(&group);
        let passed = || async {
            let began = tokio::time::Instant::now();
            tokio::time::sleep(Duration::from_millis(40)).await;
            client_writes(&client);
            began.elapsed()
        };
        let in_queue = passed().await;
        let accepted = next(&mut group).await;
        assert!(accepted.age() + SLACK >= in_queue, "{:?}", accepted.age());
        let after = passed().await;
        assert!(accepted.age() + SLACK >= in_queue + after, "{:?}", accepted.age());
        client.flush().unwrap();
    }

    /// The resolution of the kernel's clock.
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
