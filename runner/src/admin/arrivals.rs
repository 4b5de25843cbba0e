//! Connections in the order in which they are served: not in that in which they came, but by what they have sent.
//!
//! A crowd must not cost those behind it more than it costs to accept a connection, to look at what has been sent, and to
//! close it. So nothing is set up for a connection before its first message is there, and requests for answers of any
//! length wait until all that have come have been looked at: a probe behind ten thousand others is the next to be served.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::{coop, yield_now};
use tokio::time::sleep;

use super::admission::{Admission, Admitted, OPENING_TIME, Stage};
use super::answer;
use super::protocol::{First, Protocol};
use super::queues::{Accepted, Queues};
use crate::ledger::audit::{Held, Reserve};

/// Connections that are looked at before others have their turn.
const PORTION: usize = 256;
/// Bytes of a request that are read before it is turned away: a connection that is closed with something unread is reset,
/// and its client may not see why.
const REFUSED: usize = 4 << 10;

/// A connection that is to be served.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) admitted: Admitted,
    pub(super) held: Held,
}

/// Connections to an address.
pub(super) struct Arrivals {
    protocol: Protocol,
    queues: Queues,
    /// It has not sent its first message yet, there is no place for it, and it still has time.
    young: Option<Accepted>,
    /// Whole requests for answers of any length; as many as there are places for.
    requests: VecDeque<Arrival>,
    looked_at: usize,
    age: fn(&Accepted) -> Duration,
}

/// What comes next.
enum Next {
    Accepted(Accepted),
    /// All that have come have been looked at.
    Request(Arrival),
}

impl Arrivals {
    /// Connections to the address of `listener`.
    ///
    /// # Errors
    /// `listener` is of no use.
    pub(super) fn new(
        (listener, protocol): (std::net::TcpListener, Protocol),
        reserve: Reserve,
        are_descriptors_few: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            protocol,
            queues: Queues::new(listener, reserve, are_descriptors_few)?,
            young: None,
            requests: VecDeque::new(),
            looked_at: 0,
            age: Accepted::age,
        })
    }

    /// The next one. A connection has [`OPENING_TIME`] to send its first message, and spends that with the kernel while
    /// there is no place for it: then it is closed.
    ///
    /// Cancellation: no connection is lost.
    pub(super) async fn next(&mut self, admission: &Admission) -> io::Result<Arrival> {
        loop {
            self.looked_at = self.looked_at.wrapping_add(1);
            if self.looked_at.is_multiple_of(PORTION) {
                if let Some(request) = self.requests.pop_front() {
                    return Ok(request);
                }
                yield_now().await;
            }
            let next = match self.young.take() {
                Some(young) => Next::Accepted(young),
                // It yields here, by count.
                None => coop::unconstrained(poll_fn(|context| self.poll(context))).await?,
            };
            let accepted = match next {
                Next::Accepted(accepted) => accepted,
                Next::Request(request) => return Ok(request),
            };
            if let Some(arrival) = self.look_at(accepted, admission)? {
                return Ok(arrival);
            }
            if let Some(young) = &self.young {
                if let Some(request) = self.requests.pop_front() {
                    return Ok(request);
                }
                let time_left = OPENING_TIME.saturating_sub((self.age)(young));
                sleep(admission.room_in().min(time_left)).await;
            }
        }
    }

    /// Whether a connection waits with the kernel.
    pub(super) fn is_anyone_waiting(&self) -> bool {
        self.queues.is_anyone_waiting()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Next>> {
        match self.queues.poll(context) {
            Poll::Ready(Ok(accepted)) => Poll::Ready(Ok(Next::Accepted(accepted))),
            nothing => match self.requests.pop_front() {
                Some(request) => Poll::Ready(Ok(Next::Request(request))),
                None => nothing.map_ok(Next::Accepted),
            },
        }
    }

    /// The connection, if it is to be served now; else it is kept, or closed.
    fn look_at(&mut self, accepted: Accepted, admission: &Admission) -> io::Result<Option<Arrival>> {
        let stage = match self.protocol.first(&accepted.stream) {
            First::Gone => return Ok(None),
            First::Partial if admission.has_room() => Stage::Opening,
            First::Partial if (self.age)(&accepted) >= OPENING_TIME => return Ok(None),
            First::Partial if admission.room_in().is_zero() => Stage::Opening,
            First::Partial => {
                self.young = Some(accepted);
                return Ok(None);
            }
            First::Hello => Stage::Handshake,
            First::Probe => Stage::Probe,
            First::Request => {
                match admission.admit_request(accepted.peer.ip()) {
                    Some(admitted) => self.requests.push_back(Arrival::new(accepted, admitted)?),
                    None => turn_away(&accepted.stream),
                }
                self.turn_away_others();
                return Ok(None);
            }
        };
        let admitted = admission.admit(accepted.peer.ip(), stage);
        Arrival::new(accepted, admitted).map(Some)
    }
}

