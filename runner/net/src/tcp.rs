//! A byte stream for plugins: reads, writes and STARTTLS, each bounded by the run's deadline.

mod read_buffer;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::bounded::{Delimiter, Payload};
use super::stream::Transport;
use super::tls::{Examination, TlsOptions, TlsParameters, TlsSession};
use super::{Client, NetError, Phase, timeout_phase};
use crate::carrier::Carrier;
use crate::ledger::{Activity, LeasedStream};
use read_buffer::ReadBuffer;

/// Maximum number of bytes returned by one read, regardless of what the plugin requests.
const MAX_READ: usize = 1 << 20;
const CHUNK: usize = 16 << 10;
/// Time limit of a non-blocking read.
const READY_TIMEOUT: Duration = Duration::from_millis(1);

/// One connection, plain until TLS is started on it. It is closed on drop.
#[derive(Debug)]
pub struct Stream {
    /// `None` after a failed handshake, since the byte stream is then undefined.
    transport: Option<Transport>,
    host: String,
    /// The write side is closed.
    is_shut_down: bool,
    /// Bytes received after the delimiter of a read.
    buffered: ReadBuffer,
    last: ConnectionInfo,
    examination: Option<Examination>,
}

/// Addresses and byte counts of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The remote address, `address:port`.
    pub peer: String,
    /// The local address, `address:port`.
    pub local: String,
    /// Bytes received on the network.
    pub bytes_in: u64,
    /// Bytes sent on the network.
    pub bytes_out: u64,
}

impl Stream {
    /// Creates a plain stream to `host`, which is also the default server name for TLS.
    #[must_use]
    pub fn new(stream: LeasedStream, host: String) -> Self {
        let address = |found: std::io::Result<std::net::SocketAddr>| {
            found.map(|address| address.to_string()).unwrap_or_default()
        };
        let last = ConnectionInfo {
            peer: address(stream.peer_addr()),
            local: address(stream.local_addr()),
            ..ConnectionInfo::default()
        };
        Self {
            transport: Some(Transport::Plain(Carrier::Tcp(stream))),
            host,
            is_shut_down: false,
            buffered: ReadBuffer::default(),
            last,
            examination: None,
        }
    }

    /// The server's legacy TLS parameters, if the handshake failed because nothing in common was found.
    #[must_use]
    pub fn examination(&self) -> Option<&Examination> {
        self.examination.as_ref()
    }

