//! What a test configures the plugin to do.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a suite writes under `config:`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connections to the target that it opens first and never closes.
    pub hold: u32,
    /// What it does on each of them.
    pub on_each: OnEach,
    /// What it does then.
    pub then: Behaviour,
    /// What it does in `check-config` with this configuration; nothing when absent.
    pub judge: Option<Behaviour>,
}

/// What is done on a connection before it is kept.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEach {
    /// Not a byte.
    #[default]
    Nothing,
    /// An HTTP request is written; no answer is read.
    Request,
    /// A TLS handshake, whatever the certificate.
    Tls,
    /// An HTTP exchange is opened; its body is not read.
    Exchange,
}

/// How the plugin misbehaves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Returns a verdict.
    #[default]
    Return,
    /// Returns an error instead of a verdict.
    GiveUp,
    /// Panics, which traps.
    Panic,
    /// Calls `exit`.
    Exit,
    /// Computes for ever.
    Spin,
    /// Computes until the host says that it has used so many milliseconds.
    SpinUntil(u64),
    /// Calls itself for ever.
    Recurse,
    /// Allocates for ever.
    GrowMemory,
    /// Logs for ever.
    FloodLog,
    /// Prints so many lines to standard output, and as many to standard error.
    Print(u32),
    /// Connects through WASI, as a library does that knows nothing of the host.
    StdConnect,
    /// Logs so many lines.
    Log(u32),
    /// Sleeps for longer than any run.
    Sleep,
    /// Returns a verdict far beyond the record's limits.
    HugeVerdict,
    /// Passes the host texts of so many bytes wherever it accepts one, a log with many fields first.
    LongTexts(u32),
    /// Connects and leaks, for ever, whatever the host returns.
    ConnectWithoutEnd,
    /// Connects and closes, so often.
    Reconnect(u32),
    /// Connects to each of these endpoints, and leaks the connections.
    Connect(Vec<String>),
    /// Asks the resolver for the addresses of these names.
    Resolve(Vec<String>),
    /// Asks this name server, at `address:port`, for a name.
    AskServer(String),
    /// Asks so many different names of the resolver, by questions.
    FloodQueries(u32),
    /// Asks so many different names of the resolver, by connecting to them.
    FloodConnects(u32),
    /// Sends on one connection until an error.
    SendWithoutEnd,
    /// Reads from one connection until an error or the end.
    ReadWithoutEnd,
    /// Waits on one connection for the end of a line.
    ReadLine,
    /// Continues to read after errors, for ever.
    IgnoreErrors,
    /// Waits on one connection for a byte, so many milliseconds at most, and then reports what was received in the end.
    ReadByDeadline(u32),
    /// Polls one connection for data, before it sends something and after.
    ReadReady,
    /// Sends on one connection, shuts down its write side, and reads to the end.
    HalfClose,
    /// Starts TLS on one connection and reports the session.
    StartTls,
    /// Sends an HTTP request.
    Fetch(Fetch),
    /// Sends an HTTP request so often, each over a connection of its own.
    FetchAll(u32, Fetch),
    /// Sends an HTTP request and reads the answer piece by piece.
    Stream(Stream),
    /// Polls so often for data of a response body.
    StreamReady(u32),
    /// Looks for a line end that does not come, again and again in what it has received.
    SearchInVain,
    /// Passes every function of the contract nothing, the maximum, and one more than that.
    Extremes,
    /// Asks for HTTP that makes no sense, in several ways.
    FetchAbsurd,
    /// Passes the host a text that is not UTF-8.
    BadText,
    /// Passes the host more in one call than it accepts.
    HugeCall,
}

/// An HTTP request.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fetch {
    /// The target's root when absent.
    pub url: Option<String>,
    /// Body bytes to keep; 0 reads none.
    pub max_body: u32,
    /// Milliseconds to read the body for.
    pub read_for: Option<u64>,
    /// Milliseconds for all of it.
    pub timeout: Option<u64>,
    /// How many redirects to follow.
    pub max_redirects: u32,
    /// `HOST:PORT` to connect to.
    pub connect_to: Option<String>,
    /// URL of a proxy.
    pub proxy: Option<String>,
    /// Bytes of a body to send.
    pub body: usize,
    /// Over HTTP/2, agreed on or not.
    pub http2: bool,
    /// Whether an untrusted certificate is an error.
    pub require_valid: bool,
    /// PEM.
    pub ca_certificates: Option<String>,
}

/// An HTTP request whose answer is read piece by piece.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// What is asked for.
    pub request: Fetch,
    /// Exchanges like it that are opened before, and not read.
    pub beside: u32,
    /// Exchanges like it that are read to their end before.
    pub ended: u32,
    /// Whether those are dropped as soon as they are over, and not held to the end.
    pub drops: bool,
    /// Most bytes of one read.
    pub piece: Option<u32>,
    /// Most reads; to the end when absent.
    pub reads: Option<u32>,
    /// Whether it polls for data instead of waiting for it.
    pub polls: bool,
    /// Milliseconds for all of them.
    pub deadline: Option<u64>,
    /// Whether the exchanges are left open.
    pub keep: bool,
}
