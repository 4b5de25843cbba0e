use super::*;

const SECRET: &str = "correct-horse-battery";

fn opened() -> (Conversation, ConnectionLog) {
    let conversation = Conversation::new();
    let channel = ConnectionLog::new(&conversation);
    channel.open("connected".to_owned());
    (conversation, channel)
}

fn shown(conversation: &Conversation) -> Vec<String> {
    let transcript = conversation.transcript(&Secrets::new([SECRET]));
    let sign = |line: &Line| match line.kind {
        LineKind::Note => '*',
        LineKind::Sent => '>',
        LineKind::Received => '<',
    };
    let lines = transcript.lines.iter();
    lines
        .map(|line| format!("{} {}", sign(line), line.text))
        .collect()
}

fn socket(channel: &ConnectionLog, speaker: LineKind, bytes: &[u8]) {
    match speaker {
        LineKind::Sent => channel.sent(Layer::Socket, Content::Dialogue, bytes),
        _ => channel.received(Layer::Socket, Content::Dialogue, bytes),
    }
}

#[test]
fn both_sides_are_shown_line_by_line_with_what_cannot_be_printed_escaped() {
    let (conversation, channel) = opened();
    socket(
        &channel,
        LineKind::Received,
        b"220 mail\r\n250 a\x1b[2Jb\xff\t\r\n",
    );
    socket(&channel, LineKind::Sent, "EHLO grüße\r\n".as_bytes());
    assert_eq!(
        shown(&conversation),
        [
            "* connected",
            "< 220 mail",
            r"< 250 a\u{1b}[2Jb\xff	",
            "> EHLO grüße"
        ]
    );
}

#[test]
fn a_secret_is_masked_however_its_bytes_come_and_whatever_is_around_them() {
    for size in [1, 2, 5, 100] {
        let (conversation, channel) = opened();
        let said = [
            b"x\xff".as_slice(),
            SECRET.as_bytes(),
            b"\0\xfe.\r\n",
            &[b' '; 40],
        ]
        .concat();
        for piece in said.chunks(size) {
            socket(&channel, LineKind::Sent, piece);
        }
        let lines = shown(&conversation).join("\n");
        assert!(
            lines.contains("***") && !lines.contains("horse"),
            "{size}: {lines}"
        );
    }
}

#[test]
fn a_secret_is_masked_where_the_other_side_interrupts_it_and_where_it_is_cut() {
    let (conversation, channel) = opened();
    let (first, second) = SECRET.split_at(10);
    socket(&channel, LineKind::Received, first.as_bytes());
    socket(&channel, LineKind::Sent, b"go on\r\n");
    socket(&channel, LineKind::Received, second.as_bytes());
    let lines = shown(&conversation).join("\n");
    assert!(!lines.contains("horse") && !lines.contains("battery"), "{lines}");

    let (conversation, channel) = opened();
    let long = [&[b'-'; (16 << 10) - 12], SECRET.as_bytes()].concat();
    socket(&channel, LineKind::Sent, &long);
    let lines = shown(&conversation).join("\n");
    assert!(
        !lines.contains("correct-ho") && lines.contains("9 B more"),
        "{lines}"
    );
}

#[test]
fn a_secret_is_masked_in_hexadecimal_and_in_text_of_two_bytes_a_character() {
    let (conversation, channel) = opened();
    let binary = [&[0, 1, 2, 3, 4, 5, 6], SECRET.as_bytes(), &[0, 200, 201, 202]].concat();
    socket(&channel, LineKind::Sent, &binary);
    let wide: Vec<u8> = SECRET.bytes().flat_map(|byte| [byte, 0]).collect();
    socket(&channel, LineKind::Received, &wide);
    let lines = shown(&conversation);
    assert_eq!(
        lines.get(1).map(String::as_str),
        Some("> 0000  00 01 02 03 04 05 06 ** ** ** ** ** ** ** ** **  .......*********")
    );
    let all = lines.join("\n");
    for part in ["horse", "63 6f 72", "63 00 6f"] {
        assert!(!all.contains(part), "{part}: {all}");
    }
}

