//! Answers over HTTP that are read piece by piece.

use std::time::Duration;

use canary_sdk::http::{Exchange, Request};
use canary_sdk::{Endpoint, NetError};

use crate::behave::request;
use crate::config::Stream;
use crate::notes::Notes;

/// Opens exchanges, reads the last one as it is asked to, and notes how far that came.
pub(crate) fn stream(place: &Endpoint, stream: &Stream, notes: &mut Notes) {
    let open = || request(place, &stream.request).open();
    let beside: Vec<_> = (0..stream.beside).map(|_| open()).collect();
    if stream.ended > 0 {
        notes.take("ended", end_all(open, stream));
    }
    match open() {
        Ok(exchange) => follow(exchange, stream, notes),
        Err(error) => notes.take("open", Err(error)),
    }
    if stream.keep {
        std::mem::forget(beside);
    }
}

/// Opens exchanges and reads them to their end, up to the first that fails; says how many there were.
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
    notes.take("head", Ok(shown));
    exchange.set_deadline(stream.deadline.map(Duration::from_millis));
    let read = read(&mut exchange, stream);
    let has_failed = read.is_err();
    notes.take("read", read);
    if has_failed {
        exchange.set_deadline(None);
        let again = exchange.chunk();
        notes.take("again", again.map(|piece| text(&piece.unwrap_or_default())));
    }
    let info = exchange.info();
    let announced = info
        .announced
        .map_or("?".to_owned(), |announced| announced.to_string());
    let shown = format!("{} of {announced} complete {}", info.received, info.complete);
    notes.take("info", Ok(shown));
    for (name, value) in exchange.trailers() {
        notes.take("trailer", Ok(format!("{name}: {}", text(&value))));
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

/// Looks so often whether anything of the body has come.
pub(crate) fn look(place: &Endpoint, times: u32) -> Result<String, NetError> {
    let mut exchange = Request::get(format!("http://{place}/")).open()?;
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
