//! What a test tells the plugin to do.

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
    /// What it does when it is to judge this configuration; nothing when absent.
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
    /// Returns an error in place of a verdict.
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
    /// Logs so many lines.
    Log(u32),
    /// Sleeps for longer than any run.
    Sleep,
    /// Returns far more than anybody reads.
    HugeVerdict,
    /// Gives the host texts of so many bytes wherever it takes one, a log with many fields first.
    LongTexts(u32),
    /// Connects and keeps, for ever, whatever the host says.
    ConnectWithoutEnd,
    /// Connects and closes, so often.
    Reconnect(u32),
    /// Connects to each of these places, and keeps the connections.
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
    /// Reads on when an error has told it to stop, for ever.
    IgnoreErrors,
    /// Waits on one connection for a byte, so many milliseconds at most, and then says what came in the end.
    ReadByDeadline(u32),
    /// Looks on one connection whether anything has come, before it sends something and after.
    ReadReady,
    /// Sends on one connection, says that nothing more comes, and reads to the end.
    HalfClose,
    /// Turns one connection into TLS and says what it saw.
    StartTls,
    /// Sends an HTTP request.
    Fetch(Fetch),
    /// Sends an HTTP request so often, the connection kept by nobody.
    FetchAll(u32, Fetch),
    /// Sends an HTTP request and reads the answer piece by piece.
    Stream(Stream),
    /// Looks so often whether anything of an answer's body has come.
    StreamReady(u32),
    /// Looks for a line end that does not come, again and again in what it has received.
    SearchInVain,
    /// Hands every function of the contract nothing, as much as it takes, and one more than that.
    Extremes,
    /// Asks for HTTP that makes no sense, in several ways.
    FetchAbsurd,
    /// Hands the host a text that is no UTF-8.
    BadText,
    /// Hands the host more in one call than it takes.
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
    /// Whether it looks again and again if something has come, in place of waiting for it.
    pub polls: bool,
    /// Milliseconds for all of them.
    pub deadline: Option<u64>,
    /// Whether the exchanges are left open.
    pub keep: bool,
}