#[test]
fn credentials_of_heads_and_urls_are_masked_by_their_kind() {
    let (conversation, channel) = opened();
    let head = "GET /a?key=1&b=(c,d) HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic dXNlcg==\r\n folded\r\n\
                x-api-key: abc\r\nReferer: https://u:p@a.test/b?c=d#e\r\naccept: */*\r\n\r\n";
    socket(&channel, LineKind::Sent, head.as_bytes());
    let answer = "HTTP/1.1 302 Found\r\nset-cookie: a=b\r\nlocation: /c?d=e\r\ndate: now? yes\r\n\r\n";
    socket(&channel, LineKind::Received, answer.as_bytes());
    assert_eq!(
        shown(&conversation)[1..],
        [
            "> GET /a?*** HTTP/1.1",
            "> Host: a.test",
            "> Authorization: ***",
            ">  ***",
            "> x-api-key: ***",
            "> Referer: https://***@a.test/b?***",
            "> accept: */*",
            "> ",
            "< HTTP/1.1 302 Found",
            "< set-cookie: ***",
            "< location: /c?***",
            "< date: now? yes",
            "< ",
        ]
    );
}

#[test]
fn what_goes_through_a_socket_is_not_shown_once_a_layer_above_says_it() {
    let (conversation, channel) = opened();
    channel.set_layer(Layer::Tls);
    socket(&channel, LineKind::Sent, b"\x16\x03\x01");
    socket(&channel, LineKind::Received, b"\x16\x03\x03");
    channel.received(Layer::Tls, Content::Dialogue, b"hello\n");
    channel.set_layer(Layer::Http);
    channel.received(Layer::Tls, Content::Dialogue, b"HTTP/1.1\n");
    assert_eq!(shown(&conversation), ["* connected", "< hello"]);
}

#[test]
fn what_answers_a_handshake_and_is_not_tls_is_shown() {
    let (conversation, channel) = opened();
    channel.set_layer(Layer::Tls);
    socket(&channel, LineKind::Sent, b"\x16\x03\x01");
    socket(&channel, LineKind::Received, b"HTTP/1.1 400 Bad");
    socket(&channel, LineKind::Received, b" Request\r\n");
    assert_eq!(
        shown(&conversation),
        ["* connected", "< HTTP/1.1 400 Bad Request"]
    );
}

#[test]
fn a_session_with_a_proxy_is_shown_until_tls_with_the_target_begins() {
    let (conversation, channel) = opened();
    let proxy = |bytes| channel.received(Layer::Proxy, Content::Dialogue, bytes);
    channel.set_layer(Layer::Tls);
    socket(&channel, LineKind::Received, b"\x16\x03\x03");
    channel.set_layer(Layer::Proxy);
    channel.sent(Layer::Proxy, Content::Dialogue, b"CONNECT a.test:443\n");
    socket(&channel, LineKind::Received, b"\x17\x03\x03");
    proxy(b"HTTP/1.1 200 OK\n");
    channel.set_layer(Layer::Tls);
    socket(&channel, LineKind::Received, b"\x17\x03\x03");
    proxy(b"220 not TLS\n");
    assert_eq!(
        shown(&conversation),
        [
            "* connected",
            "> CONNECT a.test:443",
            "< HTTP/1.1 200 OK",
            "< 220 not TLS"
        ]
    );
    let (conversation, channel) = opened();
    for layer in [Layer::Tls, Layer::Proxy, Layer::Tls] {
        channel.set_layer(layer);
    }
    channel.received(Layer::Proxy, Content::Dialogue, b"\x16\x03\x03");
    channel.received(Layer::Tls, Content::Dialogue, b"hello\n");
    assert_eq!(shown(&conversation), ["* connected", "< hello"]);
}

#[test]
fn a_body_is_shown_to_its_bound_and_the_rest_is_counted() {
    let (conversation, channel) = opened();
    channel.set_layer(Layer::Http);
    channel.received(Layer::Http, Content::Dialogue, b"HTTP/1.1 200 OK\r\n\r\n");
    for _ in 0..100 {
        channel.received(Layer::Http, Content::Body, &[b'x'; 1000]);
    }
    let transcript = conversation.transcript(&Secrets::default());
    let bytes: usize = transcript.lines.iter().map(|line| line.text.len()).sum();
    assert!(bytes < 3_000, "{bytes}");
    assert_eq!(transcript.bytes_left_out, 100_000 - 2048);
}

#[test]
fn a_conversation_is_bounded_whatever_is_recorded() {
    let (conversation, channel) = opened();
    for round in (0..=u8::MAX).cycle().take(5_000) {
        socket(&channel, LineKind::Sent, &[b'\n'; 100]);
        socket(&channel, LineKind::Received, &[round; 1000]);
        conversation.note("n".repeat(10));
    }
    let transcript = conversation.transcript(&Secrets::default());
    let bytes: usize = transcript.lines.iter().map(|line| line.text.len()).sum();
    assert!(transcript.lines.len() <= 5_000, "{}", transcript.lines.len());
    assert!(bytes < 2 << 20, "{bytes}");
    assert!(transcript.bytes_left_out > 1 << 20 && transcript.lines_left_out > 0);
}
