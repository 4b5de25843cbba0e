//! A host for unit tests: a probe runs natively, and its clients talk to what the test has scripted.
//!
//! Nothing here opens a socket or waits. What was not scripted behaves like an empty network: connections are
//! refused and names do not exist. Plugins do not carry this module: WebAssembly builds leave it out.
//!
//! ```
//! use canary_sdk::fake::{FakeHost, Script};
//! use canary_sdk::tcp;
//!
//! let host = FakeHost::new().tcp("mail:25", Script::new().send("220 ready\r\n").expect("QUIT\r\n").close());
//! host.enter(|| {
//!     let connection = tcp::connect(&"mail:25".parse().unwrap()).unwrap();
//!     assert_eq!(connection.read_line(512).unwrap(), "220 ready");
//!     connection.write(b"QUIT\r\n").unwrap();
//! });
//! assert_eq!(host.open_connections(), 0);
//! ```

pub(crate) mod backend;
mod connection;
mod exchange;
mod samples;
mod script;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::error::{ErrorCode, NetError};
use crate::log::Level;
use crate::plumbing::{self, Description, Request};
use crate::problems::Invalid;
use crate::tcp::ConnectOptions;
use crate::timestamp::Timestamp;
use crate::{Probe, Problem, Quotas, Verdict, dns, http, tls};

pub use exchange::Stream;
pub use samples::{certificate, reply, response, session};
pub use script::Script;

/// The default start time of a fake run: 2026-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);

/// A host that a test scripts. It is built with a chain of calls; afterwards it reports what the probe did.
#[derive(Clone, Default)]
#[must_use]
pub struct FakeHost(Rc<RefCell<State>>);

type Responder = Rc<dyn Fn(&http::Request) -> Result<http::Response, NetError>>;
type Streamer = Rc<dyn Fn(&http::Request) -> Result<Stream, NetError>>;

#[derive(Default)]
struct State {
    peers: HashMap<String, VecDeque<Script>>,
    responder: Option<Responder>,
    streamer: Option<Streamer>,
    addresses: HashMap<String, dns::AddressList>,
    expects_failure: bool,
    quotas: Quotas,
    cpu_used: Duration,
    replies: HashMap<(String, String), Result<dns::Reply, NetError>>,
    max_sockets: Option<u64>,
    now: Option<Timestamp>,
    clock: Duration,
    open: u64,
    connects: Vec<(String, ConnectOptions)>,
    handshakes: Vec<tls::Options>,
    written: HashMap<String, Vec<u8>>,
    requests: Vec<http::Request>,
    lines: Vec<Line>,
    invalid: Vec<Invalid>,
    masked: Vec<String>,
}

/// A line that the probe logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The level.
    pub level: Level,
    /// The text.
    pub message: String,
    /// The fields.
    pub fields: Vec<(String, String)>,
}

impl FakeHost {
    /// Creates a host with an empty network.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a peer at `endpoint` (`HOST:PORT`). A second script for the same endpoint is for the second connection,
    /// and so on; the last one serves all following connections.
    pub fn tcp(self, endpoint: &str, script: Script) -> Self {
        self.0
            .borrow_mut()
            .peers
            .entry(endpoint.into())
            .or_default()
            .push_back(script);
        self
    }

    /// Answers every HTTP request with a closure. If the probe streams the response, its body is one chunk.
    pub fn http(
        self,
        responder: impl Fn(&http::Request) -> Result<http::Response, NetError> + 'static,
    ) -> Self {
        self.0.borrow_mut().responder = Some(Rc::new(responder));
        self
    }

    /// Answers every streamed request ([`http::Request::open`]) with a closure.
    pub fn http_stream(
        self,
        streamer: impl Fn(&http::Request) -> Result<Stream, NetError> + 'static,
    ) -> Self {
        self.0.borrow_mut().streamer = Some(Rc::new(streamer));
        self
    }

    /// Answers a DNS query.
    pub fn dns(self, name: &str, kind: &str, reply: Result<dns::Reply, NetError>) -> Self {
        self.0
            .borrow_mut()
            .replies
            .insert((name.into(), kind.into()), reply);
        self
    }

    /// Sets the addresses of a name; by default it has the address that every name has here. A connect to one of them
    /// uses the script of `ADDRESS:PORT`, or else that of the name.
    pub fn addresses(self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.address_list(name, dns::AddressList::complete(addresses))
    }

    /// Sets the addresses of a name, and whether there may be more.
    pub fn address_list(self, name: &str, list: dns::AddressList) -> Self {
        self.0.borrow_mut().addresses.insert(name.into(), list);
        self
    }

    /// Runs probes like the host does for a check that expects its target to fail. The verdict is not inverted.
    pub fn expect_failure(self) -> Self {
        self.0.borrow_mut().expects_failure = true;
        self
    }

    /// Changes the quotas that a probe sees. Only [`FakeHost::max_sockets`] is enforced here.
    pub fn quotas(self, change: impl FnOnce(&mut Quotas)) -> Self {
        change(&mut self.0.borrow_mut().quotas);
        self
    }

    /// Sets the CPU time that [`usage::cpu`](crate::usage::cpu) returns; by default none.
    pub fn cpu_used(self, time: Duration) -> Self {
        self.0.borrow_mut().cpu_used = time;
        self
    }

