//! The clients of this crate on the fake host of the current thread.

use std::cell::RefCell;
use std::time::Duration;

use super::connection::Conversation;
use super::{FakeHost, Line, current};
use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::log::Level;
use crate::tcp::{ConnectOptions, ConnectionInfo};
use crate::{dns, http, tls};

#[derive(Debug)]
pub(crate) struct Connection {
    host: FakeHost,
    endpoint: String,
    conversation: RefCell<Conversation>,
}

impl Connection {
    pub(crate) fn connect(to: &Endpoint, options: &ConnectOptions) -> Result<Self, NetError> {
        let (host, endpoint) = (current(), to.to_string());
        host.0
            .borrow_mut()
            .connects
            .push((endpoint.clone(), options.clone()));
        let script = host.next_script(&endpoint).ok_or(NetError::Refused)?;
        if let Some(error) = script.connect {
            return Err(error);
        }
        host.lend_socket()?;
        let conversation = Conversation::new(script);
        host.0.borrow_mut().clock += conversation.age();
        Ok(Self {
            host,
            endpoint,
            conversation: RefCell::new(conversation),
        })
    }

    /// Moves the clock by as much time as passes in `exchange`.
    fn timed<T>(&self, exchange: impl FnOnce(&mut Conversation) -> T) -> T {
        let mut conversation = self.conversation.borrow_mut();
        let before = conversation.age();
        let result = exchange(&mut conversation);
        self.host.0.borrow_mut().clock += conversation.age() - before;
        result
    }

    pub(crate) fn start_tls(&self, options: &tls::Options) -> Result<tls::Session, NetError> {
        self.host.0.borrow_mut().handshakes.push(options.clone());
        let session = self.timed(Conversation::start_tls)?;
        match &session.verified {
            Err(reason) if options.require_valid => Err(NetError::Tls(reason.clone())),
            _ => Ok(session),
        }
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        self.timed(|conversation| conversation.read(max))
    }

    pub(crate) fn read_until(&self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        self.timed(|conversation| conversation.read_until(delimiter, max))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), NetError> {
        let mut state = self.host.0.borrow_mut();
        state
            .written
            .entry(self.endpoint.clone())
            .or_default()
            .extend(bytes);
        self.conversation.borrow_mut().write(bytes)
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        let conversation = self.conversation.borrow();
        ConnectionInfo {
            peer: "192.0.2.1:1".into(),
            local: "192.0.2.2:2".into(),
            timings: conversation.timings,
            bytes_in: conversation.bytes_in,
            bytes_out: conversation.bytes_out,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.host.0.borrow_mut().open -= 1;
    }
}

/// A moment of the fake clock, which only scripts move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(current().0.borrow().clock)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        current().0.borrow().clock.saturating_sub(self.0)
    }
}

pub(crate) fn send(request: http::Request) -> Result<http::Response, NetError> {
    let host = current();
    host.0.borrow_mut().requests.push(request.clone());
    let responder = host.0.borrow().responder.clone().ok_or(NetError::Refused)?;
    let mut response = responder(&request)?;
    if response.url.is_empty() {
        response.url.clone_from(&request.url);
    }
    let max_body = usize::try_from(request.options.max_body).unwrap_or(usize::MAX);
    response.body_length = response
        .body_length
        .max(u64::try_from(response.body.len()).unwrap_or(u64::MAX));
    response.truncated |= response.body.len() > max_body;
    response.body.truncate(max_body);
    Ok(response)
}

pub(crate) fn send_all(requests: Vec<http::Request>) -> Vec<Result<http::Response, NetError>> {
    requests.into_iter().map(send).collect()
}

pub(crate) fn query(name: &str, kind: &str, _server: Option<&str>) -> Result<dns::Reply, NetError> {
    let host = current();
    let state = host.0.borrow();
    let scripted = state.replies.get(&(name.into(), kind.into())).cloned();
    scripted.unwrap_or_else(|| {
        Ok(dns::Reply {
            code: "NXDOMAIN".into(),
            authoritative: false,
            authenticated: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            duration: Duration::ZERO,
        })
    })
}

pub(crate) fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields = fields
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    current().0.borrow_mut().lines.push(Line {
        level,
        message: message.into(),
        fields,
    });
}
