//! The accept queue: orders new connections by what they have sent, not by arrival.
//!
//! A crowd of clients must not cost those behind it more than accepting a connection, peeking at what was sent, and
//! closing it. Therefore nothing is set up for a connection before its first message is complete, and requests for
//! responses of any length wait until all accepted connections have been classified: a probe behind ten thousand other
//! connections is served next.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::{coop, yield_now};
use tokio::time::sleep;

use super::admission::{Admission, Admitted, OPENING_TIME, Stage};
use super::protocol::{FirstMessage, Protocol};
use super::response;
use super::reuse_port::{ListenerGroup, RawConnection};
use canary_net::ledger::audit::{FdGuard, InternalFds};

/// Number of connections that are classified before other tasks get their turn.
const BATCH_SIZE: usize = 256;
/// Bytes of a request that are read before it is rejected: closing a connection with unread data resets it, and the
/// client may not see the response.
const MAX_DISCARDED_BYTES: usize = 4 << 10;

/// A connection that is ready to be served.
pub(super) struct ReadyConnection {
    pub(super) stream: TcpStream,
    pub(super) admitted: Admitted,
    pub(super) fd_guard: FdGuard,
}

/// The new connections of an address, in the order in which they are served.
pub(super) struct AcceptQueue {
    protocol: Protocol,
    listeners: ListenerGroup,
    /// A connection without a complete first message, for which there is no place, but which still has time.
    deferred: Option<RawConnection>,
    /// Complete requests for responses of any length; at most as many as there are places for.
    requests: VecDeque<ReadyConnection>,
    classified: usize,
    age: fn(&RawConnection) -> Duration,
}

/// The next item to handle.
enum Next {
    Accepted(RawConnection),
    /// Only after all accepted connections have been classified.
    Request(ReadyConnection),
}

impl AcceptQueue {
    /// A queue for the address of `listener`.
    ///
    /// # Errors
    /// `listener` cannot be registered with the runtime.
    pub(super) fn new(
        (listener, protocol): (std::net::TcpListener, Protocol),
        internal_fds: InternalFds,
        is_low_on_descriptors: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            protocol,
            listeners: ListenerGroup::new(listener, internal_fds, is_low_on_descriptors)?,
            deferred: None,
            requests: VecDeque::new(),
            classified: 0,
            age: RawConnection::age,
        })
    }

    /// Waits for the next connection to serve. A connection has [`OPENING_TIME`] to send its first message, which it
    /// spends in the kernel's queue while there is no place for it; then it is closed.
    ///
    /// Cancellation: no connection is lost.
    pub(super) async fn next(&mut self, admission: &Admission) -> io::Result<ReadyConnection> {
        loop {
            self.classified = self.classified.wrapping_add(1);
            if self.classified.is_multiple_of(BATCH_SIZE) {
                if let Some(request) = self.requests.pop_front() {
                    return Ok(request);
                }
                yield_now().await;
            }
            let next = match self.deferred.take() {
                Some(deferred) => Next::Accepted(deferred),
                // Exempt from tokio's budget, since this loop yields by itself.
                None => coop::unconstrained(poll_fn(|context| self.poll(context))).await?,
            };
            let accepted = match next {
                Next::Accepted(accepted) => accepted,
                Next::Request(request) => return Ok(request),
            };
            if let Some(connection) = self.classify(accepted, admission)? {
                return Ok(connection);
            }
            if let Some(deferred) = &self.deferred {
                if let Some(request) = self.requests.pop_front() {
                    return Ok(request);
                }
                let time_left = OPENING_TIME.saturating_sub((self.age)(deferred));
                sleep(admission.time_until_room().min(time_left)).await;
            }
        }
    }

    /// Whether a connection waits in the kernel's queue.
    pub(super) fn has_waiting(&self) -> bool {
        self.listeners.has_waiting()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Next>> {
        match self.listeners.poll(context) {
            Poll::Ready(Ok(accepted)) => Poll::Ready(Ok(Next::Accepted(accepted))),
            nothing => match self.requests.pop_front() {
                Some(request) => Poll::Ready(Ok(Next::Request(request))),
                None => nothing.map_ok(Next::Accepted),
            },
        }
    }

    /// Returns the connection if it is to be served now; otherwise it is queued, deferred, or closed.
    fn classify(
        &mut self,
        accepted: RawConnection,
        admission: &Admission,
    ) -> io::Result<Option<ReadyConnection>> {
        let stage = match self.protocol.peek_first_message(&accepted.stream) {
            FirstMessage::Closed => return Ok(None),
            FirstMessage::Partial if admission.has_room() => Stage::Opening,
            FirstMessage::Partial if (self.age)(&accepted) >= OPENING_TIME => return Ok(None),
            FirstMessage::Partial if admission.time_until_room().is_zero() => Stage::Opening,
            FirstMessage::Partial => {
                self.deferred = Some(accepted);
                return Ok(None);
            }
            FirstMessage::ClientHello => Stage::Handshake,
            FirstMessage::Probe => Stage::Probe,
            FirstMessage::Request => {
                match admission.admit_request(accepted.peer.ip()) {
                    Some(admitted) => self.requests.push_back(ReadyConnection::new(accepted, admitted)?),
                    None => reject(&accepted.stream),
                }
                self.reject_evicted();
                return Ok(None);
            }
        };
        let admitted = admission.admit(accepted.peer.ip(), stage);
        ReadyConnection::new(accepted, admitted).map(Some)
    }
}

