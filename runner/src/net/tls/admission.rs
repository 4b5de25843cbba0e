//! Whether a server lets the client in. In TLS 1.3 it says so only after the handshake, with the first bytes that it sends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::net::NetError;

/// How long a server is listened to at least, and at most, which one that has nothing to say costs.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(1);
/// How many times as long as the handshake took, which has a way there and back in it.
const HANDSHAKES: u32 = 2;
const CHUNK: usize = 4096;

/// Listens for a refusal to a server that asked for a client's certificate. A session ticket or data is an admission, and so
/// is silence. Data stays in the session for the next read.
///
/// # Errors
/// The server refused, or ended the connection.
pub(super) async fn await_admission<S>(stream: &mut TlsStream<S>, took: Duration) -> Result<(), NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limit = Instant::now() + (took * HANDSHAKES).clamp(SHORTEST, LONGEST);
    let (io, session) = stream.get_mut();
    let mut buffer = [0; CHUNK];
    // Unread data keeps a session from wanting more.
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
