//! Connects a leased socket to one address.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::NetError;
use crate::ledger::{Lease, LeasedStream, Page};

/// Connects to one address. Dropping the future closes its socket.
pub(super) async fn dial(
    page: &Arc<Page>,
    peer: SocketAddr,
    source: Option<IpAddr>,
) -> Result<LeasedStream, NetError> {
    let lease = Lease::acquire(page, peer).await?;
    let socket = Socket::new(
        Domain::for_address(peer),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if let Some(source) = source {
        socket
            .bind(&SocketAddr::new(source, 0).into())
            // The address was valid when the suite was loaded; it may have disappeared, and may return.
            .map_err(|error| {
                page.record_own_failure();
                NetError::Other(error.to_string()).into_own_failure(format!("cannot connect from `{source}`"))
            })?;
    }
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&peer.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            return Err(error.into());
        }
        _ => {}
    }
    let socket = TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(socket)))?;
    let stream = lease.stream(socket)?;
    stream.connected().await?;
    Ok(stream)
}
