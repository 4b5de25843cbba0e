//! A name server with an answer for every name, derived from the name.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "both who ask send whole questions, and a server that cannot start must fail its test"
)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

/// The address of the server; at [`CLOSED`] there is none.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
/// An address at which nothing listens.
pub(super) const CLOSED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

const TYPE_A: u16 = 1;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// Starts it on threads that end with the process, since `getaddrinfo` blocks its caller.
pub(super) fn start() {
    let at = SocketAddr::from((ADDRESS, 53));
    let (datagrams, streams) = (UdpSocket::bind(at).unwrap(), TcpListener::bind(at).unwrap());
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, client)) = datagrams.recv_from(&mut question) {
            let _gone = datagrams.send_to(&answer(&question[..length]), client);
        }
    });
    thread::spawn(move || {
        for stream in streams.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
}

/// Serves a connection until the client closes it.
fn serve(mut stream: TcpStream) -> Option<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).ok()?;
        let answer = answer(&question);
        let length = u16::try_from(answer.len()).ok()?;
        stream
            .write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())
            .ok()?;
    }
}

/// Two names of five have an IPv4 address; some have no record of the type, or the server fails.
fn answer(question: &[u8]) -> Vec<u8> {
    let name_ends = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let kind = u16::from_be_bytes([question[name_ends], question[name_ends + 1]]);
    let mut hasher = DefaultHasher::new();
    question[12..name_ends].to_ascii_lowercase().hash(&mut hasher);
    let [choice, a, b, c, ..] = hasher.finish().to_be_bytes();
    match choice {
        0..110 if kind == TYPE_A => reply(question, name_ends, 0, Some([127, 1 + a % 100, b, 1 + c % 200])),
        0..130 => reply(question, name_ends, 0, None),
        130..136 => reply(question, name_ends, SERVFAIL, None),
        136.. => reply(question, name_ends, NXDOMAIN, None),
    }
}

fn reply(question: &[u8], name_ends: usize, code: u8, address: Option<[u8; 4]>) -> Vec<u8> {
    let mut reply = question[..2].to_vec();
    // Flags: a response of a recursive resolver to one question.
    reply.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(address.is_some()),
        0,
        0,
        0,
        0,
    ]);
    reply.extend(&question[12..name_ends + 4]);
    if let Some(address) = address {
        // The name of the question, type A, class IN, 60 s, 4 bytes.
        reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
    }
    reply
}
