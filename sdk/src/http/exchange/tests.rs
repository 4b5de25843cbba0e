use super::*;
use crate::fake::{FakeHost, Script, Stream, response};
use crate::http::Response;

fn exchange(body: Script) -> (FakeHost, Exchange) {
    let host = FakeHost::new()
        .http_stream(move |_| Ok(Stream::new(announcing_nine(), body.clone()).trailer("x-sum", "7")));
    let exchange = host.enter(|| Request::get("http://a/").open().unwrap());
    (host, exchange)
}

fn announcing_nine() -> Response {
    Response {
        headers: vec![("content-length".into(), b"9".to_vec())],
        ..response(200)
    }
}

#[test]
fn lines_are_put_together_of_the_pieces_they_come_in() {
    let (host, mut exchange) = exchange(Script::new().send("one\r\nt").send("wo\n").send("\nlast"));
    let mut lines = Vec::new();
    while let Some(line) = exchange.read_line(5).unwrap() {
        lines.push(line);
    }
    assert_eq!(lines, ["one", "two", "", "last"]);
    assert_eq!(exchange.trailers(), [("x-sum".to_owned(), b"7".to_vec())]);
    let info = exchange.info();
    assert_eq!(
        (info.received, info.announced, info.complete),
        (14, Some(9), true)
    );
    assert_eq!(host.open_connections(), 0, "the body is over");
}

#[test]
fn what_is_behind_a_line_is_read_next() {
    let (host, mut exchange) = exchange(Script::new().send("one\ntwo three").silence());
    assert_eq!(exchange.read_line(16).unwrap().as_deref(), Some("one"));
    assert_eq!(exchange.read(3).unwrap(), b"two");
    assert_eq!(exchange.read_ready(1).unwrap(), Some(b" ".to_vec()));
    assert_eq!(exchange.chunk().unwrap(), Some(b"three".to_vec()));
    assert_eq!(exchange.read_ready(1).unwrap(), None);
    assert!(exchange.trailers().is_empty() && !exchange.info().complete);
    assert_eq!(host.open_connections(), 1);
    drop(exchange);
    assert_eq!(host.open_connections(), 0);
}

#[test]
fn a_line_that_is_too_long_breaks_the_protocol() {
    for body in [
        Script::new().send("12345\n"),
        Script::new().send("12345").silence(),
    ] {
        let (_host, mut exchange) = exchange(body);
        let error = exchange.read_line(4).unwrap_err();
        assert_eq!(error.code, ErrorCode::Protocol, "{error}");
    }
}

#[test]
fn a_read_that_is_late_can_go_on_and_one_that_fails_cannot() {
    let body = Script::new()
        .wait(Duration::from_secs(2))
        .send("late")
        .fail(ErrorCode::Reset);
    let (host, mut exchange) = exchange(body);
    exchange.set_deadline(Some(Duration::from_secs(1)));
    assert_eq!(exchange.chunk().unwrap_err().code, ErrorCode::Timeout);
    exchange.set_deadline(None);
    assert_eq!(exchange.chunk().unwrap(), Some(b"late".to_vec()));
    for _ in 0..2 {
        let error = exchange.chunk().unwrap_err();
        assert_eq!(error.code, ErrorCode::Reset);
        assert_eq!(error.progress.map(|progress| progress.received), Some(4));
    }
    assert_eq!(host.open_connections(), 0);
    assert_eq!(exchange.info().timings.receive, Some(Duration::from_secs(2)));
}

#[test]
fn a_whole_response_of_the_fake_host_is_one_piece() {
    let whole = Response {
        body: b"hello".to_vec(),
        ..response(200)
    };
    let host = FakeHost::new().http(move |_| Ok(whole.clone())).max_sockets(1);
    host.enter(|| {
        let mut first = Request::get("http://a/b").open().unwrap();
        let refused = Request::get("http://a/b").open().unwrap_err();
        assert_eq!(refused.code, ErrorCode::Quota);
        assert_eq!(
            (first.head().status, first.head().url.as_str()),
            (200, "http://a/b")
        );
        assert_eq!(first.chunk().unwrap(), Some(b"hello".to_vec()));
        assert_eq!(first.chunk().unwrap(), None);
    });
    assert_eq!((host.open_connections(), host.requests().len()), (0, 2));
}
