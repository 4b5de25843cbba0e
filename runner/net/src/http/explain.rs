//! Explains errors of the HTTP library about a peer that violates HTTP.

mod http2;

use std::error::Error as StdError;

use super::head::{Evidence, HeadObserver};
use super::{MAX_HEAD_BYTES, MAX_HEADERS};
use crate::NetError;
pub(super) use http2::stream_ended_early;

/// The library's error texts for HTTP/1 heads, explanations, and what evidence to show. The first match wins.
const HEAD_ERRORS: [(&str, &str, Evidence); 7] = [
    (
        "found HTTP2 preface",
        "the peer answered an HTTP/1 request in HTTP/2",
        Evidence::Beginning,
    ),
    (
        "invalid HTTP version",
        "the peer does not answer in HTTP/1.0 or HTTP/1.1",
        Evidence::Beginning,
    ),
    (
        "invalid HTTP method",
        "the peer does not answer in HTTP/1.0 or HTTP/1.1",
        Evidence::Beginning,
    ),
    (
        "invalid HTTP status-code",
        "the peer's status is not a three-digit number",
        Evidence::Beginning,
    ),
    (
        "invalid content-length",
        "the peer's `content-length` is not a single number",
        Evidence::Framing,
    ),
    (
        "transfer-encoding",
        "the peer sent `transfer-encoding` over HTTP/1.0, which has none",
        Evidence::Framing,
    ),
    (
        "invalid HTTP header",
        "the peer sent an invalid header line",
        Evidence::Header,
    ),
];

/// The same for bodies and what follows them.
const BODY_ERRORS: [(&str, &str); 22] = [
    (
        "chunk extensions over limit",
        "the peer sent more than 16 KiB of chunk extensions",
    ),
    (
        "chunk size: overflow",
        "the peer announced a chunk that is too large",
    ),
    (
        "extension contains newline",
        "the peer sent a chunk extension with a line break in it",
    ),
    ("missing size digit", "the peer sent a chunk without a size"),
    (
        // The library also rejects a line that ends with LF alone with these words.
        "Invalid Size",
        "the peer sent a chunk whose size is not a hexadecimal number followed by CR LF",
    ),
    (
        "linear white space",
        "the peer sent a chunk whose size is not a hexadecimal number",
    ),
    ("chunk size LF", "the peer sent a chunk size without a line end"),
    (
        "chunk body",
        "the peer sent a chunk that is longer than announced",
    ),
    (
        "chunk end",
        "the peer's last chunk does not end with an empty line",
    ),
    ("trailer end", "the peer's trailers do not end with an empty line"),
    (
        "trailers bytes over limit",
        "the peer sent more than 16 KiB of trailers",
    ),
    ("trailers count overflow", "the peer sent too many trailers"),
    ("trailer", "the peer sent an invalid trailer"),
    // In a body, only trailers have headers.
    ("invalid header name", "the peer sent an invalid trailer"),
    ("invalid header value", "the peer sent an invalid trailer"),
    ("Partial header", "the peer sent an invalid trailer"),
    ("unexpected message", "the peer sent an unsolicited response"),
    ("header blocks", "the peer sent more than 64 header blocks"),
    (
        "first frame is not SETTINGS",
        "the peer violated HTTP/2: its first frame is not SETTINGS (PROTOCOL_ERROR)",
    ),
    (
        "enabled server push",
        "the peer violated HTTP/2: it sent ENABLE_PUSH, which only a client may send (PROTOCOL_ERROR)",
    ),
    (
        "pseudo-header field",
        "the peer violated HTTP/2: it sent a pseudo-header field that no response has there (PROTOCOL_ERROR)",
    ),
    (
        "switched protocols",
        "the peer violated HTTP/2: it sent the status 101, which HTTP/2 does not have (PROTOCOL_ERROR)",
    ),
];

/// Converts an error of the HTTP library: either how the peer violated HTTP, or the underlying failure.
pub(super) fn from_hyper(error: hyper::Error) -> NetError {
    explain(&error)
}

fn explain(error: &hyper::Error) -> NetError {
    // A request that was not sent yet is cancelled; its source has the reason.
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    if let Some(cause) = cause.filter(|_| error.is_canceled()) {
        return explain(cause);
    }
    let is_over = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    match NetError::from_protocol(error) {
        NetError::Protocol(_) if is_over => NetError::Closed,
        NetError::Protocol(message) => {
            http2::connection_error(error).unwrap_or_else(|| describe(error, &message))
        }
        other => other,
    }
}

/// The same for the head of an HTTP/1 response, including what the peer sent.
pub(super) fn from_head(error: hyper::Error, head: &HeadObserver) -> NetError {
    let evidence = evidence(&error);
    let error = from_hyper(error);
    match evidence {
        Some(evidence) => head.explain(error, evidence),
        None => error,
    }
}

/// Which part of the head to show for an error.
fn evidence(error: &hyper::Error) -> Option<Evidence> {
    if error.is_parse_too_large() {
        return Some(Evidence::Size);
    }
    let message = error.is_parse().then(|| error.to_string())?;
    let known = HEAD_ERRORS.iter().find(|(words, ..)| message.contains(words));
    Some(known.map_or(Evidence::Beginning, |(.., evidence)| *evidence))
}

pub(super) fn too_large_head() -> NetError {
    let bytes = MAX_HEAD_BYTES >> 10;
    NetError::Protocol(format!(
        "the head of the peer's answer has more than {bytes} KiB or {MAX_HEADERS} headers"
    ))
}

