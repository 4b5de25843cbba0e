//! Leased descriptors: the I/O types of every client that works for a check.

mod datagrams;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

pub use datagrams::LeasedUdp;

use super::page::Page;
use super::slot::{Op, Revocable, Slot};
use super::traffic::{Activity, ActivityHandle, Traffic};
use super::{Denial, Refusal};
use crate::pool::{Claim, PoolPermit};
use canary_record::quota::QuotaKind;
use canary_record::trace::Shortage;
use canary_record::{ConnectionLog, Content, Layer};

/// How long a run waits for a descriptor that another run releases.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// The right to open one socket, registered on a page; released on drop.
///
/// Acquire it first, then create the socket, then bind the two with [`Lease::stream`] or [`Lease::datagrams`].
#[derive(Debug)]
#[must_use = "a lease is given back when it is dropped"]
pub struct Lease {
    page: Arc<Page>,
    index: usize,
    traffic: Arc<Traffic>,
}

impl Lease {
    /// Acquires a socket from the run's quota, then from the host's budget; counts as one of `connections`.
    ///
    /// # Errors
    /// A quota is exhausted, the host has no descriptors left, or the run is over.
    pub fn try_acquire(page: &Arc<Page>, peer: SocketAddr) -> Result<Self, Refusal> {
        page.admit()?;
        let permit = page.ledger().budget().pool().try_acquire(claim(page));
        Self::register(page, peer, permit.map_err(|_| Refusal::HostExhausted)?)
    }

    /// Like [`Lease::try_acquire`], but waits up to one second for a descriptor that another run releases.
    ///
    /// Cancellation: stops waiting; the page records that the host was short of descriptors.
    ///
    /// # Errors
    /// A quota is exhausted, the host has no descriptors left, or the run is over.
    pub async fn acquire(page: &Arc<Page>, peer: SocketAddr) -> Result<Self, Refusal> {
        page.admit()?;
        let waiting = page.begin_wait(Shortage::Descriptors);
        let pool = page.ledger().budget().pool();
        let permit = pool.acquire(claim(page), Some(ACQUIRE_TIMEOUT)).await;
        let permit = permit.map_err(|_| Refusal::HostExhausted)?;
        waiting.end();
        Self::register(page, peer, permit)
    }

    fn register(page: &Arc<Page>, peer: SocketAddr, permit: PoolPermit) -> Result<Self, Refusal> {
        let (index, traffic) = page.register(peer, permit)?;
        Ok(Self {
            page: Arc::clone(page),
            index,
            traffic,
        })
    }

    /// Puts a connected or connecting TCP socket under this lease.
    ///
    /// # Errors
    /// The run ended after the lease was acquired; the socket is closed.
    pub fn stream(self, socket: TcpStream) -> Result<LeasedStream, Refusal> {
        let slot = self.bind(socket)?;
        Ok(LeasedStream { slot, lease: self })
    }

    /// Puts a UDP socket under this lease.
    ///
    /// # Errors
    /// The run ended after the lease was acquired; the socket is closed.
    pub fn datagrams(self, socket: UdpSocket) -> Result<LeasedUdp, Refusal> {
        let slot = self.bind(socket)?;
        self.traffic.set_activity(Activity::Idle);
        Ok(LeasedUdp { slot, lease: self })
    }

