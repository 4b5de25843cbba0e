use super::*;

/// The bytes delivered when they are received in chunks of this size.
fn passed(bytes: &[u8], size: usize) -> Vec<u8> {
    let head = HeadObserver::default();
    let (mut handed, mut waiting) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        waiting.extend_from_slice(piece);
        let end = match head.observe(&mut waiting) {
            Delivered::All => waiting.len(),
            Delivered::Until(end) => end,
        };
        handed.extend(waiting.drain(..end));
    }
    [handed, waiting].concat()
}

#[test]
fn a_return_that_stands_alone_is_a_blank_in_a_head_and_nowhere_else() {
    let sent = b"\r\nHTTP/1.1 103 Hints\r\nlink: a\rb\r\n\r\nHTTP/1.1 200 OK\na: 1\r\r\nb: \r2\n\r\nbody\r\r\nbody\r";
    let expected =
        b"\r\nHTTP/1.1 103 Hints\r\nlink: a b\r\n\r\nHTTP/1.1 200 OK\na: 1 \r\nb:  2\n\r\nbody\r\r\nbody\r";
    for size in [1, 2, 3, 7, sent.len()] {
        assert_eq!(passed(sent, size), expected, "pieces of {size}");
    }
}

#[test]
fn the_body_of_a_final_answer_is_never_taken_for_a_head() {
    for status in ["101 Switching", "200 OK", "299", "500 Bad"] {
        let sent = format!("HTTP/1.1 {status}\r\n\r\nHTTP/1.1 100 C\r\na: b\rc\r\n\r\nx\ry");
        assert_eq!(passed(sent.as_bytes(), 5), sent.as_bytes(), "{status}");
    }
}

#[test]
fn a_head_that_is_too_large_names_its_longest_header() {
    let head = HeadObserver::default();
    let mut sent = format!(
        "HTTP/1.1 200 OK\r\na: 1\r\nx-big: {}\r\nset-cook",
        "v".repeat(5_000)
    )
    .into_bytes();
    assert_eq!(head.observe(&mut sent), Delivered::All);
    let explained = head.explain(NetError::Protocol("too large".to_owned()), Evidence::Size);
    assert_eq!(
        explained.to_string(),
        "protocol: too large; it has 3 headers so far, the longest is `x-big` with 5008 bytes"
    );
}

#[test]
fn what_is_not_http_is_quoted() {
    let head = HeadObserver::default();
    let mut sent = b"SSH-2.0-x\r\n".repeat(20);
    head.observe(&mut sent);
    let explained = head.explain(NetError::Protocol("no".to_owned()), Evidence::Beginning);
    assert_eq!(
        explained.to_string(),
        "protocol: no; the answer begins with `SSH-2.0-x`"
    );
}

#[test]
fn a_control_character_is_a_blank_in_a_reason_and_nowhere_else() {
    let sent = b"HTTP/1.1 103 a\x01\r\n\r\nHTTP/1.1 200 a\x01b\tc\0\x7f\r\na: \x01\r\n\r\n\x01";
    let expected = b"HTTP/1.1 103 a \r\n\r\nHTTP/1.1 200 a b\tc  \r\na: \x01\r\n\r\n\x01";
    for size in [1, 7, sent.len()] {
        assert_eq!(passed(sent, size), expected, "pieces of {size}");
    }
    for invalid in [
        b"HTTP/1.1 20\x01 x\r\n".as_slice(),
        b"HTTP/1.1\x01200 x\r\n",
        b"SSH-2.0-x 200 a\x01\n",
    ] {
        assert_eq!(passed(invalid, 3), invalid);
    }
}