fn describe(error: &hyper::Error, message: &str) -> NetError {
    if error.is_parse_too_large() {
        return too_large_head();
    }
    let of_heads = HEAD_ERRORS
        .iter()
        .map(|(words, explanation, _)| (words, explanation));
    let of_bodies = BODY_ERRORS
        .iter()
        .map(|(words, explanation)| (words, explanation));
    let mut known = of_heads
        .chain(of_bodies)
        .filter(|(words, _)| message.contains(**words));
    NetError::Protocol(match (known.next(), http2::error(error)) {
        (_, Some(broken)) if broken.get_io().is_none() => http2::describe(broken),
        (Some((_, explanation)), _) => (*explanation).to_owned(),
        (None, _) => "the peer violated HTTP in an unknown way".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::Bytes;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;

    use super::super::inbound::InboundStream;
    use super::super::transcript::HttpTranscript;
    use super::*;

    /// The error that an exchange ends with if the peer sends this over HTTP/1; `None` on success.
    async fn failure(answer: &[u8]) -> Option<String> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let head = HeadObserver::new(HttpTranscript::default());
        let stream = InboundStream::http1(near, head.clone());
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let request = http::Request::new(Full::new(Bytes::new()));
        let exchange = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|error| from_head(error, &head))?;
            answer.into_body().collect().await.map_err(from_hyper)
        };
        let (failed, _) = tokio::join!(exchange, connection);
        failed.map(drop).err().map(|error| error.to_string())
    }

    async fn failed(answer: &[u8]) -> String {
        failure(answer).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_not_http_is_called_by_what_it_is() {
        for (answer, message) in [
            (
                b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(),
                "protocol: the peer does not answer in HTTP/1.0 or HTTP/1.1; the answer begins with \
                 `SSH-2.0-OpenSSH_9.2`",
            ),
            (
                b"HTTP/2.0 200 OK\r\n\r\n",
                "protocol: the peer does not answer in HTTP/1.0 or HTTP/1.1; the answer begins with `HTTP/2.0 200 OK`",
            ),
            (
                b"\x15\x03\x03\x00\x02\x02\x28",
                "protocol: the peer does not answer in HTTP/1.0 or HTTP/1.1; it speaks TLS (use `https`)",
            ),
            (
                b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
                "protocol: the peer does not answer in HTTP/1.0 or HTTP/1.1; it speaks HTTP/2, which was not requested",
            ),
            (
                b"HTTP/1.1 2x0 OK\r\n\r\n",
                "protocol: the peer's status is not a three-digit number; the answer begins with `HTTP/1.1 2x0 OK`",
            ),
            (
                b"HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok",
                "protocol: the peer's status is not a three-digit number; the answer begins with `HTTP/1.1 20 OK`",
            ),
            (
                b"HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok",
                "protocol: the peer does not answer in HTTP/1.0 or HTTP/1.1; the answer begins with `HTTP/1.2 200 OK`",
            ),
            (
                b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok",
                "protocol: the peer sent an invalid header line; it sent `x: a\\0b`",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nok",
                "protocol: the peer announced a body that is too long; it sent `content-length: \
                 18446744073709551615`",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
                "protocol: the peer's `content-length` is not a single number; it sent `content-length: abc`",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nContent-Length: 2\r\n\r\nab",
                "protocol: the peer's `content-length` is not a single number; it sent `content-length: 1` and \
                 `Content-Length: 2`",
            ),
        ] {
            assert_eq!(failed(answer).await, message);
        }
    }

    #[tokio::test]
    async fn chunks_that_are_none_are_described() {
        let long = format!("1;{}\r\n", "x".repeat(20_000));
        for (chunks, message) in [
            ("xyz\r\n", "the peer sent a chunk without a size"),
            (
                "1x\r\n",
                "the peer sent a chunk whose size is not a hexadecimal number followed by CR LF",
            ),
            (
                "1\nx\n0\n\n",
                "the peer sent a chunk whose size is not a hexadecimal number followed by CR LF",
            ),
            ("1\rx", "the peer sent a chunk size without a line end"),
            (
                "1\r\nab\r\n",
                "the peer sent a chunk that is longer than announced",
            ),
            (
                "fffffffffffffffff\r\n",
                "the peer announced a chunk that is too large",
            ),
            (&long, "the peer sent more than 16 KiB of chunk extensions"),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(
                failed(answer.as_bytes()).await,
                format!("protocol: {message}"),
                "{chunks}"
            );
        }
        for trailer in ["bad trailer", "a b: c", ": c", "a\0: b", "a: b\0"] {
            let answer =
                format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{trailer}\r\n\r\n");
            assert_eq!(
                failed(answer.as_bytes()).await,
                "protocol: the peer sent an invalid trailer"
            );
        }
        let trailers = "a: b\r\n".repeat(10_000);
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{trailers}\r\n");
        let message = failed(answer.as_bytes()).await;
        assert!(message.contains("trailers"), "{message}");
    }

    #[tokio::test]
    async fn nothing_that_a_peer_sends_brings_words_of_the_library() {
        const HEADS: [&str; 3] = ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n", ""];
        const PIECES: [&str; 12] = [
            "transfer-encoding: chunked\r\n",
            "transfer-encoding: x\r\n",
            "content-length: -1\r\n",
            "\r\n",
            "\0",
            "5\r\n",
            "hello",
            "x\r\n",
            "0\r\n",
            "HTTP/3 ",
            " : \r\n",
            "é",
        ];
        for seed in 0..400_u64 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut answer = HEADS[random.usize(..HEADS.len())].to_owned();
            for _ in 0..random.usize(1..8) {
                answer.push_str(PIECES[random.usize(..PIECES.len())]);
            }
            let message = failure(answer.as_bytes()).await.unwrap_or_default();
            for word in [
                "parsed",
                "in an unknown way",
                "Invalid",
                "reading a body",
                "hyper",
                "overflow",
            ] {
                assert!(!message.contains(word), "{answer:?}: {message}");
            }
        }
    }
}