    fn bind<S: std::os::fd::AsFd + Send + 'static>(&self, socket: S) -> Result<Arc<Slot<S>>, Refusal> {
        let slot = Arc::new(Slot::new(socket));
        self.page
            .attach(self.index, Arc::clone(&slot) as Arc<dyn Revocable>)?;
        Ok(slot)
    }

    fn count_in(&self, bytes: usize) {
        self.traffic.on_receive();
        self.page.count_in(bytes);
        self.traffic
            .bytes_in
            .fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn count_out(&self, bytes: usize) {
        self.page.count_out(bytes);
        self.traffic
            .bytes_out
            .fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn deny(&self, kind: QuotaKind) -> io::Error {
        let denial: Denial = self.page.record_denial(kind);
        io::Error::other(Refusal::Quota(denial))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.page.unregister(self.index);
    }
}

/// A TCP connection that the host lends to a run. Reads and writes count against the run's byte quotas; every operation
/// fails with [`Refusal::Ended`] once the run is over.
#[derive(Debug)]
pub struct LeasedStream {
    slot: Arc<Slot<TcpStream>>,
    lease: Lease,
}

impl LeasedStream {
    /// Waits until a connecting socket is connected. Dropping the future is safe; the socket is closed with `self`.
    ///
    /// # Errors
    /// The operating system's reason for the failure.
    pub async fn connected(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            self.slot.poll(cx, Op::Write, |socket, cx| {
                ready!(socket.poll_write_ready(cx))?;
                match socket.take_error()? {
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Ready(Ok(())),
                }
            })
        })
        .await?;
        self.set_activity(Activity::Idle);
        if let Some(connection_log) = self.connection_log() {
            let recorder = self.lease.page.recorder();
            let peer = self.peer_addr().map(|peer| recorder.peer(peer).to_string());
            let local = self.local_addr().map(|local| recorder.peer(local).to_string());
            let (peer, local) = (peer.unwrap_or_default(), local.unwrap_or_default());
            connection_log.open(format!("connected to {peer} from {local}"));
        }
        Ok(())
    }

    /// Returns a handle that sets the connection's activity while something else owns the stream.
    #[must_use]
    pub(crate) fn activity_handle(&self) -> ActivityHandle {
        ActivityHandle(Arc::clone(&self.lease.traffic))
    }

    /// Sets the current activity for the live view. Reads and writes set it themselves.
    pub(crate) fn set_activity(&self, activity: Activity) {
        self.lease.traffic.set_activity(activity);
        if let (Activity::Handshake, Some(connection_log)) = (activity, self.connection_log()) {
            connection_log.set_layer(Layer::Tls);
        }
    }

    /// The connection's part of the run's conversation, if that is recorded.
    #[must_use]
    pub(crate) fn connection_log(&self) -> Option<&ConnectionLog> {
        self.lease.traffic.connection_log.as_ref()
    }

    /// The remote address.
    ///
    /// # Errors
    /// The socket is not connected, or the run is over.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.slot
            .with(TcpStream::peer_addr)
            .unwrap_or_else(|| Err(ended()))
    }

    /// The local address.
    ///
    /// # Errors
    /// The run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.slot
            .with(TcpStream::local_addr)
            .unwrap_or_else(|| Err(ended()))
    }

    /// Bytes received and sent on the network.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        let traffic = &self.lease.traffic;
        (
            traffic.bytes_in.load(Ordering::Relaxed),
            traffic.bytes_out.load(Ordering::Relaxed),
        )
    }

    fn note_peer_closed(&self, error: Option<&io::Error>) {
        let is_known = self.lease.traffic.peer_closed.swap(true, Ordering::Relaxed);
        if let Some(connection_log) = self.connection_log().filter(|_| !is_known) {
            connection_log.note(match error {
                None => "the peer closes its side".to_owned(),
                Some(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    "the peer resets the connection".to_owned()
                }
                Some(error) => format!("reading fails: {error}"),
            });
        }
    }

    /// Once the byte quota is used up, only the end of the stream may still be read.
    fn poll_end_of_stream(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        match ready!(
            self.slot
                .poll(cx, Op::Read, |socket, cx| socket.poll_peek(cx, &mut byte))
        )? {
            0 => {
                self.note_peer_closed(None);
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(self.lease.deny(QuotaKind::BytesIn))),
        }
    }
}

/// An internal service works for all checks; any other page gets a check's share.
fn claim(page: &Page) -> Claim {
    let owner = page.owner();
    match owner.run {
        Some(_) => Claim::new(&owner.check),
        None => Claim::for_host(&owner.check),
    }
}

fn ended() -> io::Error {
    io::Error::other(Refusal::Ended)
}

fn clamp(left: u64, wanted: usize) -> usize {
    usize::try_from(left).map_or(wanted, |left| left.min(wanted))
}

impl AsyncRead for LeasedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(max) = self.lease.page.max_read() else {
            return Poll::Ready(Err(self.lease.deny(QuotaKind::Cpu)));
        };
        let allowed = clamp(self.lease.page.remaining_in(), buffer.remaining().min(max));
        if allowed == 0 && buffer.remaining() > 0 {
            return self.poll_end_of_stream(cx);
        }
        // Safe code requires initialised memory: at most one memset of a buffer.
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(allowed));
        let polled = self.slot.poll(cx, Op::Read, |socket, cx| {
            Pin::new(socket).poll_read(cx, &mut part)
        });
        if polled.is_pending() {
            self.lease.traffic.on_wait();
        }
        ready!(polled).inspect_err(|error| self.note_peer_closed(Some(error)))?;
        let read = part.filled().len();
        if read == 0 && allowed > 0 {
            self.note_peer_closed(None);
        }
        if let Some(connection_log) = self.connection_log() {
            connection_log.received(Layer::Socket, Content::Dialogue, part.filled());
        }
        buffer.advance(read);
        self.lease.count_in(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LeasedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = clamp(self.lease.page.remaining_out(), bytes.len());
        if allowed == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.lease.deny(QuotaKind::BytesOut)));
        }
        let part = bytes.get(..allowed).unwrap_or(bytes);
        self.lease.traffic.on_send();
        let written = ready!(self.slot.poll(cx, Op::Write, |socket, cx| {
            Pin::new(socket).poll_write(cx, part)
        }))?;
        self.lease.count_out(written);
        if let Some(connection_log) = self.connection_log() {
            connection_log.sent(
                Layer::Socket,
                Content::Dialogue,
                part.get(..written).unwrap_or(part),
            );
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.slot
            .poll(cx, Op::Write, |socket, cx| Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.slot
            .poll(cx, Op::Write, |socket, cx| Pin::new(socket).poll_shutdown(cx))
    }
}

impl Drop for LeasedStream {
    fn drop(&mut self) {
        // The descriptor is closed before the lease is released, even if another reference to the slot exists.
        self.slot.revoke(false);
    }
}