impl Arrivals {
    /// Those that have had to make room for requests of other addresses.
    fn turn_away_others(&mut self) {
        let requests = std::mem::take(&mut self.requests).into_iter();
        let (gone, left): (VecDeque<_>, VecDeque<_>) =
            requests.partition(|one| one.admitted.is_turned_away());
        self.requests = left;
        for arrival in gone {
            if let Ok(stream) = arrival.stream.into_std() {
                turn_away(&stream);
            }
        }
    }
}

impl Arrival {
    fn new(Accepted { stream, held, .. }: Accepted, admitted: Admitted) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            admitted,
            held,
        })
    }
}

/// As many wait as may. What the client gets of that is up to it.
fn turn_away(mut stream: &std::net::TcpStream) {
    let _read = stream.read(&mut [0; REFUSED]);
    let _written = stream.write(answer::busy_in_full().as_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use futures_util::FutureExt as _;

    use super::super::admission::Places;
    use super::super::{Door, LIMITS};
    use super::*;
    use crate::settings::{Access, Listen};

    /// Arrivals that are all of an age, with one place at each stage.
    struct Crowd {
        arrivals: Arrivals,
        admission: Admission,
        address: std::net::SocketAddr,
    }

    impl Crowd {
        fn new(age: fn(&Accepted) -> Duration) -> Self {
            Self::with_waiting(1, age)
        }

        /// So many requests may wait.
        fn with_waiting(waiting: usize, age: fn(&Accepted) -> Duration) -> Self {
            let listen = Listen::flag("--admin", ([127, 0, 0, 1], 0).into());
            let listener = Door::open(&listen, &Access::default()).unwrap().listener;
            let address = listener.local_addr().unwrap();
            let arrivals = Arrivals::new((listener, Protocol::Http), Reserve::default(), true).unwrap();
            let admission = Admission::new(Places {
                openings: 1,
                waiting,
                answers: 0,
                ..LIMITS.places
            });
            Self {
                arrivals: Arrivals { age, ..arrivals },
                admission,
                address,
            }
        }

        fn client(&self, sends: &str) -> Client {
            let mut client = Client::connect(self.address).unwrap();
            client.write_all(sends.as_bytes()).unwrap();
            client
        }

        async fn next(&mut self) -> Arrival {
            self.arrivals.next(&self.admission).await.unwrap()
        }

        /// Which client an arrival is.
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
    const OLD: fn(&Accepted) -> Duration = |_| OPENING_TIME;
    const YOUNG: fn(&Accepted) -> Duration = |_| Duration::ZERO;

    #[tokio::test]
    async fn of_those_who_had_time_to_send_a_message_only_they_are_served_that_have() {
        let mut crowd = Crowd::new(OLD);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let slow = |number: usize| {
            crowd.client(if number.is_multiple_of(2) {
                ""
            } else {
                "GET / HTTP/1.1\r\n"
            })
        };
        let slow: Vec<_> = (0..2 * PORTION).map(slow).collect();
        let client = crowd.client(PROBE);
        assert!(crowd.is_next(&client).await);
        for mut one in slow {
            assert!(is_closed(&mut one));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_still_has_time_waits_for_a_place() {
        let mut crowd = Crowd::new(YOUNG);
        let open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let client = crowd.client("GET / HTTP/1.1\r\n");
        let began = tokio::time::Instant::now();
        assert!(crowd.is_next(&client).await);
        assert_eq!(began.elapsed(), OPENING_TIME);
        tokio::time::timeout(Duration::ZERO, open.closed()).await.unwrap();
    }

    #[tokio::test]
    async fn probes_come_before_requests_that_came_before_them() {
        let mut crowd = Crowd::new(OLD);
        let (request, probe) = (crowd.client(REQUEST), crowd.client(PROBE));
        assert!(crowd.is_next(&probe).await && crowd.is_next(&request).await);
    }

    #[tokio::test]
    async fn requests_have_their_turn_however_many_come() {
        let mut crowd = Crowd::new(OLD);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let request = crowd.client(REQUEST);
        let _silent: Vec<_> = (0..PORTION).map(|_| crowd.client("")).collect();
        let _probe = crowd.client(PROBE);
        assert!(crowd.is_next(&request).await);
    }

    #[tokio::test]
    async fn a_request_for_which_there_is_no_place_is_answered_that_it_is_too_much() {
        let mut crowd = Crowd::new(OLD);
        let (request, mut too_much) = (crowd.client(REQUEST), crowd.client(REQUEST));
        assert!(crowd.is_next(&request).await);
        let mut answer = String::new();
        too_much.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, answer::busy_in_full());
    }

    #[tokio::test]
    async fn a_request_of_an_address_that_has_none_is_served_in_place_of_another_ones_last() {
        let mut crowd = Crowd::new(OLD);
        crowd.admission = Admission::new(Places {
            waiting: 2,
            answers: 0,
            ..LIMITS.places
        });
        let (first, mut last) = (crowd.client(REQUEST), crowd.client(REQUEST));
        let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        other
            .bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into())
            .unwrap();
        other.connect(&crowd.address.into()).unwrap();
        let mut other = Client::from(other);
        other.write_all(REQUEST.as_bytes()).unwrap();
        assert!(crowd.is_next(&first).await && crowd.is_next(&other).await);
        let mut answer = String::new();
        last.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, answer::busy_in_full());
    }

    #[tokio::test]
    async fn one_that_has_left_is_not_served() {
        let mut crowd = Crowd::new(YOUNG);
        drop(crowd.client(""));
        let probe = crowd.client(PROBE);
        assert!(crowd.is_next(&probe).await);
    }

    #[tokio::test]
    async fn requests_are_served_in_the_order_in_which_they_came() {
        let mut crowd = Crowd::with_waiting(3, OLD);
        assert!(!crowd.arrivals.is_anyone_waiting());
        let clients: Vec<_> = (0..3).map(|_| crowd.client(REQUEST)).collect();
        assert!(crowd.arrivals.is_anyone_waiting());
        for client in &clients {
            assert!(crowd.is_next(client).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_to_wait_for_a_place_keeps_no_request_waiting() {
        let mut crowd = Crowd::new(YOUNG);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let request = crowd.client(REQUEST);
        let _partial = crowd.client("GET / HTTP/1.1\r\n");
        let began = tokio::time::Instant::now();
        assert!(crowd.is_next(&request).await);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn one_that_had_its_time_is_served_all_the_same_while_there_is_a_place() {
        let mut crowd = Crowd::new(|_| 2 * OPENING_TIME);
        let partial = crowd.client("GET / HTTP/1.1\r\n");
        assert!(crowd.is_next(&partial).await);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let mut late = crowd.client("");
        let probe = crowd.client(PROBE);
        assert!(crowd.is_next(&probe).await && is_closed(&mut late));
    }

    #[tokio::test]
    async fn others_have_their_turn_while_a_crowd_is_turned_away() {
        let mut crowd = Crowd::new(OLD);
        let _open = crowd.admission.admit(crowd.address.ip(), Stage::Opening);
        let silent: Vec<_> = (0..2 * PORTION).map(|_| crowd.client("")).collect();
        let next = crowd.arrivals.next(&crowd.admission);
        assert!(tokio::task::unconstrained(next).now_or_never().is_none());
        let mut last = silent.last().unwrap();
        last.set_nonblocking(true).unwrap();
        let read = last.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(read, Err(io::ErrorKind::WouldBlock), "it is still open");
    }
}