impl AcceptQueue {
    /// Rejects the requests that were evicted for requests of other addresses.
    fn reject_evicted(&mut self) {
        let requests = std::mem::take(&mut self.requests).into_iter();
        let (evicted, left): (VecDeque<_>, VecDeque<_>) =
            requests.partition(|request| request.admitted.is_evicted());
        self.requests = left;
        for request in evicted {
            if let Ok(stream) = request.stream.into_std() {
                reject(&stream);
            }
        }
    }
}

impl ReadyConnection {
    fn new(RawConnection { stream, fd_guard, .. }: RawConnection, admitted: Admitted) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            admitted,
            fd_guard,
        })
    }
}

/// Responds with 503, since too many requests wait already. Best effort: the client may not receive all of it.
fn reject(mut stream: &std::net::TcpStream) {
    let _read = stream.read(&mut [0; MAX_DISCARDED_BYTES]);
    let _written = stream.write(response::overloaded_bytes().as_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use futures_util::FutureExt as _;

    use super::super::admission::StageLimits;
    use super::super::tests::deliver;
    use super::super::{AdminListener, LIMITS};
    use super::*;
    use canary_settings::{Access, Listen};

    /// An accept queue whose connections all have the same age, with one place at each stage.
    struct Crowd {
        queue: AcceptQueue,
        admission: Admission,
        address: std::net::SocketAddr,
    }

    impl Crowd {
        fn new(age: fn(&RawConnection) -> Duration) -> Self {
            Self::with_waiting(1, age)
        }

        /// With places for `waiting` requests.
        fn with_waiting(waiting: usize, age: fn(&RawConnection) -> Duration) -> Self {
            let listen = Listen::from_flag("--admin", ([127, 0, 0, 1], 0).into());
            let listener = AdminListener::open(&listen, &Access::default()).unwrap().listener;
            let address = listener.local_addr().unwrap();
            let queue = AcceptQueue::new((listener, Protocol::Http), InternalFds::default(), true).unwrap();
            let admission = Admission::new(StageLimits {
                openings: 1,
                waiting,
                responses: 0,
                ..LIMITS.stages
            });
            Self {
                queue: AcceptQueue { age, ..queue },
                admission,
                address,
            }
        }

        fn client(&self, sends: &str) -> Client {
            let mut client = Client::connect(self.address).unwrap();
            client.write_all(sends.as_bytes()).unwrap();
            deliver(&client);
            client
        }

        async fn next(&mut self) -> ReadyConnection {
            self.queue.next(&self.admission).await.unwrap()
        }

        /// Whether the next connection is that of `client`.
        async fn is_next(&mut self, client: &Client) -> bool {
            self.next().await.stream.peer_addr().unwrap() == client.local_addr().unwrap()
        }
    }

    fn is_closed(client: &mut Client) -> bool {
        match client.read(&mut [0]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    const PROBE: &str = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
    const REQUEST: &str = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    const OLD: fn(&RawConnection) -> Duration = |_| OPENING_TIME;
    const YOUNG: fn(&RawConnection) -> Duration = |_| Duration::ZERO;

    #[tokio::test]
    async fn connections_without_a_message_in_time_are_closed() {
        let mut crowd = Crowd::new(OLD);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let slow = |number: usize| {
            crowd.client(if number.is_multiple_of(2) {
                ""
            } else {
                "GET / HTTP/1.1\r\n"
            })
        };
        let slow: Vec<_> = (0..2 * BATCH_SIZE).map(slow).collect();
        let client = crowd.client(PROBE);
        assert!(crowd.is_next(&client).await);
        for mut one in slow {
            assert!(is_closed(&mut one));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_still_has_time_waits_for_a_place() {
        let mut crowd = Crowd::new(YOUNG);
        let open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let client = crowd.client("GET / HTTP/1.1\r\n");
        let began = tokio::time::Instant::now();
        assert!(crowd.is_next(&client).await);
        assert_eq!(began.elapsed(), OPENING_TIME);
        tokio::time::timeout(Duration::ZERO, open.closed()).await.unwrap();
    }

    #[tokio::test]
    async fn probes_are_served_before_earlier_requests() {
        let mut crowd = Crowd::new(OLD);
        let (request, probe) = (crowd.client(REQUEST), crowd.client(PROBE));
        assert!(crowd.is_next(&probe).await && crowd.is_next(&request).await);
    }

    #[tokio::test]
    async fn requests_are_served_however_many_connections_arrive() {
        let mut crowd = Crowd::new(OLD);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let request = crowd.client(REQUEST);
        let _silent: Vec<_> = (0..BATCH_SIZE).map(|_| crowd.client("")).collect();
        let _probe = crowd.client(PROBE);
        assert!(crowd.is_next(&request).await);
    }

    #[tokio::test]
    async fn a_request_for_which_there_is_no_place_gets_503() {
        let mut crowd = Crowd::new(OLD);
        let (request, mut too_much) = (crowd.client(REQUEST), crowd.client(REQUEST));
        assert!(crowd.is_next(&request).await);
        let mut answer = String::new();
        too_much.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, response::overloaded_bytes());
    }

    #[tokio::test]
    async fn the_last_request_of_an_address_is_evicted_for_the_first_of_another_address() {
        let mut crowd = Crowd::new(OLD);
        crowd.admission = Admission::new(StageLimits {
            waiting: 2,
            responses: 0,
            ..LIMITS.stages
        });
        let (first, mut last) = (crowd.client(REQUEST), crowd.client(REQUEST));
        let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        other
            .bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into())
            .unwrap();
        other.connect(&crowd.address.into()).unwrap();
        let mut other = Client::from(other);
        other.write_all(REQUEST.as_bytes()).unwrap();
        deliver(&other);
        assert!(crowd.is_next(&first).await && crowd.is_next(&other).await);
        let mut answer = String::new();
        last.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, response::overloaded_bytes());
    }

    #[tokio::test]
    async fn a_closed_connection_is_not_served() {
        let mut crowd = Crowd::new(YOUNG);
        drop(crowd.client(""));
        let probe = crowd.client(PROBE);
        assert!(crowd.is_next(&probe).await);
    }

    #[tokio::test]
    async fn requests_are_served_in_order_of_arrival() {
        let mut crowd = Crowd::with_waiting(3, OLD);
        assert!(!crowd.queue.has_waiting());
        let clients: Vec<_> = (0..3).map(|_| crowd.client(REQUEST)).collect();
        assert!(crowd.queue.has_waiting());
        for client in &clients {
            assert!(crowd.is_next(client).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_waits_for_a_place_does_not_delay_requests() {
        let mut crowd = Crowd::new(YOUNG);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let request = crowd.client(REQUEST);
        let _partial = crowd.client("GET / HTTP/1.1\r\n");
        let began = tokio::time::Instant::now();
        assert!(crowd.is_next(&request).await);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_connection_past_its_time_is_still_served_while_there_is_a_place() {
        let mut crowd = Crowd::new(|_| 2 * OPENING_TIME);
        let partial = crowd.client("GET / HTTP/1.1\r\n");
        assert!(crowd.is_next(&partial).await);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let mut late = crowd.client("");
        let probe = crowd.client(PROBE);
        assert!(crowd.is_next(&probe).await && is_closed(&mut late));
    }

    #[tokio::test]
    async fn other_tasks_run_while_a_crowd_is_rejected() {
        let mut crowd = Crowd::new(OLD);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let silent: Vec<_> = (0..2 * BATCH_SIZE).map(|_| crowd.client("")).collect();
        let next = crowd.queue.next(&crowd.admission);
        assert!(tokio::task::unconstrained(next).now_or_never().is_none());
        let mut last = silent.last().unwrap();
        last.set_nonblocking(true).unwrap();
        let read = last.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(read, Err(io::ErrorKind::WouldBlock), "it is still open");
    }
}
