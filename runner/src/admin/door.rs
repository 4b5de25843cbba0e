//! The address itself: opened at start, so that what is wrong with it is told then.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::gate::Gate;
use super::hosts::Hosts;
use super::tls::{Tls, TlsError};
use crate::settings::{Access, Listen};

/// Connections that the kernel completes before they are accepted: when its queue is full, clients wait for a second until
/// their kernel tries again. The kernel may allow fewer (`net.core.somaxconn`).
pub(super) const BACKLOG: i32 = 4_096;

/// An address that is listened on, and who may come in. Nobody is answered before [`super::serve`].
#[derive(Debug)]
pub struct Door {
    pub(super) listener: TcpListener,
    pub(super) gate: Gate,
    pub(super) tls: Option<Tls>,
    pub(super) hosts: Hosts,
}

/// The address cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Somebody else has it, or it is none of this machine's.
    #[error("cannot listen on {address}; choose another address with `--admin`, or `--admin none`")]
    Listen {
        /// As it was asked for.
        address: SocketAddr,
        /// Of the operating system.
        source: io::Error,
    },
    /// It cannot show what it is.
    #[error("the admin address cannot have TLS")]
    Tls(#[from] TlsError),
}

impl Door {
    /// Takes the address and reads its certificate.
    ///
    /// # Errors
    /// Either cannot be had.
    pub fn open(listen: &Listen, access: &Access) -> Result<Self, DoorError> {
        let address = listen.address;
        let listener = bind(address).map_err(|source| DoorError::Listen { address, source })?;
        let tls = access.tls.as_ref().map(Tls::load).transpose()?;
        let own = tls.iter().flat_map(Tls::names);
        Ok(Self {
            listener,
            gate: Gate::new(access.token.clone(), !listen.is_loopback()),
            hosts: Hosts::new(access.hosts.iter().cloned().chain(own)),
            tls,
        })
    }

    /// The beginning of every URL, with the real port.
    ///
    /// # Errors
    /// The operating system does not say where it listens.
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

/// Another queue of the kernel's for the address of `listener`, which gives each queue an equal part of the connections.
///
/// Only now is the address shared: nobody else could have it at the same time when it was taken.
///
/// # Errors
/// The operating system has no such thing.
pub(super) fn beside(listener: &TcpListener) -> io::Result<TcpListener> {
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
