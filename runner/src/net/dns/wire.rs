//! One question to one server, over UDP, or over TCP when the answer is too long (RFC 1035, 7766).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::response::{Malformed, Opening, Response};
use crate::ledger::{Lease, Page};
use crate::net::{NetError, connect};

/// What fits a path without fragments (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;
/// Datagrams that answer another question, or nobody's, before the server is given up.
const STRAY_DATAGRAMS: usize = 32;

/// The code as the registry of DNS parameters spells it.
pub(in crate::net) fn code_word(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

/// How a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::net) struct Transport {
    /// With the extensions of RFC 6891, which allow an answer over UDP to be longer than 512 bytes.
    pub(in crate::net) edns: bool,
    /// Not over UDP first.
    pub(in crate::net) over_tcp: bool,
}

/// One question to one server; without EDNS once more where the server does not know it, which the answer then says
/// beside the response. Dropping the future closes its socket.
pub(in crate::net) async fn exchange(
    page: &Arc<Page>,
    server: SocketAddr,
    query: &Query,
    transport: Transport,
) -> Result<(Response, Transport), NetError> {
    let response = ask(page, server, query, transport).await?;
    let is_refusal = matches!(
        response.code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
    );
    if !transport.edns || !is_refusal {
        return Ok((response, transport));
    }
    let plain = Transport {
        edns: false,
        ..transport
    };
    Ok((ask(page, server, query, plain).await?, plain))
}

async fn ask(
    page: &Arc<Page>,
    server: SocketAddr,
    query: &Query,
    transport: Transport,
) -> Result<Response, NetError> {
    let question = question(query, transport.edns);
    let bytes = question
        .to_vec()
        .map_err(|error| NetError::Invalid(error.to_string()))?;
    if transport.over_tcp {
        return over_tcp(page, server, &question, &bytes).await;
    }
    match over_udp(page, server, &question, &bytes).await? {
        Some(response) => Ok(response),
        None => over_tcp(page, server, &question, &bytes).await,
    }
}

fn question(query: &Query, edns: bool) -> Message {
    // `query` draws a random id; the source port is the kernel's, random as well.
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    // As it comes back from the wire, where every name is absolute: the reply is held against it.
    let mut query = query.clone();
    query.name.set_fqdn(true);
    message.add_query(query);
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        message.set_edns(edns);
    }
    message
}

/// The answer, or nothing where it is too long for a datagram.
async fn over_udp(
    page: &Arc<Page>,
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
) -> Result<Option<Response>, NetError> {
    let lease = Lease::acquire(page, server).await?;
    // Connected: the kernel drops what comes from anybody else.
    let socket = std::net::UdpSocket::bind(any_address(server))?;
    socket.set_nonblocking(true)?;
    report_unreachable(&socket, server)?;
    socket.connect(server)?;
    let socket = lease.datagrams(UdpSocket::from_std(socket)?)?;
    socket.send(bytes).await?;
    let mut buffer = [0; 4096];
    for _ in 0..STRAY_DATAGRAMS {
        let length = socket.receive(&mut buffer).await?;
        let datagram = buffer.get(..length).unwrap_or_default();
        match Opening::of(datagram, question) {
            Some(opening) if opening.is_truncated() => return Ok(None),
            Some(opening) => return Ok(Some(opening.response().await?)),
            None => {}
        }
    }
    Err(NetError::Protocol(
        "too many datagrams that answer no question of ours".to_owned(),
    ))
}

async fn over_tcp(
    page: &Arc<Page>,
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
) -> Result<Response, NetError> {
    let mut stream = connect::open(page, server, None).await?;
    let length = u16::try_from(bytes.len()).map_err(|error| NetError::Invalid(error.to_string()))?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    let opening = Opening::of(&reply, question)
        .ok_or_else(|| NetError::Protocol("the answer is to another question".to_owned()))?;
    Ok(opening.response().await?)
}

impl From<Malformed> for NetError {
    fn from(error: Malformed) -> Self {
        Self::Protocol(format!("the answer is malformed: {error}"))
    }
}

/// Without this the kernel keeps to itself that a router knows no way to the server.
fn report_unreachable(socket: &std::net::UdpSocket, server: SocketAddr) -> io::Result<()> {
    match server {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

fn any_address(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
