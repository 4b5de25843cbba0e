//! A collector with a hand-written HTTP/1.1 server, so that it can misbehave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How it handles a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Accept,
    /// Reads it and never answers.
    Silent,
    Status(u16),
    /// 429 with a `Retry-After` in seconds.
    RetryAfter(u64),
    Garbage,
    /// Sends half a response head.
    CloseInTheMiddle,
    /// Closes without a response.
    CloseAtOnce,
    /// Closes without a response, and accepts the next request.
    CloseOnce,
    /// 500 with a body that does not end.
    Endless,
}

pub(super) struct Request {
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

#[derive(Default)]
struct Seen {
    behaviour: Option<Behaviour>,
    connections: usize,
    heads: Vec<Arc<Request>>,
    accepted: Vec<Vec<u8>>,
}

/// Ends when dropped, with all its connections.
pub(super) struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _task: JoinSet<()>,
}

impl Collector {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen {
            behaviour: Some(behaviour),
            ..Seen::default()
        }));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&seen)));
        Self {
            address,
            seen,
            _task: task,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.seen.lock().unwrap().behaviour = Some(behaviour);
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// All requests received, whatever the response was.
    pub(super) fn heads(&self) -> Vec<Arc<Request>> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// The bodies of accepted requests.
    pub(super) fn accepted(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().accepted.clone()
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Seen>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.lock().unwrap().connections += 1;
        connections.spawn(serve(stream, Arc::clone(&seen)));
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = read(&mut stream).await {
        let behaviour = {
            let mut seen = seen.lock().unwrap();
            let behaviour = seen.behaviour.unwrap();
            if behaviour == Behaviour::Accept {
                seen.accepted.push(request.body.clone());
            }
            if behaviour == Behaviour::CloseOnce {
                seen.behaviour = Some(Behaviour::Accept);
            }
            seen.heads.push(Arc::new(request));
            behaviour
        };
        let answer = match behaviour {
            Behaviour::Accept => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Behaviour::Silent => return std::future::pending().await,
            Behaviour::Status(status) => format!("HTTP/1.1 {status} No\r\ncontent-length: 2\r\n\r\nno"),
            Behaviour::RetryAfter(seconds) => {
                format!("HTTP/1.1 429 No\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
            }
            Behaviour::Garbage => "220 mail.example ESMTP ready\r\n\r\n".to_owned(),
            Behaviour::CloseInTheMiddle => "HTTP/1.1 200 OK\r\ncontent-".to_owned(),
            Behaviour::CloseAtOnce | Behaviour::CloseOnce => return,
            Behaviour::Endless => return endless(stream).await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || behaviour == Behaviour::CloseInTheMiddle {
            return;
        }
    }
}

async fn endless(mut stream: TcpStream) {
    let head = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut text = head.to_vec();
    while stream.write_all(&text).await.is_ok() {
        text = b"4\r\nmore\r\n".repeat(1000);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, &mut bytes).await?;
    };
    let mut headers = HeaderMap::new();
    let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
    while bytes.len() < length {
        more(stream, &mut bytes).await?;
    }
    Some(Request { headers, body: bytes })
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let count = stream.read_buf(bytes).await.ok()?;
    (count > 0).then_some(())
}
