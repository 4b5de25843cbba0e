//! From a place to an open connection.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::link::{Link, Stream, failure, within};
use super::meter::{Allowance, Metered};
use super::{Cause, Failure, Place, Protocol, TlsFiles, lookup, tls};
use crate::ledger::audit::Reserve;
use crate::net::tls::explain_io;

/// Opens a connection by `deadline`, for one request after the other. One descriptor.
///
/// Cancellation: closes it. A lookup of a name that the system does not answer goes on for a while, without effect.
///
/// # Errors
/// There is none by then.
pub async fn open(place: &Place, reserve: &Reserve, deadline: Instant) -> Result<Link, Failure> {
    let held = reserve.hold();
    let (stream, allowance) = stream(place, deadline, reserve).await?;
    let handshake = async {
        match place.protocol {
            Protocol::Http1 => Link::over_http1(stream, allowance).await,
            Protocol::Http2 => Link::over_http2(stream, allowance).await,
        }
    };
    let link = within(deadline, "no HTTP handshake", handshake).await?;
    Ok(link.map_err(failure)?.holding(held))
}

async fn stream(
    place: &Place,
    deadline: Instant,
    reserve: &Reserve,
) -> Result<(Box<dyn Stream>, Allowance), Failure> {
    let url = &place.url;
    let no_host = || Failure::new(Cause::Settings, "the URL has no host or port");
    let host = url.host().ok_or_else(no_host)?;
    let port = url.port_or_known_default().ok_or_else(no_host)?;
    if url.scheme() != "https" {
        let stream = dial(&host, port, deadline, reserve).await?;
        let allowance = stream.allowance();
        return Ok((Box::new(stream), allowance));
    }
    let alpn = match place.protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    let client = TlsClient::new(&host, &place.tls, Some(alpn), deadline).await?;
    let stream = dial(&host, port, deadline, reserve).await?;
    let allowance = stream.allowance();
    Ok((Box::new(client.handshake(stream, deadline).await?), allowance))
}

/// What it takes to begin a TLS session with one host.
pub(crate) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
    host: String,
}

impl TlsClient {
    /// Reads the files by `deadline`, and names the one protocol that is to be spoken, if it has a name.
    ///
    /// # Errors
    /// A file cannot be used, or there cannot be a certificate for `host`.
    pub(crate) async fn new(
        host: &Host<&str>,
        files: &TlsFiles,
        alpn: Option<&str>,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let config = tls::config(files, alpn, deadline).await?;
        Ok(Self {
            connector: TlsConnector::from(config),
            name: server_name(host)?,
            host: host.to_string(),
        })
    }

    /// Begins the session on an open connection by `deadline`.
    ///
    /// Cancellation: closes the connection.
    ///
    /// # Errors
    /// There is no session by then.
    pub(crate) async fn handshake(
        self,
        stream: Metered<TcpStream>,
        deadline: Instant,
    ) -> Result<TlsStream<Metered<TcpStream>>, Failure> {
        let handshake = self.connector.connect(self.name, stream);
        let session = within(deadline, "no TLS handshake", handshake).await?;
        session.map_err(|error| {
            let message = format!("no TLS session with `{}`: {}", self.host, explain_io(&error));
            Failure::new(Cause::Tls, message)
        })
    }
}

/// Opens a TCP connection by `deadline`, of which no more is read than 1 MiB unless more is allowed.
///
/// Cancellation: as of [`open`].
///
/// # Errors
/// No address of the host takes one by then.
pub(crate) async fn dial(
    host: &Host<&str>,
    port: u16,
    deadline: Instant,
    reserve: &Reserve,
) -> Result<Metered<TcpStream>, Failure> {
    let addresses = match host {
        Host::Ipv4(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Ipv6(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Domain(name) => lookup::addresses(name, port, deadline, reserve).await?,
    };
    let mut last = Failure::new(Cause::Lookup, format!("`{host}` has no address"));
    for (place, address) in addresses.iter().enumerate() {
        // An address that nobody answers at leaves time for the others.
        let share = share(deadline, addresses.len() - place);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let no_delay = stream.set_nodelay(true);
                no_delay.map_err(|error| Failure::new(Cause::Connect, error.to_string()))?;
                return Ok(Metered::new(stream));
            }
            Ok(Err(error)) => Failure::new(Cause::Connect, format!("cannot connect to {address}: {error}")),
            Err(_) => Failure::new(
                Cause::Timeout,
                format!("no connection to {address} within the time-out"),
            ),
        };
    }
    Err(last)
}

fn share(deadline: Instant, parts: usize) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left / u32::try_from(parts).unwrap_or(u32::MAX).max(1)
}

fn server_name(host: &Host<&str>) -> Result<ServerName<'static>, Failure> {
    match host {
        Host::Ipv4(ip) => Ok(ServerName::from(IpAddr::V4(*ip))),
        Host::Ipv6(ip) => Ok(ServerName::from(IpAddr::V6(*ip))),
        Host::Domain(name) => ServerName::try_from((*name).to_owned())
            .map_err(|_| Failure::new(Cause::Settings, format!("`{name}` is not a server name"))),
    }
}
