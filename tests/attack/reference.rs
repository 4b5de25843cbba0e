//! A plain server beside the service, which nobody attacks: how long the machine takes for a probe at the time.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::AdminEndpoint;

const PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// Minimum number of probes in a [`Pace`].
const MIN_PROBES: usize = 5;
/// A probe of a service under attack takes as long as this many of the plain server: it waits for others.
const COST_OF_PROBE: u32 = 20;
/// The admin server closes a connection first that is without a message for this long (`OPENING_TIME`).
const LATE: Duration = Duration::from_millis(50);
/// How many percent of the probes may be refused on a machine that is fast.
const MAX_REFUSED_PERCENT: usize = 25;

/// The plain server, and a thread that probes it. Both end with the test's process at the latest.
pub(crate) struct Reference {
    /// When each probe was answered, and how long that took.
    answered: Arc<Mutex<Vec<(Instant, Duration)>>>,
    /// The thread ends when this is dropped.
    _stop_tx: Sender<()>,
}

/// How the plain server was reached for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) p50: Duration,
    max: Duration,
    /// How many percent of the probes took longer than [`LATE`].
    late_percent: usize,
}

impl Reference {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = AdminEndpoint {
            address: listener.local_addr().unwrap(),
            tls: None,
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The client notices.
                let _failed = answer(&stream);
            }
        });
        let (stop_tx, stop_rx) = channel();
        let answered: Arc<Mutex<Vec<(Instant, Duration)>>> = Arc::default();
        let probed = Arc::clone(&answered);
        std::thread::spawn(move || {
            while stop_rx.recv_timeout(PROBE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let asked = Instant::now();
                // How long one took that failed counts as well.
                let _failed = server.probe();
                let took = asked.elapsed();
                probed.lock().unwrap().push((asked + took, took));
            }
        });
        Self {
            answered,
            _stop_tx: stop_tx,
        }
    }

    /// The pace since `begin`. Blocks the thread until a few probes were answered.
    pub(crate) fn pace(&self, begin: Instant) -> Pace {
        loop {
            let answered = self.answered.lock().unwrap().clone();
            let since = answered.iter().filter(|(at, _)| *at >= begin);
            let took: Vec<Duration> = since.map(|(_, took)| *took).collect();
            if took.len() >= MIN_PROBES {
                return Pace::of(took);
            }
            std::thread::park_timeout(PROBE_INTERVAL);
        }
    }
}

impl Pace {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort();
        let late = took.iter().filter(|took| **took > LATE).count();
        Self {
            p50: took[took.len() / 2],
            max: took[took.len() - 1],
            late_percent: 100 * late / took.len(),
        }
    }

    /// The limit of a median of probes at this pace, if it is `limit` on a machine that is fast.
    pub(crate) fn median_limit(&self, limit: Duration) -> Duration {
        limit + COST_OF_PROBE * self.p50
    }

    /// The limit of something that happens once.
    pub(crate) fn limit(&self, limit: Duration) -> Duration {
        limit + COST_OF_PROBE * self.max
    }

    /// Whether no more probes were refused than at this pace: a client that does not get a processor in time looks like
    /// one that sends nothing, whose connection is closed first.
    pub(crate) fn allows_refused(&self, refused: usize, answered: usize) -> bool {
        let refused_percent = 100 * refused / (refused + answered).max(1);
        refused_percent <= MAX_REFUSED_PERCENT + 2 * self.late_percent
    }
}

/// Reads a request without a body, and answers 200.
fn answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut head = BufReader::new(stream);
    let mut lines = String::new();
    // Up to the empty line, or the end.
    while head.read_line(&mut lines)? > b"\r\n".len() {}
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
