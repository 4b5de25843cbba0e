//! The listening socket: opened at startup, so that problems are reported then.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::access::AccessPolicy;
use super::hosts::Hosts;
use super::tls::{Tls, TlsError};
use canary_settings::{Access, Listen};

/// The backlog of connections that the kernel completes before they are accepted. When it is full, clients wait for a
/// second until their kernel retries. The kernel may allow less (`net.core.somaxconn`).
pub(super) const BACKLOG: i32 = 4_096;

/// A listening socket with its access policy. No request is served before [`super::serve`].
#[derive(Debug)]
pub struct AdminListener {
    pub(super) listener: TcpListener,
    pub(super) access: AccessPolicy,
    pub(super) tls: Option<Tls>,
    pub(super) hosts: Hosts,
}

/// Why the listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use, does not belong to this machine, or is reserved for others.
    #[error("cannot listen on {address}: {reason}; choose another address with `--admin`, or `--admin none`")]
    Address {
        /// The configured address.
        address: SocketAddr,
        /// Which of these.
        reason: ErrorKind,
    },
    /// Anything else, such as a lack of descriptors.
    #[error("cannot listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot set up TLS for the admin server")]
    Tls(#[from] TlsError),
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            reason @ (ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable | ErrorKind::PermissionDenied) => {
                Self::Address { address, reason }
            }
            _ => Self::Listen { address, source },
        }
    }
}

impl AdminListener {
    /// Listens on the address and reads the certificate.
    ///
    /// # Errors
    /// Either fails.
    pub fn open(listen: &Listen, access: &Access) -> Result<Self, ListenError> {
        let address = listen.address;
        let listener = bind(address).map_err(|error| ListenError::new(address, error))?;
        let tls = access.tls.as_ref().map(Tls::load).transpose()?;
        let own = tls.iter().flat_map(Tls::names);
        Ok(Self {
            listener,
            access: AccessPolicy::new(access.token.clone(), !listen.is_loopback()),
            hosts: Hosts::new(access.hosts.iter().cloned().chain(own)),
            tls,
        })
    }

    /// The origin of every URL: scheme, address and the actual port.
    ///
    /// # Errors
    /// The operating system cannot provide the local address.
    pub fn origin(&self) -> io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.listener.local_addr()?))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Opens another socket on the address of `listener` (`SO_REUSEPORT`). The kernel distributes connections equally among
/// the sockets of an address, each of which has its own backlog.
///
/// The address becomes shareable only now, so that no other process could bind it at the same time as this one.
///
/// # Errors
/// The operating system does not support it.
pub(super) fn additional(listener: &TcpListener) -> io::Result<TcpListener> {
    SockRef::from(listener).set_reuse_port(true)?;
    let address = listener.local_addr()?;
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
