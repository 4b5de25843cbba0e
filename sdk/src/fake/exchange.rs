//! One fake exchange: the head of a response, and a script for its body.

use std::cell::RefCell;
use std::time::Duration;

use super::connection::Conversation;
use super::{FakeHost, Script, current};
use crate::error::{ErrorCode, NetError, Progress};
use crate::http::{ExchangeInfo, Head, Request, Response};
use crate::tcp::Timings;

/// A streamed response.
#[derive(Debug, Clone)]
#[must_use]
pub struct Stream {
    head: Response,
    body: Script,
    trailers: Vec<(String, Vec<u8>)>,
}

impl Stream {
    /// The head of this response, followed by a body that this script sends. The body of `head` itself is ignored.
    pub fn new(head: Response, body: Script) -> Self {
        Self {
            head,
            body,
            trailers: Vec::new(),
        }
    }

    /// Adds a trailer after the body.
    pub fn trailer(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }
}

impl From<Response> for Stream {
    fn from(mut response: Response) -> Self {
        let body = std::mem::take(&mut response.body);
        let script = Script::new();
        let script = if body.is_empty() {
            script
        } else {
            script.send(body)
        };
        Self::new(response, script)
    }
}

/// An exchange with a scripted response.
#[derive(Debug)]
pub(crate) struct Exchange {
    host: FakeHost,
    state: RefCell<State>,
    trailers: Vec<(String, Vec<u8>)>,
    announced: Option<u64>,
}

#[derive(Debug)]
struct State {
    body: Conversation,
    timings: Timings,
    is_complete: bool,
    is_open: bool,
}

impl Exchange {
    pub(crate) fn open(request: Request) -> Result<(Self, Head), NetError> {
        let host = current();
        host.0.borrow_mut().requests.push(request.clone());
        let Stream { head, body, trailers } = host.answer(&request)?;
        host.lend_socket()?;
        host.0.borrow_mut().clock += head.timings.total();
        let timings = head.timings;
        let mut head = Head::from(head);
        if head.url.is_empty() {
            head.url = request.url;
        }
        let announced = head.header("content-length");
        let announced = announced.and_then(|length| length.parse().ok());
        let state = State {
            body: Conversation::new(body),
            timings,
            is_complete: false,
            is_open: true,
        };
        let exchange = Self {
            host,
            state: RefCell::new(state),
            trailers,
            announced,
        };
        Ok((exchange, head))
    }

    pub(crate) fn set_deadline(&self, time: Option<Duration>) {
        self.state.borrow_mut().body.set_deadline(time);
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        let read = self.timed(|body| body.read(max).map(Some))?;
        Ok(read.unwrap_or_default())
    }

    pub(crate) fn read_ready(&self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        self.timed(|body| body.read_ready(max))
    }

    pub(crate) fn info(&self) -> ExchangeInfo {
        let state = self.state.borrow();
        ExchangeInfo::new(
            state.timings,
            state.body.bytes_in,
            self.announced,
            state.is_complete,
        )
    }

    pub(crate) fn trailers(&self) -> Vec<(String, Vec<u8>)> {
        if self.state.borrow().is_complete {
            self.trailers.clone()
        } else {
            Vec::new()
        }
    }

    /// Advances the clock by the time that passes in a read, and closes the connection if the read found the end.
    fn timed(
        &self,
        read: impl FnOnce(&mut Conversation) -> Result<Option<Vec<u8>>, NetError>,
    ) -> Result<Option<Vec<u8>>, NetError> {
        let mut state = self.state.borrow_mut();
        let before = state.body.age();
        let came = read(&mut state.body);
        let took = state.body.age() - before;
        self.host.0.borrow_mut().clock += took;
        state.timings.receive = Some(state.timings.receive.unwrap_or_default() + took);
        state.is_complete |= matches!(&came, Ok(Some(bytes)) if bytes.is_empty());
        let is_late = matches!(&came, Err(error) if error.code == ErrorCode::Timeout);
        if state.is_complete || (came.is_err() && !is_late) {
            self.close(&mut state);
        }
        let progress = Progress {
            received: state.body.bytes_in,
            announced: self.announced,
        };
        came.map_err(|error| NetError {
            progress: Some(Box::new(progress)),
            ..error
        })
    }

    fn close(&self, state: &mut State) {
        if std::mem::take(&mut state.is_open) {
            self.host.0.borrow_mut().open -= 1;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(&mut self.state.borrow_mut());
    }
}
