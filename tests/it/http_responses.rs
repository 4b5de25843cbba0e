//! Valid and invalid HTTP responses: each leads to a verdict.

use std::io;
use std::sync::Arc;

use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::NAMES;
use canary_tests::peer::{Connection, Hostile, Peer};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A check of the peer, by the http plugin with this configuration.
pub(crate) async fn check(harness: &Harness, peer: &Peer, config: &Value) -> AttemptResult {
    // Only from 5 s on has a guest as long as it can have to answer after a time-out.
    let mut attempt = harness.plugin("http").against(peer).timeout(ms(5_000));
    for (key, value) in config.as_object().into_iter().flatten() {
        attempt = attempt.set(key, value.clone());
    }
    attempt.run().await
}

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi";
const NO_LAST_CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
const BAD_CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n";

#[test]
fn a_body_that_does_not_come_whole_fails_with_how_far_it_came() {
    let cases = [
        (
            SHORT,
            Then::Closes,
            "receive: the connection was closed after 2 of 10 bytes of the body",
        ),
        (
            SHORT,
            Then::Hangs,
            "receive: timed out after 2 of 10 bytes of the body",
        ),
        (
            NO_LAST_CHUNK,
            Then::Closes,
            "receive: the connection was closed after 5 bytes of the body",
        ),
        (
            NO_LAST_CHUNK,
            Then::Hangs,
            "receive: timed out after 5 bytes of the body",
        ),
        (BAD_CHUNK, Then::Closes, "after 5 bytes of the body"),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (bytes, then, expected) in cases {
            let peer = canned(move |_| bytes.to_vec(), then);
            let configs = [
                json!({}),
                json!({ "expect": { "latency": { "fail": "1m" } } }),
                json!({ "expect": { "body": { "contains": "h" } } }),
            ];
            // At once, since each takes its whole time if the peer hangs.
            let runs = configs.iter().map(|config| check(&harness, &peer, config));
            for (config, ran) in configs.iter().zip(join_all(runs).await) {
                ran.leaves_nothing_of_its_own();
                assert_eq!(ran.ended(), "fail", "{config}: {:?}", ran.outcome);
                let summary = ran.outcome.summary();
                assert!(summary.contains(expected), "{config}: {summary}");
            }
            let ran = check(&harness, &peer, &json!({ "read_body": false })).await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        }
    });
}

#[test]
fn a_body_that_is_encoded_in_a_way_that_nobody_asked_for_fails() {
    alone(async {
        let harness = Harness::new().await;
        for encoding in ["gzip", "GZIP, chunked"] {
            let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {encoding}\r\n\r\n0\r\n\r\n");
            let peer = canned(move |_| answer.clone().into_bytes(), Then::Closes);
            let ran = check(&harness, &peer, &json!({})).await;
            assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
            let expected = format!("that was not requested; it sent `transfer-encoding: {encoding}`");
            let summary = ran.outcome.summary();
            assert!(summary.contains(&expected), "{summary}");
        }
    });
}

