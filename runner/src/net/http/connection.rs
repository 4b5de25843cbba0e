//! One request and the head of its answer on a connection that is there already.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::body::BodyStream;
use super::driver::{Driver, Inline};
use super::explain::{self, from_hyper};
use super::framing;
use super::head::{Evidence, Head};
use super::inbound::Inbound;
use super::noted::Noted;
use super::outbound::{Asked, Wire, wire_request};
use super::{HEAD_BYTES, HEADERS, HttpVersion};
use crate::ledger::LiveView;
use crate::net::stream::{Moments, Timed, Transport, read};
use crate::net::{NetError, Phase};

/// Most bytes of a header block over HTTP/2, decoded, with 32 added for each header (RFC 9113, section 6.5.2): as much
/// as over HTTP/1.
const HEADER_LIST_BYTES: u32 = 128 << 10;

/// The head of an answer, and its body on the way.
pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    pub(super) body: BodyStream,
}

/// Where the time of an exchange went, also of one that failed.
#[derive(Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) send: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) receive: Option<Duration>,
}

/// Sends the request and waits for the head of the answer by `limit`; a time-out names the phase that it passed in.
pub(super) async fn request(
    transport: Transport,
    asked: Asked<'_>,
    limit: Instant,
) -> (Result<Answer, NetError>, Spent) {
    let noted = Noted::on(&transport);
    let live = transport.tcp().live_view();
    let moments = Arc::new(Mutex::new(Moments::default()));
    let stream = Timed::new(transport, Arc::clone(&moments));
    let started_at = Instant::now();
    let request = match wire_request(&asked) {
        Ok(request) => request,
        Err(error) => return (Err(error), Spent::default()),
    };
    let outcome = match asked.version {
        HttpVersion::Http2 => {
            noted.request(&request, &asked.request.body);
            timeout_at(limit, over_http2(stream, request, &noted)).await
        }
        _ => timeout_at(limit, over_http1(stream, request, &noted)).await,
    };
    let moved = read(&moments);
    let outcome = outcome.unwrap_or_else(|_| Err(NetError::Timeout(phase(&moved))));
    let answer = outcome.map(|started| started.answer(noted, moments, live));
    let answer = answer.map_err(|error| of_stream(error, &moved).during(phase(&moved)));
    (answer, spent(&moved, started_at, Instant::now()))
}

/// What never came was waited for until the end.
fn spent(moments: &Moments, started_at: Instant, ended_at: Instant) -> Spent {
    let sent_at = moments.last_write;
    Spent {
        send: Some(sent_at.unwrap_or(ended_at) - started_at),
        wait: sent_at.map(|sent| moments.first_read.unwrap_or(ended_at) - sent),
        receive: moments.first_read.map(|read| ended_at - read),
    }
}

fn phase(moments: &Moments) -> Phase {
    match (moments.last_write, moments.first_read) {
        (None, _) => Phase::Send,
        (Some(_), None) => Phase::Wait,
        (Some(_), Some(_)) => Phase::Receive,
    }
}

/// HTTP's libraries make errors of their own of those of the stream.
pub(super) fn of_stream(error: NetError, moments: &Moments) -> NetError {
    match (error, &moments.failure) {
        (NetError::Protocol(_) | NetError::Closed | NetError::Reset | NetError::Other(_), Some(failure)) => {
            failure.clone()
        }
        (error, _) => error,
    }
}

/// An answer whose head is there.
struct Started {
    driver: Driver,
    answer: http::Response<Incoming>,
    /// Of the body, where HTTP's library would read on to the end of the connection.
    length: Option<u64>,
}

impl Started {
    fn answer(self, noted: Noted, moments: Arc<Mutex<Moments>>, live: LiveView) -> Answer {
        let (head, incoming) = self.answer.into_parts();
        let body = BodyStream::new(self.driver, incoming, &head.headers, noted, (moments, live));
        Answer {
            head,
            body: body.ending_after(self.length),
        }
    }
}

async fn over_http1(stream: Timed, request: Wire, noted: &Noted) -> Result<Started, NetError> {
    let head = Head::new(noted.clone());
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        // What other clients take as well: a blank before the colon, folded lines (RFC 9112, section 5.2), and a line that is
        // no header is left out.
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(Inbound::http1(stream, head.clone())))
        .await
        .map_err(from_hyper)?;
    let answer = sender.send_request(request);
    let mut driver = Driver::new(sender, connection);
    let answer = driver.beside(answer).await;
    let answer = answer.map_err(|error| explain::from_head(error, &head))?;
    let length = match answer.body().is_end_stream() {
        // By its status, or by what was asked for: whatever its head says of a body.
        true => Ok(None),
        false => framing::length(answer.headers()),
    };
    let length = length.map_err(|error| head.explain(error, Evidence::Framing))?;
    Ok(Started {
        driver,
        answer,
        length,
    })
}

async fn over_http2(stream: Timed, request: Wire, noted: &Noted) -> Result<Started, NetError> {
    let inline = Inline::default();
    let head = Head::new(noted.clone());
    let (mut sender, connection) = http2::Builder::new(inline.clone())
        .max_header_list_size(HEADER_LIST_BYTES)
        .handshake(TokioIo::new(Inbound::http2(stream, head.clone())))
        .await
        .map_err(from_hyper)?;
    let answer = sender.send_request(request);
    let mut driver = Driver::new(sender, join(connection, inline.run()));
    let answer = driver.beside(answer).await;
    let (parts, body) = answer
        .map_err(|error| head.explain_http2(from_hyper(error)))?
        .into_parts();
    noted.response(&parts);
    Ok(Started {
        driver,
        answer: http::Response::from_parts(parts, body),
        length: None,
    })
}
