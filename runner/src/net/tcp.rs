//! A byte stream as a plugin uses it: reads, writes, and TLS from the middle, each by the run's deadline.

mod received;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::bounded::{Delimiter, Payload};
use super::stream::Transport;
use super::tls::{Demand, Examination, TlsOptions, TlsSession};
use super::{Client, NetError, Phase, within};
use crate::ledger::{Activity, LeasedStream};
use received::Received;

/// The most that one read hands out, in bytes, whatever the plugin asks for.
const LONGEST_READ: usize = 1 << 20;
const CHUNK: usize = 16 << 10;
/// How long a read takes that does not wait.
const AT_ONCE: Duration = Duration::from_millis(1);

/// One connection, plain until TLS is started on it. It closes when it is dropped.
#[derive(Debug)]
pub struct Stream {
    /// Absent after a failed handshake: the bytes on the wire have lost their meaning.
    transport: Option<Transport>,
    host: String,
    /// Nothing more is written.
    is_shut_down: bool,
    /// Received behind a delimiter that a read stopped at.
    behind: Received,
    last: Info,
    examination: Option<Examination>,
}

/// Where a connection goes and what went over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// `address:port`.
    pub peer: String,
    /// `address:port`.
    pub local: String,
    /// As the network saw them.
    pub bytes_in: u64,
    /// As the network saw them.
    pub bytes_out: u64,
}

impl Stream {
    /// A plain stream to `host`, which TLS will ask for by that name.
    #[must_use]
    pub fn new(stream: LeasedStream, host: String) -> Self {
        let address = |found: std::io::Result<std::net::SocketAddr>| {
            found.map(|address| address.to_string()).unwrap_or_default()
        };
        let last = Info {
            peer: address(stream.peer_addr()),
            local: address(stream.local_addr()),
            ..Info::default()
        };
        Self {
            transport: Some(Transport::Plain(stream)),
            host,
            is_shut_down: false,
            behind: Received::default(),
            last,
            examination: None,
        }
    }

    /// What the server showed when it had nothing in common with this host.
    #[must_use]
    pub fn examination(&self) -> Option<&Examination> {
        self.examination.as_ref()
    }

    /// Where it goes, and the bytes so far.
    #[must_use]
    pub fn info(&self) -> Info {
        let (bytes_in, bytes_out) = match &self.transport {
            Some(transport) => transport.tcp().traffic(),
            None => (self.last.bytes_in, self.last.bytes_out),
        };
        Info {
            bytes_in,
            bytes_out,
            ..self.last.clone()
        }
    }

    /// Turns the connection into a TLS session. When that fails, the connection is closed.
    ///
    /// # Errors
    /// The handshake, the time, or a connection that is TLS already or has unread plain bytes: whoever sent them
    /// before the handshake was not under its protection.
    pub async fn start_tls(
        &mut self,
        client: &Client,
        options: &TlsOptions,
    ) -> Result<(TlsSession, Duration), NetError> {
        if !self.behind.is_empty() {
            let reason = "the peer sent more in plain text before TLS".to_owned();
            return Err(NetError::Protocol(reason).during(Phase::Handshake));
        }
        let stream = match self.transport.take() {
            Some(Transport::Plain(stream)) => stream,
            Some(tls) => {
                self.transport = Some(tls);
                return Err(NetError::Invalid("the connection is TLS already".to_owned()));
            }
            None => return Err(closed()),
        };
        let wanted = Demand {
            host: &self.host,
            options,
            awaits_admission: true,
            // After STARTTLS another connection would be at the begin of its dialogue.
            is_direct: stream.traffic() == (0, 0),
        };
        let secured = client.secure(stream, wanted).await;
        let (stream, session, took) = secured.map_err(|unsecured| {
            self.examination = unsecured.shown;
            unsecured.error
        })?;
        self.transport = Some(Transport::Tls(Box::new(stream)));
        Ok((session, took))
    }

