//! A SOCKS5 proxy (RFC 1928).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

use super::Peer;
use super::connection::Connection;
use super::log::Log;

/// A SOCKS5 proxy on loopback that resolves every name to this machine.
pub struct Socks {
    peer: Peer,
    asked: Log<String>,
}

impl Socks {
    /// Starts a proxy without authentication.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts a proxy that requires this user name and password.
    #[must_use]
    pub fn demanding(user: &str, password: &str) -> Self {
        Self::with(Some((user.into(), password.into())))
    }

    fn with(login: Option<(String, String)>) -> Self {
        let asked = Log::<String>::default();
        let (log, login) = (asked.clone(), Arc::new(login));
        let peer = Peer::tcp(move |connection| {
            let (log, login) = (log.clone(), login.clone());
            async move { serve(connection, &log, login.as_ref().as_ref()).await }
        });
        Self { peer, asked }
    }

    /// The requested destinations, as `HOST:PORT`, oldest first, at most [`super::MAX_ENTRIES`].
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.entries()
    }
}

impl Deref for Socks {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

async fn serve(
    mut client: Connection,
    log: &Log<String>,
    login: Option<&(String, String)>,
) -> io::Result<()> {
    let methods = client.read_u16().await?.to_be_bytes()[1];
    let mut offered = vec![0; usize::from(methods)];
    client.read_exact(&mut offered).await?;
    let method = if login.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, password)) = login {
        let _version = client.read_u8().await?;
        let sent = (text(&mut client).await?, text(&mut client).await?);
        let is_known = sent == (user.clone(), password.clone());
        client.write_all(&[1, u8::from(!is_known)]).await?;
        if !is_known {
            return Ok(());
        }
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let (shown, address) = match request[3] {
        1 => of_address(
            Ipv4Addr::from(client.read_u32().await?).into(),
            client.read_u16().await?,
        ),
        4 => of_address(
            Ipv6Addr::from(client.read_u128().await?).into(),
            client.read_u16().await?,
        ),
        _ => {
            let (name, port) = (text(&mut client).await?, client.read_u16().await?);
            (format!("{name}:{port}"), (Ipv4Addr::LOCALHOST, port).into())
        }
    };
    log.push(shown);
    let Ok(server) = TcpStream::connect(address).await else {
        return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    };
    let mut server = client.adopt(server)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn of_address(ip: std::net::IpAddr, port: u16) -> (String, SocketAddr) {
    let address = SocketAddr::new(ip, port);
    (address.to_string(), address)
}

/// Reads a length-prefixed text.
async fn text(client: &mut Connection) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
