//! Where a body over HTTP/2 ends.

use canary_tests::peer::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status` 200, 204 and 304 in the static table (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;
const STATUS_204: u8 = 0x89;
const STATUS_304: u8 = 0x8b;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn head(status: u8, length: Option<&str>, flags: u8) -> Vec<u8> {
    let mut block = vec![status];
    if let Some(length) = length {
        // A literal with the name of entry 28, `content-length`.
        block.extend([0x0f, 0x0d, u8::try_from(length.len()).unwrap()]);
        block.extend(length.as_bytes());
    }
    frame(HEADERS, END_HEADERS | flags, 1, &block)
}

fn data(text: &str, flags: u8) -> Vec<u8> {
    frame(DATA, flags, 1, text.as_bytes())
}

/// A trailer `date` without a value.
fn trailer() -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x0f, 0x12, 0])
}

fn reset(code: u8) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &[0, 0, 0, code])
}

/// Reads up to the end of the request, which has no body.
async fn read_request(connection: &mut Connection) -> std::io::Result<()> {
    connection.read_exact(&mut [0; 24]).await?;
    loop {
        let mut header = [0; 9];
        connection.read_exact(&mut header).await?;
        let [_, high, low, kind, ..] = header;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        connection.read_exact(&mut payload).await?;
        if kind == HEADERS {
            return Ok(());
        }
    }
}

/// The body of a request that receives these frames after the server's preface.
async fn got(method: &str, frames: &[Vec<u8>]) -> Result<String, NetError> {
    let answer = [frame(SETTINGS, 0, 0, b""), frames.concat()].concat();
    let response = received(method, answer, 1 << 10).await?;
    Ok(String::from_utf8(response.body).unwrap())
}

/// The response of a request that receives these bytes.
async fn received(method: &str, answer: Vec<u8>, max_body: u32) -> Result<Response, NetError> {
    let peer = Peer::tcp(move |mut connection| {
        let answer = answer.clone();
        async move {
            read_request(&mut connection).await?;
            connection.write_all(&answer).await?;
            connection.closed().await;
            Ok(())
        }
    });
    let url = peer.url("http", "/");
    let options = RequestOptions {
        versions: [HttpVersion::Http2].into_iter().collect(),
        max_body,
        ..usual()
    };
    let response = Check::of(&url)
        .client()
        .send(asking(method, &url, options))
        .await?;
    assert!(response.complete || max_body == 0, "{response:?}");
    Ok(response)
}

#[tokio::test]
async fn a_body_that_ends_with_its_stream_is_whole() {
    for (method, frames, body) in [
        (
            "GET",
            vec![head(STATUS_200, None, 0), data("hello", END_STREAM)],
            "hello",
        ),
        (
            "GET",
            vec![
                head(STATUS_200, Some("5"), 0),
                data("hello", 0),
                data("", END_STREAM),
                reset(0),
            ],
            "hello",
        ),
        ("GET", vec![head(STATUS_200, None, END_STREAM), reset(0)], ""),
        (
            "GET",
            vec![head(STATUS_200, None, 0), data("hello", 0), trailer()],
            "hello",
        ),
        ("GET", vec![head(STATUS_204, None, 0), data("", END_STREAM)], ""),
        ("GET", vec![head(STATUS_304, Some("99"), END_STREAM)], ""),
        // Such a length is that of another response, wherever the stream ends (RFC 9113, section 8.1.1).
        (
            "GET",
            vec![head(STATUS_304, Some("99"), 0), data("", END_STREAM)],
            "",
        ),
        (
            "GET",
            vec![head(STATUS_304, Some("99"), 0), data("", 0), data("", END_STREAM)],
            "",
        ),
        ("GET", vec![head(STATUS_304, Some("99"), 0), trailer()], ""),
        (
            "GET",
            vec![head(STATUS_204, Some("99"), 0), data("", END_STREAM)],
            "",
        ),
        (
            "HEAD",
            vec![head(STATUS_200, Some("99"), 0), data("", END_STREAM)],
            "",
        ),
        ("HEAD", vec![head(STATUS_200, Some("99"), 0), trailer()], ""),
        ("HEAD", vec![head(STATUS_200, Some("99"), END_STREAM)], ""),
    ] {
        assert_eq!(
            got(method, &frames).await.as_deref(),
            Ok(body),
            "{method} {frames:?}"
        );
    }
}

#[tokio::test]
async fn a_body_whose_stream_does_not_end_is_not_whole() {
    const ENDED: &str = "protocol: the peer ended the HTTP/2 stream without an error (NO_ERROR)";
    // Streams above 0 are not processed.
    let leaving = frame(GOAWAY, 0, 0, &[0; 8]);
    for (frames, reason) in [
        (
            vec![head(STATUS_200, Some("10"), 0), data("he", 0), reset(0)],
            format!("{ENDED} after 2 of 10 bytes of the body"),
        ),
        (
            vec![head(STATUS_200, None, 0), data("he", 0), reset(0)],
            format!("{ENDED} after 2 bytes of the body"),
        ),
        (
            vec![head(STATUS_200, None, 0), reset(0)],
            format!("{ENDED} after 0 bytes of the body"),
        ),
        (
            vec![head(STATUS_200, Some("10"), 0), data("he", 0), leaving],
            format!("{ENDED} after 2 of 10 bytes of the body"),
        ),
        (
            vec![head(STATUS_200, Some("10"), 0), data("he", 0), reset(8)],
            "protocol: the peer ended the HTTP/2 stream because the stream is no longer needed (CANCEL) after 2 of \
             10 bytes of the body"
                .to_owned(),
        ),
    ] {
        let error = got("GET", &frames).await.unwrap_err();
        assert_eq!(error.to_string(), reason);
        assert!(matches!(error, NetError::Body { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_body_that_its_head_does_not_allow_is_refused() {
    for (method, status, length) in [
        ("GET", STATUS_200, Some("9")),
        ("GET", STATUS_200, Some("3")),
        ("HEAD", STATUS_200, Some("5")),
        ("GET", STATUS_204, None),
        ("GET", STATUS_304, None),
    ] {
        let frames = [head(status, length, 0), data("hello", END_STREAM)];
        let refused = got(method, &frames).await;
        assert!(refused.is_err(), "{method} {status:#x} {length:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_body_that_a_status_does_not_have_is_named_in_one_sentence() {
    let frames = [head(STATUS_204, None, 0), data("hello", END_STREAM)];
    assert_eq!(
        got("GET", &frames).await.unwrap_err().to_string(),
        "protocol: the peer sent a body with status 204, which has none"
    );
}

#[tokio::test]
async fn an_empty_body_that_is_not_read_is_not_cut() {
    let frames = [
        frame(SETTINGS, 0, 0, b""),
        head(STATUS_304, Some("99"), 0),
        data("", END_STREAM),
    ];
    let response = received("GET", frames.concat(), 0).await.unwrap();
    assert!(!response.truncated, "{response:?}");
}

#[tokio::test]
async fn a_connection_that_does_not_begin_as_http2_demands_is_refused() {
    let response = [head(STATUS_200, None, 0), data("hello", END_STREAM)].concat();
    let violates = |what: &str| format!("the peer violated HTTP/2: {what} (PROTOCOL_ERROR)");
    for (first, reason) in [
        (vec![], violates("its first frame is not SETTINGS")),
        (
            frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 1]),
            violates("it sent ENABLE_PUSH, which only a client may send"),
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "the peer does not answer in HTTP/2; the answer begins with `HTTP/1.1 400 Bad Request`"
                .to_owned(),
        ),
    ] {
        let refused = received("GET", [first, response.clone()].concat(), 1 << 10).await;
        assert_eq!(refused.unwrap_err().to_string(), format!("protocol: {reason}"));
    }
}

#[tokio::test]
async fn a_response_with_the_fields_of_another_message_is_refused() {
    const FIELD: &str = "it sent a pseudo-header field that no response has there";
    let ok = || head(STATUS_200, None, 0);
    let fields = |block: &[u8], flags| frame(HEADERS, END_HEADERS | flags, 1, block);
    for (frames, what) in [
        // `:path` in a head, and `:status` in trailers.
        (
            vec![fields(&[STATUS_200, 0x84], 0), data("hello", END_STREAM)],
            FIELD,
        ),
        (
            vec![ok(), data("hello", 0), fields(&[STATUS_200], END_STREAM)],
            FIELD,
        ),
        (
            vec![fields(b"\x48\x03101", 0), ok(), data("hello", END_STREAM)],
            "it sent the status 101, which HTTP/2 does not have",
        ),
    ] {
        let error = got("GET", &frames).await.unwrap_err().to_string();
        let expected = format!("protocol: the peer violated HTTP/2: {what} (PROTOCOL_ERROR)");
        assert!(error.starts_with(&expected), "{error}");
    }
}
