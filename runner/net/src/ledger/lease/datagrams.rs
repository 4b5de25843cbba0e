//! UDP sockets that are lent.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{Interest, ReadBuf};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::{Lease, ended};
use crate::ledger::slot::{Op, Revocable as _, Slot};
use canary_record::quota::QuotaKind;

/// How long the kernel gets to drain its send buffer before the next attempt to send a datagram.
const SEND_RETRY_DELAY: Duration = Duration::from_millis(5);

/// A UDP socket that the host lends to its DNS client.
#[derive(Debug)]
pub struct LeasedUdp {
    pub(super) slot: Arc<Slot<UdpSocket>>,
    pub(super) lease: Lease,
}

impl LeasedUdp {
    /// Sends one datagram to the connected peer, even while another task waits to receive one.
    ///
    /// # Errors
    /// The operating system refused, or the run is over.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.lease.traffic.on_send();
        loop {
            // Bypasses the runtime's readiness: [`LeasedUdp::receive`] clears it to learn about errors.
            let sent = self.slot.with(|socket| SockRef::from(socket).send(datagram));
            match sent.ok_or_else(ended)? {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(SEND_RETRY_DELAY).await,
                sent => return sent,
            }
        }
    }

    /// Receives one datagram from the connected peer; a datagram larger than the buffer is truncated.
    ///
    /// # Errors
    /// The peer refused or is unreachable (ICMP), which is reported immediately, or the run is over.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lease.traffic.on_wait();
        let mut buffer = ReadBuf::new(buffer);
        std::future::poll_fn(|cx| {
            if self.lease.page.max_read().is_none() {
                return Poll::Ready(Err(self.lease.deny(QuotaKind::Cpu)));
            }
            self.slot.poll(cx, Op::Read, |socket, cx| {
                match socket.poll_recv(cx, &mut buffer) {
                    Poll::Pending => poll_error(socket, cx),
                    received => received,
                }
            })
        })
        .await?;
        Ok(buffer.filled().len())
    }
}

/// Waits for an ICMP error about the peer, such as port unreachable. The kernel reports it only as an error, which
/// wakes tasks that wait for writability, but not those that wait for readability.
fn poll_error(socket: &UdpSocket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    // Initially the socket is simply writable; after that, writability signals a new event.
    for _ in 0..2 {
        ready!(socket.poll_send_ready(cx))?;
        if let Some(error) = socket.take_error()? {
            return Poll::Ready(Err(error));
        }
        // Clears the readiness, so that the next poll waits.
        let _cleared = socket.try_io(Interest::WRITABLE, || {
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
    }
    Poll::Pending
}

impl Drop for LeasedUdp {
    fn drop(&mut self) {
        self.slot.revoke(false);
    }
}
