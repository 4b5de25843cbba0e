//! Sends one request on an established connection and receives the head of its response.

use std::sync::{Arc, Mutex};

use futures_util::future::join;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::body::BodyStream;
use super::driver::{Driver, InlineExecutor};
use super::explain::{self, from_hyper};
use super::frames::EmptyResponse;
use super::framing;
use super::head::{Evidence, HeadObserver};
use super::inbound::InboundStream;
use super::outbound::{HyperRequest, OutgoingRequest, build_request};
use super::phase_times::PhaseTimes;
use super::transcript::HttpTranscript;
use super::{HttpVersion, MAX_HEAD_BYTES, MAX_HEADERS};
use crate::ledger::ActivityHandle;
use crate::stream::{IoTimestamps, TimedStream, Transport, snapshot_of};
use crate::tls::is_client_rejection;
use crate::{NetError, Phase};

/// Maximum size of a decoded header block over HTTP/2, plus 32 bytes per header (RFC 9113, section 6.5.2); the same as
/// over HTTP/1.
const HEADER_LIST_BYTES: u32 = 128 << 10;

/// A response whose body is still in transit.
pub(super) struct ResponseStart {
    pub(super) head: http::response::Parts,
    pub(super) body: BodyStream,
}

/// Sends the request and waits for the head of the response by `limit`; a timeout names its phase.
pub(super) async fn request(
    transport: Transport,
    outgoing: OutgoingRequest<'_>,
    limit: Instant,
) -> (Result<ResponseStart, NetError>, PhaseTimes) {
    let transcript = HttpTranscript::on(&transport);
    let live = transport.tcp().activity_handle();
    let timestamps = Arc::new(Mutex::new(IoTimestamps::default()));
    let stream = TimedStream::new(transport, Arc::clone(&timestamps));
    let started_at = Instant::now();
    let request = match build_request(&outgoing) {
        Ok(request) => request,
        Err(error) => return (Err(error), PhaseTimes::default()),
    };
    let outcome = match outgoing.version {
        HttpVersion::Http2 => {
            transcript.request(&request, &outgoing.request.body);
            timeout_at(limit, over_http2(stream, request, &transcript)).await
        }
        _ => timeout_at(limit, over_http1(stream, request, &transcript)).await,
    };
    let moved = snapshot_of(&timestamps);
    let outcome = outcome.unwrap_or_else(|_| Err(NetError::Timeout(phase(&moved))));
    let answer = outcome.map(|started| started.answer(transcript, timestamps, live));
    let answer = answer.map_err(|error| {
        let error = moved.prefer_failure(error);
        let phase = phase_of(&error, &moved);
        error.in_phase(phase)
    });
    (answer, PhaseTimes::new(&moved, started_at, Instant::now()))
}

fn phase(timestamps: &IoTimestamps) -> Phase {
    match (timestamps.last_write, timestamps.first_read) {
        (None, _) => Phase::Send,
        (Some(_), None) => Phase::Wait,
        (Some(_), Some(_)) => Phase::Receive,
    }
}

/// The phase of an error. In TLS 1.3, a server rejects a client for its certificate only after the handshake, to which
/// that still belongs.
fn phase_of(error: &NetError, timestamps: &IoTimestamps) -> Phase {
    match error {
        NetError::Tls(reason) if timestamps.first_read.is_none() && is_client_rejection(reason) => {
            Phase::Handshake
        }
        _ => phase(timestamps),
    }
}

/// A response whose head has been received.
struct HeadReceived {
    driver: Driver,
    answer: http::Response<Incoming>,
    /// Length of the body, if the HTTP library would read to the end of the connection.
    length: Option<u64>,
    /// How a response over HTTP/2 ends.
    empty: EmptyResponse,
}

impl HeadReceived {
    fn answer(
        self,
        transcript: HttpTranscript,
        timestamps: Arc<Mutex<IoTimestamps>>,
        live: ActivityHandle,
    ) -> ResponseStart {
        let (head, incoming) = self.answer.into_parts();
        let body = BodyStream::new(self.driver, incoming, &head, transcript, (timestamps, live));
        ResponseStart {
            head,
            body: body.with_end(self.length, self.empty),
        }
    }
}

async fn over_http1(
    stream: TimedStream,
    request: HyperRequest,
    transcript: &HttpTranscript,
) -> Result<HeadReceived, NetError> {
    let head = HeadObserver::new(transcript.clone());
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        // Tolerate what other clients tolerate: a blank before the colon, folded lines (RFC 9112, section 5.2), and
        // lines that are not headers, which are ignored.
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(InboundStream::http1(stream, head.clone())))
        .await
        .map_err(from_hyper)?;
    let answer = sender.send_request(request);
    let mut driver = Driver::new(sender, connection);
    let answer = driver.drive_until(answer).await;
    let answer = answer.map_err(|error| explain::from_head(error, &head))?;
    if head.is_too_large() {
        return Err(head.explain(explain::too_large_head(), Evidence::Size));
    }
    let length = if answer.body().is_end_stream() {
        // There is no body, due to the status or the method, regardless of what the head announces.
        framing::check_length(answer.headers()).map(|()| None)
    } else {
        framing::body_length(answer.headers())
    };
    let length = length.map_err(|error| head.explain(error, Evidence::Framing))?;
    Ok(HeadReceived {
        driver,
        answer,
        length,
        empty: EmptyResponse::default(),
    })
}

async fn over_http2(
    stream: TimedStream,
    request: HyperRequest,
    transcript: &HttpTranscript,
) -> Result<HeadReceived, NetError> {
    let executor = InlineExecutor::default();
    let (head, empty) = (HeadObserver::new(transcript.clone()), EmptyResponse::default());
    let (mut sender, connection) = http2::Builder::new(executor.clone())
        .max_header_list_size(HEADER_LIST_BYTES)
        .handshake(TokioIo::new(InboundStream::http2(
            stream,
            head.clone(),
            empty.clone(),
        )))
        .await
        .map_err(from_hyper)?;
    let answer = sender.send_request(request);
    let mut driver = Driver::new(sender, join(connection, executor.run()));
    let answer = driver.drive_until(answer).await;
    let (parts, body) = answer
        .map_err(|error| head.explain_http2(from_hyper(error)))?
        .into_parts();
    transcript.response(&parts);
    Ok(HeadReceived {
        driver,
        answer: http::Response::from_parts(parts, body),
        length: None,
        empty,
    })
}