#[test]
fn what_comes_in_place_of_http_2_is_said() {
    alone(async {
        let harness = Harness::new().await;
        let peer = answers_http2(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
        let ran = check(&harness, &peer, &json!({ "version": "2" })).await;
        let summary = ran.leaves_nothing().outcome.summary();
        assert!(
            summary.contains("does not answer in HTTP/2; the answer begins with `HTTP/1.1 400 Bad Request`"),
            "{summary}"
        );
    });
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0, high, low, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Reads what opens a connection of HTTP/2, up to the head of a request.
async fn read_request(connection: &mut Connection) -> io::Result<()> {
    connection.read_exact(&mut [0; 24]).await?;
    loop {
        let mut header = [0; 9];
        connection.read_exact(&mut header).await?;
        let [_, high, low, kind, ..] = header;
        let mut payload = vec![0; u16::from_be_bytes([high, low]).into()];
        connection.read_exact(&mut payload).await?;
        if kind == 1 {
            return Ok(());
        }
    }
}

/// Answers a request over HTTP/2 with these bytes, and ends the connection.
fn answers_http2(answer: Vec<u8>) -> Peer {
    let answer = Arc::new(answer);
    Peer::tcp(move |mut connection| {
        let answer = Arc::clone(&answer);
        async move {
            read_request(&mut connection).await?;
            connection.write_all(&answer).await?;
            connection.shutdown().await?;
            // Unread data would turn the close into a reset.
            connection.read_to_end(&mut Vec::new()).await.map(drop)
        }
    })
}

/// Answers over HTTP/2 with settings and these frames.
fn over_http2(frames: &[Vec<u8>]) -> Peer {
    answers_http2([frame(4, 0, 0, b""), frame(4, 1, 0, b""), frames.concat()].concat())
}

#[test]
fn a_body_over_http2_whose_connection_is_closed_fails_as_over_http1() {
    let head = || frame(1, 4, 1, &[0x88]);
    let data = || frame(0, 0, 1, b"hi");
    let leaving = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    alone(async {
        let harness = Harness::new().await;
        for frames in [vec![head(), data()], vec![head(), data(), leaving]] {
            let ran = check(&harness, &over_http2(&frames), &json!({ "version": "2" })).await;
            let summary = ran.leaves_nothing().outcome.summary();
            assert_eq!(
                summary,
                "receive: the connection was closed after 2 bytes of the body"
            );
        }
    });
}

#[test]
fn what_breaks_http2_is_said_as_far_as_it_is_known() {
    let answer = "its response is invalid, for example its headers or its length";
    let rules = "it sent a frame of an invalid type, size or content";
    let cases = [
        (frame(1, 5, 1, b""), answer),
        (frame(1, 4, 1, &[0xff; 5]), rules),
        (frame(4, 0, 0, b"x"), rules),
        (frame(0, 1, 0, b"x"), rules),
        (
            frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(2),
            "it exceeded the flow control window",
        ),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (frame, said) in cases {
            let ran = check(&harness, &over_http2(&[frame]), &json!({ "version": "2" })).await;
            let summary = ran.leaves_nothing().outcome.summary();
            let expected = format!("the peer violated HTTP/2: {said}");
            assert!(summary.contains(&expected), "{summary}");
        }
    });
}

#[test]
fn a_connection_that_ends_before_the_answer_is_said_the_same_over_each_version() {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    alone(async {
        let harness = Harness::new().await;
        for (then, said) in [
            (Then::Closes, "connection closed by the peer"),
            (Then::Resets, "connection reset"),
        ] {
            for (version, sent) in [("1.0", &b""[..]), ("1.1", b""), ("2", b""), ("2", SETTINGS)] {
                let peer = canned(move |_| sent.to_vec(), then);
                let ran = check(&harness, &peer, &json!({ "version": version })).await;
                let summary = ran.leaves_nothing().outcome.summary();
                assert!(summary.contains(said), "{version}: {summary}");
            }
        }
    });
}

#[test]
fn a_connection_that_is_reset_in_the_body_fails() {
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| SHORT.to_vec(), Then::Resets);
        let ran = check(&harness, &peer, &json!({})).await;
        // Whether the bytes before the reset are seen depends on the kernel.
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
    });
}

#[test]
fn a_body_over_http2_that_does_not_come_whole_fails_with_how_far_it_came() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).issue();
        let site = Site::start_tls(certificate.server_config(), |_| {
            Reply::text("hi").header("content-length", "10")
        });
        let attempt = harness.plugin("http").target(&site.url("https", "/"));
        let ran = attempt
            .set("tls", json!({ "ca": authority.pem() }))
            .set("version", "2")
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
        let summary = ran.outcome.summary();
        assert!(summary.contains("of 10 bytes of the body"), "{summary}");
    });
}

#[test]
fn a_body_without_an_end_fails_by_the_quota() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::EndlessBody.start();
        let attempt = harness.plugin("http").against(&peer);
        let ran = attempt.quota(|quota| quota.bytes_in = 100_000).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
        let summary = ran.outcome.summary();
        assert!(
            summary.contains("the quota of `bytes_in`, 97.6 KiB for the whole run"),
            "{summary}"
        );
    });
}