    /// Addresses and the byte counts so far.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        let (bytes_in, bytes_out) = match &self.transport {
            Some(transport) => transport.tcp().traffic(),
            None => (self.last.bytes_in, self.last.bytes_out),
        };
        ConnectionInfo {
            bytes_in,
            bytes_out,
            ..self.last.clone()
        }
    }

    /// Upgrades the connection to TLS. If that fails, the connection is closed.
    ///
    /// # Errors
    /// The handshake, the time, or a connection that already uses TLS or has unread plain bytes, which an attacker
    /// could have injected before the handshake.
    pub async fn start_tls(
        &mut self,
        client: &Client,
        options: &TlsOptions,
    ) -> Result<(TlsSession, Duration), NetError> {
        if !self.buffered.is_empty() {
            let reason = "the peer sent more plain text before TLS".to_owned();
            return Err(NetError::Protocol(reason).in_phase(Phase::Handshake));
        }
        let stream = match self.transport.take() {
            Some(Transport::Plain(stream)) => stream,
            Some(tls) => {
                self.transport = Some(tls);
                return Err(NetError::Invalid("the connection already uses TLS".to_owned()));
            }
            None => return Err(closed(Phase::Handshake)),
        };
        let parameters = TlsParameters {
            host: &self.host,
            options,
            awaits_client_auth: true,
            // After STARTTLS a new connection would not be in the same protocol state.
            is_direct: stream.tcp().traffic() == (0, 0),
            is_proxy: false,
        };
        let secured = client.secure(stream, parameters).await;
        let (stream, session, took) = secured.map_err(|failure| {
            self.examination = failure.examination;
            failure.error
        })?;
        self.transport = Some(Transport::Tls(Box::new(stream)));
        Ok((session, took))
    }

    /// Returns up to `max` bytes as soon as any are available; empty at the end of the stream.
    ///
    /// # Errors
    /// The network, a quota, or the time.
    pub async fn read(&mut self, client: &Client, max: usize) -> Result<Vec<u8>, NetError> {
        let max = max.min(MAX_READ);
        if !self.buffered.is_empty() {
            return Ok(self.buffered.take(max));
        }
        self.receive(client, max).await
    }

    /// Returns what [`Stream::read`] would return without waiting; `None` if it would have to wait. Takes at most one
    /// millisecond.
    ///
    /// # Errors
    /// As [`Stream::read`].
    pub async fn read_ready(&mut self, client: &Client, max: usize) -> Result<Option<Vec<u8>>, NetError> {
        // The runtime polls sockets only while something waits: give it time to do so.
        let read = timeout(READY_TIMEOUT, self.read(client, max)).await;
        if let Some(transport) = &self.transport {
            transport.tcp().set_activity(Activity::Idle);
        }
        read.ok().transpose()
    }

    /// Closes the write side; data from the peer can still be read.
    ///
    /// # Errors
    /// The network, or the time.
    pub async fn shutdown_write(&mut self, client: &Client) -> Result<(), NetError> {
        let transport = self.transport.as_mut().ok_or_else(|| closed(Phase::Send))?;
        self.is_shut_down = true;
        let shutting = async { Ok(transport.shutdown().await?) };
        let shut = timed_phase(client, Phase::Send, shutting).await;
        transport.tcp().set_activity(Activity::Idle);
        shut
    }

    /// Reads up to and including `delimiter`.
    ///
    /// # Errors
    /// `Protocol` if it is not within `max` bytes, `Closed` if the stream ends first; and as for [`Stream::read`].
    pub async fn read_until(
        &mut self,
        client: &Client,
        delimiter: &Delimiter,
        max: usize,
    ) -> Result<Vec<u8>, NetError> {
        let max = max.min(MAX_READ);
        loop {
            if let Some(end) = self.buffered.find(delimiter).filter(|end| *end <= max) {
                return Ok(self.buffered.take(end));
            }
            if self.buffered.len() >= max {
                let reason = format!("no delimiter within {max} bytes");
                return Err(NetError::Protocol(reason).in_phase(Phase::Receive));
            }
            let more = self.receive(client, CHUNK).await?;
            if more.is_empty() {
                return Err(closed(Phase::Receive));
            }
            self.buffered.extend(&more);
        }
    }

    /// Writes all bytes; returns once the operating system has accepted them.
    ///
    /// # Errors
    /// The network, a quota, or the time.
    pub async fn write(&mut self, client: &Client, bytes: &Payload) -> Result<(), NetError> {
        if self.is_shut_down {
            return Err(NetError::Invalid(
                "the connection is shut down for writing".to_owned(),
            ));
        }
        let transport = self.transport.as_mut().ok_or_else(|| closed(Phase::Send))?;
        let writing = async {
            transport.write_all(bytes).await?;
            Ok(transport.flush().await?)
        };
        let written = timed_phase(client, Phase::Send, writing).await;
        transport.tcp().set_activity(Activity::Idle);
        written
    }

    async fn receive(&mut self, client: &Client, max: usize) -> Result<Vec<u8>, NetError> {
        let transport = self.transport.as_mut().ok_or_else(|| closed(Phase::Receive))?;
        let mut buffer = vec![0; max.min(CHUNK)];
        let reading = async { Ok(transport.read(&mut buffer).await?) };
        let read = timed_phase(client, Phase::Receive, reading).await;
        transport.tcp().set_activity(Activity::Idle);
        let read = read?;
        buffer.truncate(read);
        Ok(buffer)
    }
}

/// The error for a connection that the peer closed, or that was closed after a failed handshake.
fn closed(phase: Phase) -> NetError {
    NetError::Closed.in_phase(phase)
}

/// Bounds an operation by the run's deadline, and records its duration.
async fn timed_phase<T>(
    client: &Client,
    phase: Phase,
    operation: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let started_at = Instant::now();
    let done = timeout_phase(client.deadline_after(None), phase, operation).await;
    if let Err(error) = &done {
        client
            .page()
            .recorder()
            .note(|| format!("{}: {error}", phase.as_str()));
    }
    let error = done.as_ref().err().map(NetError::code);
    client
        .page()
        .record_phase(phase.into(), started_at.elapsed(), error);
    done
}
