//! Streamed HTTP responses.

use std::time::Duration;

use canary_sdk::http::{Exchange, Request};
use canary_sdk::{Endpoint, NetError};

use crate::behave::request;
use crate::config::Stream;
use crate::notes::Notes;

/// Opens exchanges, reads the last one as configured, and records the progress.
pub(crate) fn stream(endpoint: &Endpoint, stream: &Stream, notes: &mut Notes) {
    let open = || request(endpoint, &stream.request).open();
    let beside: Vec<_> = (0..stream.beside).map(|_| open()).collect();
    if stream.ended > 0 {
        notes.record("ended", end_all(open, stream));
    }
    match open() {
        Ok(exchange) => follow(exchange, stream, notes),
        Err(error) => notes.record("open", Err(error)),
    }
    if stream.keep {
        std::mem::forget(beside);
    }
}

/// Opens exchanges and reads them to their end, up to the first that fails; reports how many there were.
fn end_all(open: impl Fn() -> Result<Exchange, NetError>, stream: &Stream) -> Result<String, NetError> {
    let mut ended = Vec::new();
    for _ in 0..stream.ended {
        let mut exchange = open()?;
        while !exchange.read(u32::MAX)?.is_empty() {}
        ended.push((!stream.drops).then_some(exchange));
    }
    Ok(format!("{} are over", ended.len()))
}

fn follow(mut exchange: Exchange, stream: &Stream, notes: &mut Notes) {
    let head = exchange.head();
    let shown = format!("{} over {} hops {}", head.status, head.version, head.hops.len());
    notes.record("head", Ok(shown));
    exchange.set_deadline(stream.deadline.map(Duration::from_millis));
    let read = read(&mut exchange, stream);
    let has_failed = read.is_err();
    notes.record("read", read);
    if has_failed {
        exchange.set_deadline(None);
        let again = exchange.chunk();
        notes.record("again", again.map(|piece| text(&piece.unwrap_or_default())));
    }
    let info = exchange.info();
    let announced = info
        .announced
        .map_or("?".to_owned(), |announced| announced.to_string());
    let shown = format!("{} of {announced} complete {}", info.received, info.complete);
    notes.record("info", Ok(shown));
    for (name, value) in exchange.trailers() {
        notes.record("trailer", Ok(format!("{name}: {}", text(&value))));
    }
    if stream.keep {
        std::mem::forget(exchange);
    }
}

fn read(exchange: &mut Exchange, stream: &Stream) -> Result<String, NetError> {
    let mut received = 0;
    for _ in 0..stream.reads.unwrap_or(u32::MAX) {
        let piece = next(exchange, stream)?;
        if piece.is_empty() {
            return Ok(format!("all {received}"));
        }
        received += piece.len();
    }
    Ok(received.to_string())
}

fn next(exchange: &mut Exchange, stream: &Stream) -> Result<Vec<u8>, NetError> {
    let most = stream.piece.unwrap_or(u32::MAX);
    if !stream.polls {
        return exchange.read(most);
    }
    loop {
        if let Some(piece) = exchange.read_ready(most)? {
            return Ok(piece);
        }
    }
}

/// Polls for data of the body so many times.
pub(crate) fn poll_body(endpoint: &Endpoint, times: u32) -> Result<String, NetError> {
    let mut exchange = Request::get(format!("http://{endpoint}/")).open()?;
    for _ in 0..times {
        if let Some(piece) = exchange.read_ready(u32::MAX)? {
            return Ok(text(&piece));
        }
    }
    Ok("nothing yet".to_owned())
}

fn text(bytes: &[u8]) -> String {
    format!("`{}`", String::from_utf8_lossy(bytes))
}
