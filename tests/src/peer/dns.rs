//! A name server on loopback, over UDP and TCP on one port, that can send wrong answers or none.

mod behaviour;
mod name_bomb;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, MX, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::UdpSocket;

pub use behaviour::{Behaviour, EdnsRejection};

use super::connection::Slot;
use super::log::Log;
use super::{Connection, Peer};

/// The address in forged answers (TEST-NET-3).
pub const FORGED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

/// Time to live of every record, in seconds.
const TTL_SECONDS: u32 = 60;

/// The longest chain of aliases that is followed.
const ALIASES_LIMIT: usize = 8;

/// Maximum size of a question in bytes.
const QUESTION_LIMIT_BYTES: usize = 4096;

/// The port of DNS.
const PORT: u16 = 53;

/// Attempts to find a port that is free for both UDP and TCP.
const BIND_ATTEMPTS: usize = 16;

/// A question that the server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, in lower case and without the last dot.
    pub name: String,
    /// The type of record.
    pub kind: RecordType,
    /// Whether it came over TCP.
    pub over_tcp: bool,
    /// Whether it came with EDNS.
    pub edns: bool,
}

/// The records of a name server, and its behaviour for each name.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: BTreeMap<String, Vec<RData>>,
    behaviours: BTreeMap<String, Behaviour>,
    default_behaviour: Behaviour,
}

impl Zone {
    /// A zone without names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address, IPv4 or IPv6.
    #[must_use]
    pub fn address(self, name: &str, address: impl Into<IpAddr>) -> Self {
        self.record(name, address_data(address.into()))
    }

    /// Makes `name` an alias of `target`.
    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(parse(target))))
    }

    /// Adds a mail exchanger.
    #[must_use]
    pub fn mx(self, name: &str, preference: u16, exchange: &str) -> Self {
        self.record(name, RData::MX(MX::new(preference, parse(exchange))))
    }

    /// Adds a text of at most 255 bytes.
    #[must_use]
    pub fn txt(self, name: &str, text: &str) -> Self {
        self.record(name, RData::TXT(TXT::new(vec![text.into()])))
    }

    /// Adds any record.
    #[must_use]
    pub fn record(mut self, name: &str, data: RData) -> Self {
        self.records.entry(key(&parse(name))).or_default().push(data);
        self
    }

    /// Sets the behaviour for questions about `name`.
    #[must_use]
    pub fn behaviour(mut self, name: &str, behaviour: Behaviour) -> Self {
        self.behaviours.insert(key(&parse(name)), behaviour);
        self
    }

    /// Sets the behaviour for all other names.
    #[must_use]
    pub const fn default_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.default_behaviour = behaviour;
        self
    }

    /// Starts a server for this zone on loopback.
    #[must_use]
    pub fn start(self) -> NameServer {
        let server = self.serve();
        let mut attempts = (0..BIND_ATTEMPTS).filter_map(|_| bind((Ipv4Addr::LOCALHOST, 0).into(), &server));
        let bound = attempts.next();
        NameServer::start(
            bound.expect("a port on loopback that is free for UDP and TCP"),
            server,
        )
    }

    /// Starts a server for this zone on port 53 of a loopback address, for programs that cannot use another port.
    /// `None` without permission.
    #[must_use]
    pub fn start_at(self, address: Ipv4Addr) -> Option<NameServer> {
        let server = self.serve();
        let bound = bind((address, PORT).into(), &server)?;
        Some(NameServer::start(bound, server))
    }

    fn serve(self) -> Arc<Server> {
        Arc::new(Server {
            zone: self,
            flips: AtomicUsize::new(0),
            questions: Log::default(),
        })
    }

    /// The records that answer `query`, aliases followed; `None` when the name does not exist.
    fn answers(&self, query: &Query) -> Option<Vec<Record>> {
        let mut name = query.name().clone();
        let mut answers = Vec::new();
        for _ in 0..ALIASES_LIMIT {
            let Some(records) = self.records.get(&key(&name)) else {
                break;
            };
            let fitting = records
                .iter()
                .filter(|data| data.record_type() == query.query_type());
            let alias = records.iter().find_map(|data| match data {
                RData::CNAME(alias) if query.query_type() != RecordType::CNAME => Some(alias),
                _ => None,
            });
            answers.extend(fitting.map(|data| Record::from_rdata(name.clone(), TTL_SECONDS, data.clone())));
            let Some(alias) = alias else { return Some(answers) };
            answers.push(Record::from_rdata(name, TTL_SECONDS, RData::CNAME(alias.clone())));
            name = alias.0.clone();
        }
        (!answers.is_empty()).then_some(answers)
    }
}

/// A running name server.
pub struct NameServer {
    peer: Peer,
    server: Arc<Server>,
}

impl NameServer {
    fn start((mut peer, socket): (Peer, UdpSocket), server: Arc<Server>) -> Self {
        let socket = peer.keep(socket);
        peer.tasks.spawn(serve_udp(socket, server.clone()));
        Self { peer, server }
    }

    /// The latest questions, oldest first, at most [`super::MAX_ENTRIES`].
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        self.server.questions.entries()
    }

    /// How many of them were for `name`.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        let name = key(&parse(name));
        self.questions()
            .iter()
            .filter(|question| question.name == name)
            .count()
    }
}

impl Deref for NameServer {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

fn parse(name: &str) -> Name {
    let labels = name.trim_end_matches('.').split('.').map(str::as_bytes);
    let mut name = Name::from_labels(labels).expect("a domain name");
    name.set_fqdn(true);
    name
}

fn key(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    }
}

