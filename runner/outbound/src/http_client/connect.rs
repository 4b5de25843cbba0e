//! Connecting: name resolution, TCP and TLS.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::connection::{Connection, Stream, failure, within};
use super::read_limit::{LimitedStream, ReadLimit};
use super::{Endpoint, Failure, FailureCause, Protocol, TlsFiles, lookup, tls};
use canary_net::ledger::audit::InternalFds;
use canary_net::tls::explain_io;

/// Opens a connection by `deadline`, for sequential requests. It uses one descriptor.
///
/// Cancellation: closes it. A pending name lookup of the system continues for a while, without effect.
///
/// # Errors
/// The connection could not be opened by then.
pub async fn open(
    endpoint: &Endpoint,
    internal_fds: &InternalFds,
    deadline: Instant,
) -> Result<Connection, Failure> {
    let fd_guard = internal_fds.acquire();
    let (stream, read_limit) = stream(endpoint, deadline, internal_fds).await?;
    let handshake = async {
        match endpoint.protocol {
            Protocol::Http1 => Connection::over_http1(stream, read_limit).await,
            Protocol::Http2 => Connection::over_http2(stream, read_limit).await,
        }
    };
    let connection = within(deadline, "no HTTP handshake", handshake).await?;
    Ok(connection.map_err(failure)?.with_fd_guard(fd_guard))
}

async fn stream(
    endpoint: &Endpoint,
    deadline: Instant,
    internal_fds: &InternalFds,
) -> Result<(Box<dyn Stream>, ReadLimit), Failure> {
    let url = &endpoint.url;
    let no_host = || Failure::new(FailureCause::Settings, "the URL has no host or port");
    let host = url.host().ok_or_else(no_host)?;
    let port = url.port_or_known_default().ok_or_else(no_host)?;
    if url.scheme() != "https" {
        let stream = dial(&host, port, deadline, internal_fds).await?;
        let read_limit = stream.read_limit();
        return Ok((Box::new(stream), read_limit));
    }
    let alpn = match endpoint.protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    let client = TlsClient::new(&host, &endpoint.tls, Some(alpn), deadline).await?;
    let stream = dial(&host, port, deadline, internal_fds).await?;
    let read_limit = stream.read_limit();
    Ok((Box::new(client.handshake(stream, deadline).await?), read_limit))
}

/// A TLS client for one host.
pub struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
    host: String,
}

impl TlsClient {
    /// Reads the files by `deadline`. `alpn` is the only protocol to offer, if any.
    ///
    /// # Errors
    /// A file cannot be used, or `host` is not a valid server name.
    pub async fn new(
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

    /// Performs the handshake on an open connection by `deadline`.
    ///
    /// Cancellation: closes the connection.
    ///
    /// # Errors
    /// The handshake failed or did not complete by then.
    pub async fn handshake(
        self,
        stream: LimitedStream<TcpStream>,
        deadline: Instant,
    ) -> Result<TlsStream<LimitedStream<TcpStream>>, Failure> {
        let handshake = self.connector.connect(self.name, stream);
        let session = within(deadline, "no TLS handshake", handshake).await?;
        session.map_err(|error| {
            let message = format!(
                "TLS handshake failed with `{}`: {}",
                self.host,
                explain_io(&error)
            );
            Failure::new(FailureCause::Tls, message)
        })
    }
}

/// Opens a TCP connection by `deadline`. No more than 1 MiB is read from it unless the limit is raised.
///
/// Cancellation: see [`open`].
///
/// # Errors
/// No address of the host accepted a connection by then.
pub async fn dial(
    host: &Host<&str>,
    port: u16,
    deadline: Instant,
    internal_fds: &InternalFds,
) -> Result<LimitedStream<TcpStream>, Failure> {
    let addresses = match host {
        Host::Ipv4(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Ipv6(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Domain(name) => lookup::addresses(name, port, deadline, internal_fds).await?,
    };
    let mut last = Failure::new(FailureCause::Lookup, format!("`{host}` has no address"));
    for (index, address) in addresses.iter().enumerate() {
        // An address that does not respond leaves time for the others.
        let share = share(deadline, addresses.len() - index);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let no_delay = stream.set_nodelay(true);
                no_delay.map_err(|error| Failure::new(FailureCause::Connect, error.to_string()))?;
                return Ok(LimitedStream::new(stream));
            }
            Ok(Err(error)) => Failure::new(
                FailureCause::Connect,
                format!("cannot connect to {address}: {}", reason(&error)),
            ),
            Err(_) => Failure::new(
                FailureCause::Timeout,
                format!("no connection to {address} within the timeout"),
            ),
        };
    }
    Err(last)
}

/// Why there is no connection, in the words that results of checks use; in the system's if there are none.
fn reason(error: &io::Error) -> String {
    let has_words = matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
    );
    if has_words {
        error.kind().to_string()
    } else {
        error.to_string()
    }
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
            .map_err(|_| Failure::new(FailureCause::Settings, format!("`{name}` is not a server name"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_that_is_left_is_shared_by_the_addresses() {
        let deadline = Instant::now() + Duration::from_secs(12);
        assert_eq!(share(deadline, 3), Duration::from_secs(4));
        assert_eq!(share(deadline, 1), Duration::from_secs(12));
        assert_eq!(share(deadline, 0), Duration::from_secs(12));
        assert_eq!(share(Instant::now(), 3), Duration::ZERO);
    }

    #[test]
    fn what_the_system_says_is_passed_on_where_checks_have_no_words_for_it() {
        let other = io::Error::new(ErrorKind::PermissionDenied, "no right to do so");
        assert_eq!(reason(&other), "no right to do so");
    }
}