#[test]
fn a_body_over_http2_without_an_end_fails_by_the_quota() {
    let frames = [
        frame(1, 4, 1, &[0x88]),
        frame(0, 0, 1, &[b'x'; 10_000]),
        frame(0, 0, 1, &[b'x'; 10_000]),
    ];
    alone(async {
        let harness = Harness::new().await;
        let peer = over_http2(&frames);
        let attempt = harness.plugin("http").against(&peer).set("version", "2");
        let ran = attempt.quota(|quota| quota.bytes_in = 15_000).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
        let summary = ran.outcome.summary();
        assert!(summary.contains("the quota of `bytes_in`"), "{summary}");
    });
}

#[test]
fn the_body_of_a_redirect_is_left_where_it_is() {
    alone(async {
        let harness = Harness::new().await;
        let answer = |head: &str| {
            if head.starts_with("GET / ") {
                b"HTTP/1.1 302 Found\r\nlocation: /end\r\ncontent-length: 10\r\n\r\n".to_vec()
            } else {
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()
            }
        };
        let peer = canned(answer, Then::Hangs);
        let ran = check(&harness, &peer, &json!({})).await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        let ran = check(&harness, &peer, &json!({ "follow_redirects": false })).await;
        assert_eq!(
            ran.outcome.summary(),
            "receive: timed out after 0 of 10 bytes of the body"
        );
    });
}

/// A deterministic random number generator (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or_default() % limit
    }
}

#[test]
fn headers_that_other_clients_take_are_taken() {
    let many: String = (0..2_000).map(|number| format!("x-{number}: v\r\n")).collect();
    let heads = [
        many.as_str(),
        "x-long: one\r\n two\r\n\tthree\r\n",
        "access-control-allow-credentials : true\r\n",
        "php warning: cannot open\r\n",
        "set-cookie: a=iZK\x01abc; path=/\r\n",
        "x(bad): v\r\n",
        "no colon at all\r\n",
        "x-empty:\r\n",
        "x-latin: M\u{fc}ller\r\n",
        "x-return: a\rb\r\n",
    ];
    alone(async {
        let harness = Harness::new().await;
        for head in heads {
            let answer = format!("HTTP/1.1 200 OK\r\nx-first: 1\r\n{head}content-length: 2\r\n\r\nok");
            let peer = canned(move |_| answer.clone().into_bytes(), Then::Closes);
            let config = json!({ "expect": { "headers": { "x-first": "1" }, "body": { "contains": "ok" } } });
            let ran = check(&harness, &peer, &config).await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "pass",
                "{head:.40}: {:?}",
                ran.outcome
            );
        }
    });
}

#[test]
fn what_is_not_http_is_quoted() {
    alone(async {
        let harness = Harness::new().await;
        for (bytes, shown) in [
            (
                "SSH-2.0-OpenSSH_9.2\r\n",
                "the answer begins with `SSH-2.0-OpenSSH_9.2`",
            ),
            ("ICY 200 OK\r\n\r\n", "the answer begins with `ICY 200 OK`"),
        ] {
            let peer = canned(move |_| bytes.as_bytes().to_vec(), Then::Hangs);
            let ran = check(&harness, &peer, &json!({})).await;
            let summary = ran.leaves_nothing().outcome.summary();
            assert!(summary.contains(shown), "{summary}");
        }
    });
}

#[test]
fn no_answer_at_all_makes_a_plugin_or_the_host_to_blame() {
    alone(async {
        let harness = Harness::new().await;
        let mut numbers = Numbers(11);
        for _ in 0..100 {
            let mut head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=1; Path=/\r\n".to_vec();
            for _ in 0..=numbers.below(3) {
                let place = numbers.below(head.len());
                let byte = u8::try_from(numbers.below(256)).unwrap_or_default();
                match numbers.below(3) {
                    0 => head.insert(place, byte),
                    1 => drop(head.remove(place)),
                    _ => drop(head.splice(place..=place, [byte])),
                }
            }
            let shown = String::from_utf8_lossy(&head).into_owned();
            let answer = [&*head, b"\r\nok"].concat();
            let peer = canned(move |_| answer.clone(), Then::Closes);
            let expect =
                json!({ "headers": { "set-cookie": { "contains": "a" } }, "body": { "contains": "ok" } });
            let ran = check(&harness, &peer, &json!({ "expect": expect })).await;
            let ended = ran.leaves_nothing().ended();
            assert!(
                ["pass", "fail"].contains(&&*ended),
                "{shown:?}: {:?}",
                ran.outcome
            );
        }
    });
}
