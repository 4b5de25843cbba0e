mod bench;
mod crowd;
mod documented;
mod routes;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::*;
use bench::Bench;

/// An admin server on a separate thread.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        Self::with_limits(LIMITS, |format| format!("{format:?}"))
    }

    fn with_limits(limits: Limits, text: impl Fn(Format) -> String + Send + Sync + 'static) -> Self {
        let state = Bench::new().state(text);
        Self::at(limits, AdminListener::sample(), state)
    }

    fn at(limits: Limits, listener: AdminListener, state: AdminState) -> Self {
        let address = listener.listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served =
                serve_with_limits(limits, listener, InternalFds::default(), state, until.cancelled());
            runtime.unwrap().block_on(served);
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    fn open(&self) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// A client at `source` that asks for the metrics and never reads. Its receive buffer is small: otherwise the kernel
    /// might take the whole response, depending on its settings.
    fn open_deaf(&self, source: Ipv4Addr) -> std::net::TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        stream
    }

    /// Sends a request, and reads until the server closes the connection.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.open();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str, headers: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
        ))
    }
}

/// Returns when the kernel has delivered what a client sent: it may do so after write(2) has returned.
#[expect(unsafe_code, reason = "SIOCOUTQ has no safe wrapper")]
pub(super) fn deliver(client: &std::net::TcpStream) {
    let mut unacknowledged: libc::c_int = 1;
    while unacknowledged > 0 {
        // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes one `int`.
        let result = unsafe { libc::ioctl(client.as_raw_fd(), libc::TIOCOUTQ, &raw mut unacknowledged) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        std::thread::yield_now();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn the_admin_server_leaves_descriptors_of_the_reserve_to_the_other_parts() {
    let StageLimits {
        openings,
        handshakes,
        heads,
        probes,
        waiting,
        responses,
        ..
    } = LIMITS.stages;
    let listeners_and_the_next = reuse_port::MAX_LISTENERS + 1;
    let most = openings + handshakes + heads + probes + waiting + responses + listeners_and_the_next;
    assert!(most <= 216, "{most}: say so where `RESERVE` is");
    assert!(most as u64 + 40 <= RESERVED_FDS);
}

#[test]
fn a_scraper_gets_the_format_that_it_names() {
    let server = Server::start();
    let plain = server.get("/metrics", "");
    assert!(
        plain.contains("text/plain; version=0.0.4") && plain.contains("\r\nPrometheus\r\n"),
        "{plain}"
    );
    let open = server.get(
        "/metrics",
        "accept: application/openmetrics-text;version=1.0.0;q=0.9\r\n",
    );
    assert!(
        open.contains("version=1.0.0") && open.contains("\r\nOpenMetrics\r\n"),
        "{open}"
    );
}

#[test]
fn a_scraper_that_takes_gzip_gets_it() {
    let server = Server::with_limits(LIMITS, |_| "x".repeat(10_000));
    let zipped = server.get("/metrics", "accept-encoding: gzip\r\n");
    assert!(zipped.contains("content-encoding: gzip"), "{zipped}");
    let plain = server.get("/metrics", "");
    assert!(plain.contains(&"x".repeat(10_000)), "{plain}");
}

#[test]
fn an_endless_text_blocks_no_other_request() {
    let mut state = Bench::new().state(|_| String::new());
    state.metrics = Box::new(|_| Box::new(std::iter::repeat_with(|| "x\n".repeat(64 << 10))));
    let server = Server::at(PATIENT, AdminListener::sample(), state);
    let mut scraper = server.open();
    let open = scraper.try_clone().unwrap();
    scraper
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut head = [0; 12];
    scraper.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let read = std::thread::spawn(move || io::copy(&mut scraper, &mut io::sink()));
    for _ in 0..20 {
        assert!(server.get("/livez", "").starts_with("HTTP/1.1 200"));
    }
    assert!(!read.is_finished(), "the others were answered after it");
    open.shutdown(std::net::Shutdown::Both).unwrap();
    let _ended = read.join().unwrap();
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = Server::start();
    assert!(server.get("/secret", "").starts_with("HTTP/1.1 404"));
    assert!(server.get("/", "").starts_with("HTTP/1.1 200"));
    let post = server
        .ask("POST /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405"), "{post}");
}

/// A single place at each stage, so that one client can block all others.
const ONE_AT_A_TIME: Limits = Limits {
    stages: StageLimits {
        openings: 1,
        handshakes: 1,
        heads: 1,
        probes: 1,
        waiting: 1,
        responses: 1,
        response_time: Duration::from_millis(200),
    },
    head_time: Duration::from_millis(300),
    request_time: Duration::from_millis(600),
};

#[test]
fn a_silent_client_blocks_others_no_longer_than_the_head_time_out() {
    let limits = Limits {
        request_time: Duration::MAX,
        ..ONE_AT_A_TIME
    };
    let server = Server::with_limits(limits, |_| String::new());
    let _silent = server.open();
    // This one waits until the first is closed.
    assert!(server.get("/metrics", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_that_sends_its_head_byte_by_byte_gets_no_more_time() {
    let limits = Limits {
        request_time: Duration::MAX,
        ..ONE_AT_A_TIME
    };
    let server = Server::with_limits(limits, |_| String::new());
    let mut slow = server.open();
    // Nothing is received: the read time-out is the pause between two bytes.
    slow.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let answer = std::thread::scope(|scope| {
        let next = scope.spawn(|| server.get("/", ""));
        while !next.is_finished() {
            let _closed = slow.write_all(b"x");
            let _nothing = slow.read(&mut [0]);
        }
        next.join().unwrap()
    });
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Size of a response of which the kernel holds only a part while its peer does not read.
const UNREAD_BYTES: usize = 16 << 20;

#[test]
fn a_client_that_does_not_read_its_response_blocks_others_no_longer_than_the_response_time() {
    // The time of the other request would run as well while it waits.
    let limits = Limits {
        stages: ONE_AT_A_TIME.stages,
        ..PATIENT
    };
    let server = Server::with_limits(limits, |_| "x".repeat(UNREAD_BYTES));
    let _deaf = server.open_deaf(Ipv4Addr::LOCALHOST);
    assert!(server.get("/", "").starts_with("HTTP/1.1 200"));
}

/// Practically no time-outs.
const PATIENT: Limits = Limits {
    head_time: Duration::from_secs(3_600),
    request_time: Duration::from_secs(3_600),
    ..LIMITS
};

#[test]
fn a_crowd_that_never_completes_its_requests_does_not_delay_others() {
    let server = Server::with_limits(PATIENT, |_| String::new());
    let slow = || {
        let mut stream = server.open();
        stream.write_all(b"GET / HT").unwrap();
        stream
    };
    let _crowd: Vec<_> = (0..300).map(|_| slow()).collect();
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/status"] {
        let answer = server.get(path, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}

#[test]
fn a_crowd_that_never_reads_its_responses_does_not_delay_probes_and_other_requests_get_503() {
    let limits = Limits {
        stages: StageLimits {
            response_time: Duration::from_secs(3_600),
            ..LIMITS.stages
        },
        ..PATIENT
    };
    let server = Server::with_limits(limits, |_| "x".repeat(UNREAD_BYTES));
    let _crowd: Vec<_> = (0..40).map(|_| server.open_deaf(Ipv4Addr::LOCALHOST)).collect();
    assert!(server.get("/livez", "").starts_with("HTTP/1.1 200"));
    let busy = server.get("/metrics", "");
    assert!(
        busy.starts_with("HTTP/1.1 503") && busy.contains("retry-after: 1"),
        "{busy}"
    );
    assert!(server.get("/livez", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_request_for_another_host_name_is_refused() {
    let server = Server::start();
    for path in ["/", "/livez", "/api/v1/status", "/metrics"] {
        let answer = server.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: attacker.example:9464\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    }
    let probe = server.ask("GET /livez HTTP/1.0\r\n\r\n");
    assert!(probe.starts_with("HTTP/1.0 200"), "{probe}");
}

#[test]
fn a_connection_serves_one_request() {
    let limits = Limits {
        head_time: Duration::from_secs(60),
        request_time: Duration::from_secs(60),
        ..ONE_AT_A_TIME
    };
    let server = Server::with_limits(limits, |_| String::new());
    // The server closes the connection after the response, although the client did not request that.
    let answer = server.ask("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn an_endless_head_is_cut_off() {
    let server = Server::start();
    let mut stream = server.open();
    stream.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
    let endless = std::iter::repeat_with(|| stream.write_all(&[b'a'; 1_024])).take(1_024);
    let _cut_off = endless.take_while(Result::is_ok).count();
    let mut answer = Vec::new();
    // An error response, or a reset connection.
    let _closed = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(server.get("/", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn an_address_that_occupies_all_places_and_never_reads_does_not_block_other_addresses() {
    let server = Server::with_limits(PATIENT, |_| "x".repeat(UNREAD_BYTES));
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let mut crowd = Vec::new();
    for path in ["/metrics", "/api/v1/status", "/metrics"] {
        crowd.extend((0..40).map(|_| server.open_deaf(other)));
        let answer = server.get(path, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}
