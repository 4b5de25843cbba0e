//! Where a body ends, according to its head.

use canary_tests::peer::canned::{Then, canned};

use super::*;

/// The result of a `GET` that receives this response.
async fn got(answer: &str, then: Then) -> Result<Response, String> {
    asked("GET", answer, then).await
}

async fn asked(method: &str, answer: &str, then: Then) -> Result<Response, String> {
    let answer = answer.as_bytes().to_vec();
    let peer = canned(move |_| answer.clone(), then);
    let url = peer.url("http", "/");
    let sent = Check::of(&url).client().send(asking(method, &url, usual())).await;
    sent.map_err(|error| error.to_string())
}

#[tokio::test]
async fn beside_an_encoding_that_encodes_nothing_the_length_counts() {
    for encoding in ["identity", "", "Identity"] {
        let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {encoding}\r\ncontent-length: 5\r\n\r\n");
        for (body, then) in [
            ("hello", Then::Hangs),
            ("hello", Then::Closes),
            ("hello you", Then::Hangs),
        ] {
            let whole = got(&format!("{head}{body}"), then).await.unwrap();
            assert_eq!(
                (&whole.body[..], whole.complete),
                (&b"hello"[..], true),
                "{encoding}"
            );
            assert_eq!((whole.body_length, whole.truncated), (5, false), "{encoding}");
        }
        let cut = got(&format!("{head}he"), Then::Closes).await.unwrap_err();
        assert_eq!(
            cut, "the connection was closed after 2 of 5 bytes of the body",
            "{encoding}"
        );
    }
    let empty = "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 0\r\n\r\n";
    let empty = got(empty, Then::Hangs).await.unwrap();
    assert!(empty.body.is_empty() && empty.complete && !empty.truncated);
}

#[tokio::test]
async fn an_answer_without_a_body_has_none_whatever_its_head_says() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        for encoding in ["identity", "chunked, identity", "gzip"] {
            let head =
                format!("HTTP/1.1 {status} X\r\ntransfer-encoding: {encoding}\r\ncontent-length: 5\r\n\r\n");
            let whole = asked(method, &head, Then::Hangs).await.unwrap();
            assert!(
                whole.body.is_empty() && whole.complete,
                "{method} {status} {encoding}"
            );
        }
    }
}

#[tokio::test]
async fn the_length_of_an_answer_without_a_body_is_a_number_too() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        let answer = |length: &str| format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
        for length in ["x", "-1", "", "+5", "5, 6", "5\r\ncontent-length: 6"] {
            let refused = asked(method, &answer(length), Then::Hangs).await.unwrap_err();
            let said =
                "protocol: the peer's `content-length` is not a single number; it sent `content-length:";
            assert!(refused.starts_with(said), "{method} {status} {length}: {refused}");
        }
        for length in ["5", "05, 5", "99999999999999999999999"] {
            let whole = asked(method, &answer(length), Then::Hangs).await.unwrap();
            assert!(whole.complete, "{method} {status} {length}");
        }
    }
}

#[tokio::test]
async fn an_encoding_behind_chunks_is_refused() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(
        got(answer, Then::Closes).await.unwrap_err(),
        "protocol: the peer's `transfer-encoding` continues after `chunked`; it sent `transfer-encoding: chunked, identity`"
    );
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: five\r\n\r\nhello";
    assert_eq!(
        got(answer, Then::Closes).await.unwrap_err(),
        "protocol: the peer's `content-length` is not a single number; it sent `transfer-encoding: identity` and \
         `content-length: five`"
    );
}

#[tokio::test]
async fn over_http_1_0_there_is_no_transfer_encoding() {
    for encoding in ["identity", "chunked"] {
        let answer =
            format!("HTTP/1.0 200 OK\r\ntransfer-encoding: {encoding}\r\ncontent-length: 5\r\n\r\nhello");
        let said = "the peer sent `transfer-encoding` over HTTP/1.0, which has none";
        assert_eq!(
            got(&answer, Then::Closes).await.unwrap_err(),
            format!("protocol: {said}; it sent `transfer-encoding: {encoding}` and `content-length: 5`")
        );
    }
}

#[tokio::test]
async fn a_head_may_be_as_large_as_the_limit_and_not_larger() {
    let head_of = |size: usize| {
        let begin = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-pad: ";
        format!("{begin}{}\r\n\r\n", "v".repeat(size - begin.len() - 4))
    };
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    for answer in [
        head_of(MAX_HEAD_BYTES),
        format!("{hints}{}", head_of(MAX_HEAD_BYTES)),
    ] {
        assert!(got(&answer, Then::Hangs).await.unwrap().complete);
    }
    for more in [1, 928, 8_928, 68_928] {
        let refused = got(&head_of(MAX_HEAD_BYTES + more), Then::Hangs)
            .await
            .unwrap_err();
        let said = "protocol: the head of the peer's answer has more than 128 KiB or 4096 headers; ";
        assert!(refused.starts_with(said), "{more}: {refused}");
        assert!(refused.contains("the longest is `x-pad`"), "{more}: {refused}");
    }
}
