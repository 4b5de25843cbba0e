//! Waits for a server's decision on the client certificate. In TLS 1.3 it is sent only after the handshake, with the
//! first data.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::NetError;

/// Bounds of the wait; a server that sends nothing costs this much time.
const MIN_WAIT: Duration = Duration::from_millis(200);
const MAX_WAIT: Duration = Duration::from_secs(1);
/// The wait as a multiple of the handshake's duration, which includes a round trip.
const HANDSHAKES: u32 = 2;
const CHUNK: usize = 4096;

/// Waits for a rejection by a server that requested a client certificate. A session ticket, data or silence means
/// acceptance. Data stays in the session for the next read.
///
/// # Errors
/// The server rejected the client, or closed the connection.
pub(super) async fn await_client_auth<S>(stream: &mut TlsStream<S>, took: Duration) -> Result<(), NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limit = Instant::now() + (took * HANDSHAKES).clamp(MIN_WAIT, MAX_WAIT);
    let (io, session) = stream.get_mut();
    let mut buffer = [0; CHUNK];
    // With unread data a session does not want to read more.
    while session.wants_read() && session.tls13_tickets_received() == 0 {
        let read = match timeout_at(limit, io.read(&mut buffer)).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => return Err(closed()),
            Ok(Err(error)) => return Err(error.into()),
            Err(_silent) => return Ok(()),
        };
        let mut unread = buffer.get(..read).unwrap_or_default();
        if unread.is_empty() {
            return Err(closed());
        }
        while !unread.is_empty() {
            session.read_tls(&mut unread)?;
            let state = session.process_new_packets().map_err(io::Error::other)?;
            if state.peer_has_closed() && state.plaintext_bytes_to_read() == 0 {
                return Err(closed());
            }
        }
    }
    Ok(())
}

fn closed() -> NetError {
    NetError::Tls(
        "the server asked for a client certificate, and ended the connection after the handshake".to_owned(),
    )
}
