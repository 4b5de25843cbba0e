//! The address itself: opened at start, so that what is wrong with it is told then.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::gate::Gate;
use super::hosts::Hosts;
use super::tls::{Tls, TlsError};
use crate::settings::{Access, Listen};

/// Connections that the kernel completes before they are accepted: with a short queue, a crowd of clients costs others
/// a second until the kernel tries again.
const BACKLOG: i32 = 4_096;

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
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
