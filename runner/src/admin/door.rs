//! The address itself: opened at start, so that what is wrong with it is told then.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::gate::Gate;
use super::tls::{Tls, TlsError};
use crate::settings::{Access, Listen};

/// An address that is listened on, and who may come in. Nobody is answered before [`super::serve`].
#[derive(Debug)]
pub struct Door {
    pub(super) listener: TcpListener,
    pub(super) gate: Gate,
    pub(super) tls: Option<Tls>,
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
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|source| DoorError::Listen { address, source })?;
        Ok(Self {
            listener,
            gate: Gate::new(access.token.clone(), !listen.is_loopback()),
            tls: access.tls.as_ref().map(Tls::load).transpose()?,
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
