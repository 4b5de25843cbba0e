//! Descriptors that are lent: the I/O types of every client that works for a check.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::sleep;

use super::page::Page;
use super::slot::{Revocable, Side, Slot};
use super::traffic::{Activity, LiveView, Traffic};
use super::{Denial, Refusal};
use crate::pool::{Claim, Place};
use crate::quota::QuotaKind;
use crate::record::{Channel, Content, Layer};
use crate::trace::Shortage;

/// How long a run waits for a descriptor that another gives back.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the kernel has to send what it has, before it is offered another datagram.
const FULL: Duration = Duration::from_millis(5);

/// The right to open one socket, entered on a page; given back on drop.
///
/// Take it first, then create the socket, then [`Lease::stream`] or [`Lease::datagrams`] binds the two.
#[derive(Debug)]
#[must_use = "a lease is given back when it is dropped"]
pub struct Lease {
    page: Arc<Page>,
    index: usize,
    traffic: Arc<Traffic>,
}

impl Lease {
    /// Takes a socket of the run's quota, then of the host's budget, when there is one now. Counts as one of
    /// `connections`.
    ///
    /// # Errors
    /// A quota is used up, the host has none left, or the run is over.
    pub fn take(page: &Arc<Page>, peer: SocketAddr) -> Result<Self, Refusal> {
        page.admit()?;
        let place = page.ledger().budget().pool().try_acquire(claim(page));
        Self::of(page, peer, place.map_err(|_| Refusal::HostExhausted)?)
    }

    /// The same, but waits for a descriptor that another run gives back: for a second at most.
    ///
    /// Cancellation: gives up the wait; the page remembers that the host was short of descriptors.
    ///
    /// # Errors
    /// A quota is used up, the host has none left, or the run is over.
    pub async fn acquire(page: &Arc<Page>, peer: SocketAddr) -> Result<Self, Refusal> {
        page.admit()?;
        let waiting = page.wait_for(Shortage::Descriptors);
        let pool = page.ledger().budget().pool();
        let place = pool.acquire(claim(page), Some(PATIENCE)).await;
        let place = place.map_err(|_| Refusal::HostExhausted)?;
        waiting.end();
        Self::of(page, peer, place)
    }

    fn of(page: &Arc<Page>, peer: SocketAddr, place: Place) -> Result<Self, Refusal> {
        let (index, traffic) = page.enter(peer, place)?;
        Ok(Self {
            page: Arc::clone(page),
            index,
            traffic,
        })
    }

    /// Puts a TCP socket, connected or connecting, under this lease.
    ///
    /// # Errors
    /// The run ended since the lease was taken; the socket is closed.
    pub fn stream(self, socket: TcpStream) -> Result<LeasedStream, Refusal> {
        let slot = self.bind(socket)?;
        Ok(LeasedStream { slot, lease: self })
    }

    /// Puts a UDP socket under this lease.
    ///
    /// # Errors
    /// The run ended since the lease was taken; the socket is closed.
    pub fn datagrams(self, socket: UdpSocket) -> Result<LeasedUdp, Refusal> {
        let slot = self.bind(socket)?;
        self.traffic.enter(Activity::Idle);
        Ok(LeasedUdp { slot, lease: self })
    }

    fn bind<S: std::os::fd::AsFd + Send + 'static>(&self, socket: S) -> Result<Arc<Slot<S>>, Refusal> {
        let slot = Arc::new(Slot::new(socket));
        self.page
            .attach(self.index, Arc::clone(&slot) as Arc<dyn Revocable>)?;
        Ok(slot)
    }

    fn count_in(&self, bytes: usize) {
        self.traffic.note_receive();
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
        let denial: Denial = self.page.note_denial(kind);
        io::Error::other(Refusal::Quota(denial))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.page.leave(self.index);
    }
}

/// A TCP connection that the host lends to a run. Reads and writes count against the run's byte quotas; every
/// operation fails with [`Refusal::Ended`] once the run is over.
#[derive(Debug)]
pub struct LeasedStream {
    slot: Arc<Slot<TcpStream>>,
    lease: Lease,
}

