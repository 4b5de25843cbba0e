//! What a peer may answer over HTTP, right or wrong: it is a verdict in any case.

use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, Ran, alone, ms};
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::NAMES;
use canary_tests::peer::{Hostile, Peer};
use serde_json::{Value, json};

/// A check of the peer, by the http plugin with this configuration.
pub(crate) async fn check(harness: &Harness, peer: &Peer, config: &Value) -> Ran {
    let mut trial = harness.plugin("http").against(peer).timeout(ms(1_500));
    for (key, value) in config.as_object().into_iter().flatten() {
        trial = trial.set(key, value.clone());
    }
    trial.run().await
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
            for config in configs {
                let ran = check(&harness, &peer, &config).await;
                assert_eq!(
                    ran.leaves_nothing().ended(),
                    "fail",
                    "{config}: {:?}",
                    ran.outcome
                );
                let summary = ran.outcome.summary();
                assert!(summary.contains(expected), "{config}: {summary}");
            }
            let ran = check(&harness, &peer, &json!({ "read_body": false })).await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        }
    });
}

#[test]
fn a_connection_that_is_reset_in_the_body_fails() {
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| SHORT.to_vec(), Then::Resets);
        let ran = check(&harness, &peer, &json!({})).await;
        // Whether the bytes before it are seen is the kernel's.
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
        let trial = harness.plugin("http").target(&site.url("https", "/"));
        let ran = trial
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
        let trial = harness.plugin("http").against(&peer);
        let ran = trial.quota(|quota| quota.bytes_in = 100_000).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
        let summary = ran.outcome.summary();
        assert!(
            summary.contains("longer than 97.6 KiB, the quota of `bytes_in`"),
            "{summary}"
        );
    });
}

#[test]
fn the_body_of_a_redirect_is_left_where_it_is() {
    alone(async {
        let harness = Harness::new().await;
        let answer = |head: &str| match head.starts_with("GET / ") {
            true => b"HTTP/1.1 302 Found\r\nlocation: /end\r\ncontent-length: 10\r\n\r\n".to_vec(),
            false => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(),
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

/// A generator of numbers that are the same in every run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or_default() % limit
    }
}

fn page(body: Vec<u8>) -> Peer {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let bytes = [head.into_bytes(), body].concat();
    canned(move |_| bytes.clone(), Then::Closes)
}

#[test]
fn no_body_makes_a_check_use_up_its_memory_or_time() {
    const LENGTH: usize = 1_000_000;
    let list = |piece: &str| {
        let values = piece.repeat(LENGTH / piece.len());
        format!("[{values}0]").into_bytes()
    };
    let bodies = [
        ("many objects", list("{\"a\":[]},")),
        ("many lists", list("[],")),
        ("many numbers", list("0,")),
        ("deep lists", "[".repeat(LENGTH).into_bytes()),
        (
            "deep objects",
            list(&format!("{}0{},", "{\"a\":".repeat(100), "}".repeat(100))),
        ),
        ("one letter", vec![b'a'; LENGTH]),
        ("zeros", vec![0; LENGTH]),
    ];
    let expectations = [
        json!({ "json": { "$[0]": { "exists": true }, "$..a": { "exists": true } } }),
        json!({ "json": { "$..*..*": { "exists": true }, "$[?$..a]": { "exists": true } } }),
        json!({ "json": { "$..*": { "matches": "^b" } } }),
        json!({ "body": { "not_contains": ["a".repeat(2_000) + "b", "a".repeat(1_000) + "c"] } }),
        json!({ "body": { "matches": ["[ab]{50,100}c", "(a+)+b", "a.*a.*a.*b"], "not_matches": "\\w+b" } }),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (name, body) in bodies {
            let peer = page(body);
            for expect in &expectations {
                let trial = harness.plugin("http").against(&peer).timeout(ms(60_000));
                // A busy machine computes for others as well.
                let trial = trial.quota(|quota| quota.cpu = ms(10_000));
                let ran = trial.set("expect", expect.clone()).run().await;
                let ended = ran.leaves_nothing().ended();
                assert!(
                    ["pass", "fail"].contains(&&*ended),
                    "{name} {expect}: {:?}",
                    ran.outcome
                );
            }
        }
    });
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
