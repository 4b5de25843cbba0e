//! Sends one query to one server over UDP, or over TCP if the response is too long (RFC 1035, 7766).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::response::{Malformed, Response, ResponseHeader};
use crate::NetError;
use crate::dial::dial;
use crate::ledger::{Lease, Page};

/// Avoids IP fragmentation (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;
/// Maximum number of unrelated datagrams before the exchange fails.
const STRAY_DATAGRAMS: usize = 32;

/// The name of the response code in the IANA registry of DNS parameters.
pub(crate) fn rcode_name(code: ResponseCode) -> String {
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

/// How a query is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Transport {
    /// With EDNS (RFC 6891), which allows UDP responses longer than 512 bytes.
    pub(crate) edns: bool,
    /// Over TCP only.
    pub(crate) over_tcp: bool,
}

/// Sends one query to one server; retries without EDNS if the server does not support it, in which case the returned
/// transport differs. Dropping the future closes its socket.
pub(crate) async fn exchange(
    page: &Arc<Page>,
    server: SocketAddr,
    query: &Query,
    transport: Transport,
) -> Result<(Response, Transport), NetError> {
    let response = query_once(page, server, query, transport).await?;
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
    Ok((query_once(page, server, query, plain).await?, plain))
}

async fn query_once(
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
    // `query` draws a random id; the kernel chooses the source port, also randomly.
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    // In the response every name is absolute; the reply is compared with this query.
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

/// The response, or `None` if it is too long for a datagram.
async fn over_udp(
    page: &Arc<Page>,
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
) -> Result<Option<Response>, NetError> {
    let lease = Lease::acquire(page, server).await?;
    // The socket is connected: the kernel drops datagrams from other addresses.
    let socket = std::net::UdpSocket::bind(unspecified_address(server))?;
    socket.set_nonblocking(true)?;
    report_unreachable(&socket, server)?;
    socket.connect(server)?;
    let socket = lease.datagrams(UdpSocket::from_std(socket)?)?;
    socket.send(bytes).await?;
    let mut buffer = [0; 4096];
    for _ in 0..STRAY_DATAGRAMS {
        let length = socket.receive(&mut buffer).await?;
        let datagram = buffer.get(..length).unwrap_or_default();
        match ResponseHeader::for_question(datagram, question) {
            Some(header) if header.is_truncated() => return Ok(None),
            Some(header) => return Ok(Some(header.response().await?)),
            None => {}
        }
    }
    Err(NetError::Protocol("too many unrelated datagrams".to_owned()))
}

async fn over_tcp(
    page: &Arc<Page>,
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
) -> Result<Response, NetError> {
    let mut stream = dial(page, server, None).await?;
    let length = u16::try_from(bytes.len()).map_err(|error| NetError::Invalid(error.to_string()))?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    let header = ResponseHeader::for_question(&reply, question)
        .ok_or_else(|| NetError::Protocol("the answer is to a different question".to_owned()))?;
    Ok(header.response().await?)
}

impl From<Malformed> for NetError {
    fn from(error: Malformed) -> Self {
        Self::Protocol(format!("the answer is malformed: {error}"))
    }
}

/// Without this the kernel does not report that a router has no route to the server.
fn report_unreachable(socket: &std::net::UdpSocket, server: SocketAddr) -> io::Result<()> {
    match server {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

fn unspecified_address(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