impl LeasedStream {
    /// Waits until a connecting socket is connected. Dropping the future is safe; the socket closes with `self`.
    ///
    /// # Errors
    /// The operating system's reason why it did not connect.
    pub async fn connected(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            self.slot.poll(cx, Side::Write, |socket, cx| {
                ready!(socket.poll_write_ready(cx))?;
                match socket.take_error()? {
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Ready(Ok(())),
                }
            })
        })
        .await?;
        self.enter(Activity::Idle);
        if let Some(channel) = self.channel() {
            let recorder = self.lease.page.recorder();
            let peer = self.peer_addr().map(|peer| recorder.peer(peer).to_string());
            let local = self.local_addr().map(|local| recorder.peer(local).to_string());
            let (peer, local) = (peer.unwrap_or_default(), local.unwrap_or_default());
            channel.open(format!("connected to {peer} from {local}"));
        }
        Ok(())
    }

    /// Says what the connection does, also while something else owns it.
    #[must_use]
    pub fn live_view(&self) -> LiveView {
        LiveView(Arc::clone(&self.lease.traffic))
    }

    /// Says what the connection does from now on, for the live view. Reads and writes say so themselves.
    pub fn enter(&self, activity: Activity) {
        self.lease.traffic.enter(activity);
        if let (Activity::Handshake, Some(channel)) = (activity, self.channel()) {
            channel.enter(Layer::Tls);
        }
    }

    /// The connection's part of the run's conversation, where that is wanted.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel> {
        self.lease.traffic.channel.as_ref()
    }

    /// Address of the peer.
    ///
    /// # Errors
    /// The socket is not connected, or the run is over.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.slot
            .with(TcpStream::peer_addr)
            .unwrap_or_else(|| Err(ended()))
    }

    /// Address on this side.
    ///
    /// # Errors
    /// The run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.slot
            .with(TcpStream::local_addr)
            .unwrap_or_else(|| Err(ended()))
    }

    /// Bytes received and sent, as the network saw them.
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
        if let Some(channel) = self.channel().filter(|_| !is_known) {
            channel.note(match error {
                None => "the peer closes its side".to_owned(),
                Some(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    "the peer resets the connection".to_owned()
                }
                Some(error) => format!("reading fails: {error}"),
            });
        }
    }

    /// At the last byte of the quota, only the end of the stream may still be seen.
    fn poll_end_of_stream(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        match ready!(
            self.slot
                .poll(cx, Side::Read, |socket, cx| socket.poll_peek(cx, &mut byte))
        )? {
            0 => {
                self.note_peer_closed(None);
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(self.lease.deny(QuotaKind::BytesIn))),
        }
    }
}

/// A service of the host works for all checks; any other page has a check's share.
fn claim(page: &Page) -> Claim {
    let owner = page.owner();
    match owner.run {
        Some(_) => Claim::by(&owner.check),
        None => Claim::by_host(&owner.check),
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
        let room = clamp(self.lease.page.left_in(), buffer.remaining());
        if room == 0 && buffer.remaining() > 0 {
            return self.poll_end_of_stream(cx);
        }
        // Safe code needs the room initialised: one memset of at most a buffer.
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let polled = self.slot.poll(cx, Side::Read, |socket, cx| {
            Pin::new(socket).poll_read(cx, &mut part)
        });
        if polled.is_pending() {
            self.lease.traffic.note_wait();
        }
        ready!(polled).inspect_err(|error| self.note_peer_closed(Some(error)))?;
        let read = part.filled().len();
        if read == 0 && room > 0 {
            self.note_peer_closed(None);
        }
        if let Some(channel) = self.channel() {
            channel.received(Layer::Socket, Content::Dialogue, part.filled());
        }
        buffer.advance(read);
        self.lease.count_in(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LeasedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = clamp(self.lease.page.left_out(), bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.lease.deny(QuotaKind::BytesOut)));
        }
        let part = bytes.get(..room).unwrap_or(bytes);
        self.lease.traffic.note_send();
        let written = ready!(self.slot.poll(cx, Side::Write, |socket, cx| {
            Pin::new(socket).poll_write(cx, part)
        }))?;
        self.lease.count_out(written);
        if let Some(channel) = self.channel() {
            channel.sent(
                Layer::Socket,
                Content::Dialogue,
                part.get(..written).unwrap_or(part),
            );
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.slot
            .poll(cx, Side::Write, |socket, cx| Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.slot
            .poll(cx, Side::Write, |socket, cx| Pin::new(socket).poll_shutdown(cx))
    }
}

impl Drop for LeasedStream {
    fn drop(&mut self) {
        // The descriptor is closed before the lease is given back, whoever else may still know the slot.
        self.slot.revoke(false);
    }
}

/// A UDP socket that the host lends to its DNS client.
#[derive(Debug)]
pub struct LeasedUdp {
    slot: Arc<Slot<UdpSocket>>,
    lease: Lease,
}

impl LeasedUdp {
    /// Sends one datagram to the connected peer, also while another task waits to receive one.
    ///
    /// # Errors
    /// The operating system refused, or the run is over.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.lease.traffic.note_send();
        loop {
            // The runtime does not know whether the socket is ready: who receives clears that, to learn of errors.
            let sent = self.slot.with(|socket| SockRef::from(socket).send(datagram));
            match sent.ok_or_else(ended)? {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(FULL).await,
                sent => return sent,
            }
        }
    }

    /// Receives one datagram from the connected peer; what does not fit the buffer is cut off.
    ///
    /// # Errors
    /// The peer refused or cannot be reached (ICMP), which is noticed at once, or the run is over.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lease.traffic.note_wait();
        let mut buffer = ReadBuf::new(buffer);
        std::future::poll_fn(|cx| {
            self.slot.poll(cx, Side::Read, |socket, cx| {
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

/// Waits for what the network says of the peer, such as that nothing listens at its port. The kernel reports it as an
/// error and nothing else, which wakes those who wait to write, but not those who wait to read.
fn poll_error(socket: &UdpSocket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    // At first a socket is ready for writing as such; from then on it is because of something new.
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