    /// Up to `max` bytes as soon as there are any; empty at the end of the stream.
    ///
    /// # Errors
    /// The network, a quota, or the time.
    pub async fn read(&mut self, client: &Client, max: usize) -> Result<Vec<u8>, NetError> {
        let max = max.min(LONGEST_READ);
        if !self.behind.is_empty() {
            return Ok(self.behind.take(max));
        }
        self.receive(client, max).await
    }

    /// What [`Stream::read`] returns if it need not wait for it; nothing when it would. Takes a millisecond at most.
    ///
    /// # Errors
    /// As [`Stream::read`].
    pub async fn read_ready(&mut self, client: &Client, max: usize) -> Result<Option<Vec<u8>>, NetError> {
        // The runtime looks at sockets while something waits: it has to be given the time.
        let read = timeout(AT_ONCE, self.read(client, max)).await;
        if let Some(transport) = &self.transport {
            transport.tcp().enter(Activity::Idle);
        }
        read.ok().transpose()
    }

    /// Says to the peer that nothing more comes; what it sends can still be read.
    ///
    /// # Errors
    /// The network, or the time.
    pub async fn shutdown_write(&mut self, client: &Client) -> Result<(), NetError> {
        let transport = self.transport.as_mut().ok_or_else(closed)?;
        self.is_shut_down = true;
        let shutting = async { Ok(transport.shutdown().await?) };
        let shut = timed(client, Phase::Send, shutting).await;
        transport.tcp().enter(Activity::Idle);
        shut
    }

    /// Reads up to and with `delimiter`.
    ///
    /// # Errors
    /// `Protocol` when `max` bytes held none, `Closed` when the stream ended before; and as [`Stream::read`].
    pub async fn read_until(
        &mut self,
        client: &Client,
        delimiter: &Delimiter,
        max: usize,
    ) -> Result<Vec<u8>, NetError> {
        let max = max.min(LONGEST_READ);
        loop {
            if let Some(end) = self.behind.find(delimiter).filter(|end| *end <= max) {
                return Ok(self.behind.take(end));
            }
            if self.behind.len() >= max {
                let reason = format!("no delimiter within {max} bytes");
                return Err(NetError::Protocol(reason).during(Phase::Receive));
            }
            let more = self.receive(client, CHUNK).await?;
            if more.is_empty() {
                return Err(closed());
            }
            self.behind.extend(&more);
        }
    }

    /// Returns once the operating system has taken every byte.
    ///
    /// # Errors
    /// The network, a quota, or the time.
    pub async fn write(&mut self, client: &Client, bytes: &Payload) -> Result<(), NetError> {
        if self.is_shut_down {
            return Err(NetError::Invalid(
                "the connection is shut down for writing".to_owned(),
            ));
        }
        let transport = self.transport.as_mut().ok_or_else(closed)?;
        let writing = async {
            transport.write_all(bytes).await?;
            Ok(transport.flush().await?)
        };
        let written = timed(client, Phase::Send, writing).await;
        transport.tcp().enter(Activity::Idle);
        written
    }

    async fn receive(&mut self, client: &Client, max: usize) -> Result<Vec<u8>, NetError> {
        let transport = self.transport.as_mut().ok_or_else(closed)?;
        let mut buffer = vec![0; max.min(CHUNK)];
        let reading = async { Ok(transport.read(&mut buffer).await?) };
        let read = timed(client, Phase::Receive, reading).await;
        transport.tcp().enter(Activity::Idle);
        let read = read?;
        buffer.truncate(read);
        Ok(buffer)
    }
}

/// The peer has closed, or this side has after a handshake that failed.
fn closed() -> NetError {
    NetError::Closed.during(Phase::Receive)
}

/// Bounds an operation by the run's deadline, and writes its time down.
async fn timed<T>(
    client: &Client,
    phase: Phase,
    operation: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let started_at = Instant::now();
    let done = within(client.limit(None), phase, operation).await;
    if let Err(error) = &done {
        client
            .page()
            .recorder()
            .note(|| format!("{}: {error}", phase.word()));
    }
    let error = done.as_ref().err().map(NetError::word);
    client.page().spend(phase.into(), started_at.elapsed(), error);
    done
}