    /// Limits the sockets that are open at once; one more is [`ErrorCode::Quota`].
    pub fn max_sockets(self, limit: u64) -> Self {
        self.0.borrow_mut().max_sockets = Some(limit);
        self
    }

    /// Refuses this field in every check. Everything else is valid here, even if the real host would refuse it: only
    /// that has the parsers of PEM, URLs and names.
    pub fn invalid(self, field: &str, message: &str) -> Self {
        self.0.borrow_mut().invalid.push(Invalid {
            field: field.into(),
            message: message.into(),
        });
        self
    }

    /// Sets the start time of a run instead of [`NOW`].
    pub fn now(self, now: Timestamp) -> Self {
        self.0.borrow_mut().now = Some(now);
        self
    }

    /// Runs a probe like the real host does. The configuration is JSON: a `serde_json::Value`, or a text if its
    /// numbers have more digits than that supports.
    ///
    /// # Errors
    /// The configuration does not fit, or the probe returned [`Error::Plugin`](crate::Error::Plugin).
    pub fn run<P: Probe>(&self, target: &str, config: impl fmt::Display) -> Result<Verdict, String> {
        let now = self.0.borrow().now.unwrap_or(NOW);
        let request = Request {
            check: "test".into(),
            target: target.into(),
            config: config.to_string(),
            attempt: 1,
            now: u64::try_from(now.unix())
                .unwrap_or(0)
                .saturating_mul(1_000_000_000),
            time_left: 5000,
            expect_failure: self.0.borrow().expects_failure,
            quotas: self.0.borrow().quotas,
        };
        self.enter(|| plumbing::run::<P>(request))
    }

    /// Validates a configuration with a probe like the real host does when a suite is loaded; it is JSON, as for
    /// [`FakeHost::run`].
    pub fn check_config<P: Probe>(&self, target: Option<&str>, config: impl fmt::Display) -> Vec<Problem> {
        self.enter(|| plumbing::check_config::<P>(target, &config.to_string()))
    }

    /// Makes this the host of the current thread while `body` runs.
    pub fn enter<T>(&self, body: impl FnOnce() -> T) -> T {
        let _guard = HostGuard(CURRENT.replace(Some(self.clone())));
        body()
    }

    /// The number of connections that the probe holds open. If it is not 0 after a run, the probe leaks.
    pub fn open_connections(&self) -> u64 {
        self.0.borrow().open
    }

    /// Every connect, refused ones included: its destination and its options.
    pub fn connects(&self) -> Vec<(String, ConnectOptions)> {
        self.0.borrow().connects.clone()
    }

    /// The options of every TLS handshake that the probe started on a connection.
    pub fn handshakes(&self) -> Vec<tls::Options> {
        self.0.borrow().handshakes.clone()
    }

    /// All bytes that the probe wrote to `endpoint`, over all connections.
    pub fn written(&self, endpoint: &str) -> Vec<u8> {
        self.0.borrow().written.get(endpoint).cloned().unwrap_or_default()
    }

    /// Every HTTP request.
    pub fn requests(&self) -> Vec<http::Request> {
        self.0.borrow().requests.clone()
    }

    /// Every value that was [masked](crate::secrets::mask).
    pub fn masked(&self) -> Vec<String> {
        self.0.borrow().masked.clone()
    }

    /// Every line that was logged.
    pub fn lines(&self) -> Vec<Line> {
        self.0.borrow().lines.clone()
    }

    fn answer(&self, request: &http::Request) -> Result<Stream, NetError> {
        let (streamer, responder) = {
            let state = self.0.borrow();
            (state.streamer.clone(), state.responder.clone())
        };
        match (streamer, responder) {
            (Some(streamer), _) => streamer(request),
            (None, Some(responder)) => responder(request).map(Stream::from),
            (None, None) => Err(ErrorCode::Refused.into()),
        }
    }

    fn lend_socket(&self) -> Result<(), NetError> {
        let mut state = self.0.borrow_mut();
        match state.max_sockets {
            Some(limit) if state.open >= limit => Err(NetError::quota("sockets", limit)),
            _ => {
                state.open += 1;
                Ok(())
            }
        }
    }

    fn next_script(&self, endpoint: &str) -> Option<Script> {
        let mut state = self.0.borrow_mut();
        let scripts = state.peers.get_mut(endpoint)?;
        if scripts.len() > 1 {
            scripts.pop_front()
        } else {
            scripts.front().cloned()
        }
    }
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost")
            .field("open_connections", &self.open_connections())
            .finish_non_exhaustive()
    }
}

/// The description of a probe; its version is 0.0.0.
#[must_use]
pub fn describe<P: Probe>() -> Description {
    plumbing::describe::<P>("0.0.0")
}

thread_local! {
    static CURRENT: RefCell<Option<FakeHost>> = const { RefCell::new(None) };
}

/// Restores the previous host on drop.
struct HostGuard(Option<FakeHost>);

impl Drop for HostGuard {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take());
    }
}

/// The host of this thread; an empty network outside of [`FakeHost::enter`].
fn current() -> FakeHost {
    CURRENT.with_borrow(|host| host.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests;
