//! The script of a fake peer.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::{ErrorCode, NetError};
use crate::tls;

/// What a fake peer does on one connection, step by step. After the last step it closes.
///
/// The peer sends as soon as the probe reads and waits for what it expects. A probe that reads while the peer
/// waits gets a time-out, as it would in life; one that writes something else fails the test.
///
/// ```
/// use canary_sdk::fake::{Script, certificate, session};
///
/// let mail = Script::new()
///     .send("220 ready\r\n")
///     .expect("STARTTLS\r\n")
///     .send("220 go ahead\r\n")
///     .tls(session([certificate("mail.example.com")]))
///     .silence();
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Script {
    pub(super) connect: Option<NetError>,
    pub(super) steps: VecDeque<Step>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Vec<u8>),
    Expect(Vec<u8>),
    Wait(Duration),
    Tls(Box<Result<tls::Session, NetError>>),
    OldTls(String, Box<tls::Examination>),
    Fail(NetError),
    Silence,
}

impl Script {
    /// A peer that accepts the connection and closes it.
    pub fn new() -> Self {
        Self::default()
    }

    /// No peer: the connect fails.
    pub fn refuse(error: impl Into<NetError>) -> Self {
        Self {
            connect: Some(error.into()),
            steps: VecDeque::new(),
        }
    }

    /// Sends bytes.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().into()))
    }

    /// Waits for exactly these bytes.
    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Expect(bytes.as_ref().into()))
    }

    /// Waits before the next step. No test sleeps: a [`Stopwatch`](crate::Stopwatch) shows the time.
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(time))
    }

    /// Completes a TLS handshake with this session.
    pub fn tls(self, session: tls::Session) -> Self {
        self.step(Step::Tls(Box::new(Ok(session))))
    }

    /// Refuses the TLS handshake.
    pub fn refuse_tls(self, reason: &str) -> Self {
        self.step(Step::Tls(Box::new(Err(NetError::new(
            ErrorCode::Tls,
            format!("TLS: {reason}"),
        )))))
    }

    /// Refuses the TLS handshake because it only supports older TLS, of which the host sees this.
    pub fn old_tls(self, reason: &str, shown: tls::Examination) -> Self {
        self.step(Step::OldTls(reason.into(), Box::new(shown)))
    }

    /// Ends the conversation with an error, such as [`ErrorCode::Reset`].
    pub fn fail(self, error: impl Into<NetError>) -> Self {
        self.step(Step::Fail(error.into()))
    }

    /// Sends nothing more and does not close: every later read times out.
    pub fn silence(self) -> Self {
        self.step(Step::Silence)
    }

    /// Closes. This is implied at the end, but makes a test easier to read.
    pub fn close(self) -> Self {
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}