/// A server for TCP, and a socket for UDP on the same port.
fn bind(address: SocketAddr, server: &Arc<Server>) -> Option<(Peer, UdpSocket)> {
    let server = server.clone();
    let peer = Peer::tcp_on(address, move |connection| serve_tcp(connection, server.clone())).ok()?;
    let socket = StdUdpSocket::bind(peer.address()).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((peer, UdpSocket::from_std(socket).ok()?))
}

/// State shared by both transports.
struct Server {
    zone: Zone,
    flips: AtomicUsize,
    questions: Log<Question>,
}

impl Server {
    /// The response in bytes, if any.
    fn reply(&self, question: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?;
        let name = key(query.name());
        let behaviour = self
            .zone
            .behaviours
            .get(&name)
            .copied()
            .unwrap_or(self.zone.default_behaviour);
        self.questions.push(Question {
            name,
            kind: query.query_type(),
            over_tcp,
            edns: question.edns.is_some(),
        });
        if behaviour == Behaviour::WithoutEdns(EdnsRejection::BareHeader) && question.edns.is_some() {
            return bare_header(&question);
        }
        if behaviour == Behaviour::Garbage {
            return Some(b"this is no dns".into());
        }
        if behaviour == Behaviour::Unfolds && over_tcp {
            return name_bomb::name_bomb(&question);
        }
        self.answer(behaviour, &question, query, over_tcp)?.to_vec().ok()
    }

    fn answer(
        &self,
        behaviour: Behaviour,
        question: &Message,
        query: &Query,
        over_tcp: bool,
    ) -> Option<Message> {
        let mut reply = Message::query();
        reply.metadata = Metadata::response_from_request(&question.metadata);
        reply.metadata.recursion_available = true;
        reply.add_query(query.clone());
        match behaviour {
            Behaviour::Silent | Behaviour::Garbage => return None,
            Behaviour::DropsAaaa if query.query_type() == RecordType::AAAA => return None,
            Behaviour::WithoutEdns(EdnsRejection::Code(code)) if question.edns.is_some() => {
                reply.metadata.response_code = code;
            }
            Behaviour::WithoutEdns(_) if question.edns.is_some() => return None,
            Behaviour::Unfolds => reply.metadata.truncation = true,
            Behaviour::NoSuchName => reply.metadata.response_code = ResponseCode::NXDomain,
            Behaviour::Fails => reply.metadata.response_code = ResponseCode::ServFail,
            Behaviour::Truncates if !over_tcp => reply.metadata.truncation = true,
            Behaviour::Answers | Behaviour::Truncates | Behaviour::WithoutEdns(_) | Behaviour::DropsAaaa => {
                match self.zone.answers(query) {
                    Some(answers) => reply.insert_answers(answers),
                    None => reply.metadata.response_code = ResponseCode::NXDomain,
                }
            }
            Behaviour::WrongId => {
                reply.metadata.id = reply.metadata.id.wrapping_add(1);
                add_address(&mut reply, query, FORGED.into());
            }
            Behaviour::WrongQuestion => {
                let other = Query::query(parse("nobody-asked.test"), query.query_type());
                reply.queries = vec![other.clone()];
                add_address(&mut reply, &other, FORGED.into());
            }
            Behaviour::Flips(first, second) => {
                let fitting =
                    [first, second].map(|address| address_data(address).record_type() == query.query_type());
                // Only answered questions count, so that queries for both address families do not matter.
                let turn = if fitting.contains(&true) {
                    self.flips.fetch_add(1, Ordering::Relaxed)
                } else {
                    0
                };
                add_address(&mut reply, query, if turn % 2 == 0 { first } else { second });
            }
        }
        Some(reply)
    }
}

/// A `FORMERR` response that consists of a header only (12 bytes).
fn bare_header(question: &Message) -> Option<Vec<u8>> {
    let mut reply = Message::query();
    reply.metadata = Metadata::response_from_request(&question.metadata);
    reply.metadata.response_code = ResponseCode::FormErr;
    reply.to_vec().ok()
}

/// Adds an address to the reply if it has the queried type.
fn add_address(reply: &mut Message, query: &Query, address: IpAddr) {
    let data = address_data(address);
    if data.record_type() == query.query_type() {
        reply.add_answer(Record::from_rdata(query.name().clone(), TTL_SECONDS, data));
    }
}

async fn serve_udp(socket: Slot<UdpSocket>, server: Arc<Server>) {
    while let Some(received) = receive(&socket).await {
        // An error belongs to an earlier datagram whose client is gone.
        let Ok((question, client)) = received else {
            continue;
        };
        let Some(reply) = server.reply(&question, false) else {
            continue;
        };
        let sent = poll_fn(|cx| socket.poll(|socket| socket.poll_send_to(cx, &reply, client))).await;
        if sent.is_none() {
            return;
        }
    }
}

/// The next datagram; `None` when the socket has been closed.
async fn receive(socket: &Slot<UdpSocket>) -> Option<io::Result<(Vec<u8>, SocketAddr)>> {
    let mut bytes = [0; QUESTION_LIMIT_BYTES];
    let mut buffer = ReadBuf::new(&mut bytes);
    let received = poll_fn(|cx| socket.poll(|socket| socket.poll_recv_from(cx, &mut buffer))).await?;
    Some(received.map(|client| (buffer.filled().to_vec(), client)))
}

async fn serve_tcp(mut connection: Connection, server: Arc<Server>) -> io::Result<()> {
    loop {
        let mut question = vec![0; connection.read_u16().await?.into()];
        connection.read_exact(&mut question).await?;
        if let Some(reply) = server.reply(&question, true) {
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            connection
                .write_all(&[&length.to_be_bytes(), reply.as_slice()].concat())
                .await?;
        }
    }
}

#[cfg(test)]
mod tests;
