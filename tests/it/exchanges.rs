//! HTTP responses that a guest reads in pieces: each ends as with `send`, and leaves no resources.

use std::pin::pin;

use canary::ledger::Activity;
use canary::quota::QuotaKind;
use canary::trace::{Phase, StepKind};
use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::compressed::gzip;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::NAMES;
use canary_tests::peer::{Hostile, Peer};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The head and the beginning of an endless body.
const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: up\n\n";

async fn stream(harness: &Harness, peer: &Peer, stream: Value) -> AttemptResult {
    let attempt = harness.guest_with("stream", stream).against(peer);
    attempt.timeout(ms(20_000)).run().await
}

#[test]
fn the_head_is_there_before_the_body_which_comes_piece_by_piece() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|_| Reply::text("0123456789"));
        for (piece, reads, read, complete) in [
            (Some(4), None, "all 10", true),
            (Some(4), Some(2), "8", false),
            (None, Some(1), "10", false),
            (None, None, "all 10", true),
        ] {
            let config = json!({ "piece": piece, "reads": reads });
            let ran = stream(&harness, &site, config).await;
            ran.leaves_nothing();
            let info = format!("10 of 10 complete {complete}");
            assert_eq!(ran.answers(), ["200 over 1.1 hops 0", read, &info]);
            assert_eq!(ran.usage.reclaimed, 0);
        }
    });
}

#[test]
fn an_exchange_that_is_dropped_in_the_middle_closes_its_connection() {
    alone(async {
        let harness = Harness::new().await;
        for kind in [Hostile::EndlessBody, Hostile::LargeBody] {
            for (reads, keep) in [(0, false), (3, false), (0, true), (3, true)] {
                let peer = kind.start();
                let ran = stream(
                    &harness,
                    &peer,
                    json!({ "reads": reads, "keep": keep, "beside": 2 }),
                )
                .await;
                assert_eq!(ran.leaves_nothing().ended(), "pass", "{ran:?}");
                let reclaimed = if keep { 3 } else { 0 };
                assert_eq!((ran.usage.used.sockets_peak, ran.usage.reclaimed), (3, reclaimed));
                peer.until(|counts| counts.open == 0).await;
            }
        }
    });
}

#[test]
fn the_connection_is_closed_with_the_end_of_the_body() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|_| Reply::text("x"));
        let attempt = harness.guest_with("stream", json!({ "keep": true }));
        let ran = attempt.against(&site).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.usage.reclaimed, 0, "{ran:?}");
    });
}

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi";
const NO_LAST_CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
const BAD_CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n";
const NO_HEAD: &[u8] = b"SSH-2.0-OpenSSH_9.9\r\n";

#[test]
fn a_body_that_breaks_off_ends_as_it_does_when_it_is_read_as_a_whole() {
    let cases = [
        (SHORT, Then::Closes, "closed("),
        (SHORT, Then::Hangs, "timeout("),
        (NO_LAST_CHUNK, Then::Closes, "closed("),
        (NO_LAST_CHUNK, Then::Hangs, "timeout("),
        (BAD_CHUNK, Then::Closes, "protocol("),
        (NO_HEAD, Then::Closes, "protocol("),
        (b"", Then::Closes, "closed"),
        (b"", Then::Hangs, "timeout(wait)"),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (bytes, then, expected) in cases {
            let peer = canned(move |_| bytes.to_vec(), then);
            let fetch = harness.guest_with("fetch", json!({ "max_body": 100 }));
            let pieces = harness.guest_with("stream", json!({}));
            // At once, since each takes its whole time if the peer hangs.
            let (whole, pieces) = tokio::join!(fetch.against(&peer).run(), pieces.against(&peer).run());
            whole.leaves_nothing_of_its_own();
            pieces.leaves_nothing_of_its_own();
            assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
            let answer = whole.answer();
            assert!(answer.starts_with(expected), "{answer}");
            let answers = pieces.answers();
            match answers.as_slice() {
                [failed] => assert_eq!(*failed, answer.as_str()),
                // Every later read returns the same error.
                [head, failed, again, _] => {
                    let answer = answer.as_str();
                    assert_eq!((*head, *failed, *again), ("200 over 1.1 hops 0", answer, answer));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(errors(&pieces), errors(&whole), "{expected}");
        }
    });
}

/// The errors of the steps, and of each phase.
fn errors(ran: &AttemptResult) -> Vec<(Option<Phase>, Option<&'static str>)> {
    let steps = ran.trail.steps.iter();
    let steps = steps.map(|step| (None, step.error.as_ref().map(|error| error.code)));
    let phases = ran.trail.phases.iter();
    steps
        .chain(phases.map(|time| (Some(time.phase), time.error)))
        .collect()
}

#[test]
fn a_reset_ends_an_exchange() {
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| SHORT.to_vec(), Then::Resets);
        let ran = stream(&harness, &peer, json!({})).await;
        // Whether the bytes before the reset are seen depends on the kernel.
        let answers = ran.leaves_nothing().answers();
        assert!(
            answers.iter().any(|answer| answer.starts_with("reset")),
            "{answers:?}"
        );
    });
}

#[test]
fn a_read_ends_by_its_deadline_and_another_one_goes_on() {
    const LATE: &str = "timeout(timed out after 10 bytes of the body)";
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| EVENTS.to_vec(), Then::Hangs);
        for polls in [false, true] {
            let ran = harness.guest_with("stream", json!({ "deadline": 200, "polls": polls }));
            let ran = ran.against(&peer).timeout(ms(5_000)).run().await;
            ran.leaves_nothing();
            assert_eq!(
                ran.answers(),
                ["200 over 1.1 hops 0", LATE, LATE, "10 of ? complete false"],
                "polls {polls}"
            );
        }
        // The whole exchange has its own time-out.
        let ran = stream(&harness, &peer, json!({ "request": { "timeout": 2_000 } })).await;
        assert_eq!(ran.leaves_nothing().answers()[1..3], [LATE, LATE]);
    });
}

#[test]
fn a_read_that_does_not_wait_has_what_has_come() {
    alone(async {
        let harness = Harness::new().await;
        let silent = canned(
            |_| b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec(),
            Then::Hangs,
        );
        let ran = harness.guest_with("stream_ready", 3).against(&silent).run().await;
        assert_eq!(ran.leaves_nothing().answer(), "nothing yet");
        let peer = canned(|_| EVENTS.to_vec(), Then::Hangs);
        let ran = harness
            .guest_with("stream_ready", 10_000)
            .against(&peer)
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().answer(), "`data: up\n\n`");
    });
}

#[test]
fn the_quotas_are_those_of_every_connection() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::EndlessBody.start();
        let attempt = harness.guest_with("stream", json!({})).against(&peer);
        let ran = attempt.quota(|quota| quota.bytes_in = 100_000).run().await;
        let answers = ran.leaves_nothing().answers();
        assert_eq!(
            answers[..3],
            [
                "200 over 1.1 hops 0",
                "quota(bytes_in, 100000)",
                "quota(bytes_in, 100000)"
            ]
        );
        let ran = stream(&harness, &peer, json!({ "beside": 4, "reads": 1 })).await;
        assert_eq!(ran.leaves_nothing().answers(), ["quota(sockets, 4)"]);
        assert_eq!(ran.denied(QuotaKind::Sockets), 1);
        let attempt = harness.guest_with("stream", json!({ "request": { "body": 100_000 } }));
        let attempt = attempt.against(&peer).quota(|quota| quota.bytes_out = 1_000);
        assert_eq!(
            attempt.run().await.leaves_nothing().answers(),
            ["quota(bytes_out, 1000)"]
        );
        let attempt = harness.guest_with("stream", json!({ "piece": 1 })).against(&peer);
        let ran = attempt.quota(|quota| quota.cpu = ms(50)).run().await;
        // Receiving is denied before the guest is stopped, unless it still has something to read.
        let is_denied = ran.leaves_nothing().denied(QuotaKind::Cpu) > 0;
        assert!(is_denied || ran.ended() == "stopped: quota", "{ran:?}");
    });
}

#[test]
fn every_hostile_peer_is_an_answer_to_an_exchange() {
    alone(async {
        let harness = Harness::new().await;
        for kind in Hostile::ALL {
            let peer = kind.start();
            let request = json!({ "max_redirects": 5 });
            let attempt = harness.guest_with("stream", json!({ "request": request, "keep": true }));
            let attempt = attempt.hold(1).against(&peer);
            let ran = attempt
                .quota(|quota| quota.bytes_in = 64 << 10)
                // Only from 5 s on has a guest as long as it can have to answer after a time-out.
                .timeout(ms(5_000))
                .run()
                .await;
            assert_eq!(ran.leaves_nothing().ended(), "warn", "{}: {ran:?}", kind.name());
        }
    });
}

#[test]
fn headers_behind_the_body_are_there_at_its_end() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
        x-checksum: 7\r\nx-more: a\r\n\r\n";
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| CHUNKED.to_vec(), Then::Hangs);
        let ran = stream(&harness, &peer, json!({})).await;
        assert_eq!(
            ran.leaves_nothing().answers(),
            [
                "200 over 1.1 hops 0",
                "all 5",
                "5 of ? complete true",
                "x-checksum: `7`",
                "x-more: `a`"
            ]
        );
        let ran = stream(&harness, &peer, json!({ "reads": 1 })).await;
        assert_eq!(ran.leaves_nothing().answers().len(), 3, "{ran:?}");
    });
}

#[test]
fn an_exchange_over_http_2_is_read_as_one_over_http_1() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).issue();
        let site = Site::start_tls(certificate.server_config(), |_| {
            Reply::text(vec![b'x'; 300_000]).trailer("x-checksum", "7")
        });
        let request = json!({ "url": site.url("https", "/"), "http2": true, "require_valid": true,
            "ca_certificates": authority.pem() });
        let ran = stream(&harness, &site, json!({ "request": request })).await;
        let answers = ran.leaves_nothing().answers();
        assert_eq!(answers[..2], ["200 over 2 hops 0", "all 300000"]);
        assert_eq!(answers.last(), Some(&"x-checksum: `7`"));
        for keep in [false, true] {
            let config = json!({ "request": request, "reads": 2, "piece": 10, "beside": 1, "keep": keep });
            let ran = stream(&harness, &site, config).await;
            assert_eq!(ran.leaves_nothing().answers()[1], "20");
            assert_eq!(ran.usage.reclaimed, if keep { 2 } else { 0 });
        }
    });
}

#[test]
fn redirects_are_followed_with_their_cookies_and_what_is_compressed_stays_so() {
    let compressed = gzip(b"hello, hello, hello");
    let length = compressed.len();
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(move |request| match (request.path(), request.header("cookie")) {
            ("/", _) => Reply::redirect(302, "/there").header("set-cookie", "a=1; Path=/"),
            ("/there", Some("a=1")) => Reply::status(200)
                .header("content-encoding", "gzip")
                .body(compressed.clone()),
            _ => Reply::status(404),
        });
        let ran = stream(&harness, &site, json!({ "request": { "max_redirects": 3 } })).await;
        ran.leaves_nothing();
        let (read, info) = (
            format!("all {length}"),
            format!("{length} of {length} complete true"),
        );
        assert_eq!(ran.answers(), ["200 over 1.1 hops 1", &read, &info]);
        let ran = stream(&harness, &site, json!({})).await;
        assert_eq!(ran.leaves_nothing().answers()[0], "302 over 1.1 hops 0");
    });
}

#[test]
fn an_exchange_is_written_down_from_its_request_to_the_end_of_its_body() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|_| Reply::text("hello"));
        for (config, status, bytes) in [
            (json!({}), Some(200), Some(5)),
            (json!({ "reads": 1 }), Some(200), None),
            (json!({ "keep": true }), Some(200), Some(5)),
            (json!({ "keep": true, "reads": 1 }), Some(200), None),
        ] {
            let ran = stream(&harness, &site, config.clone()).await;
            let request = ran
                .leaves_nothing()
                .trail
                .steps
                .iter()
                .find_map(|step| match &step.kind {
                    StepKind::Request(request) => Some((step.error.is_none(), request)),
                    _ => None,
                });
            let Some((true, request)) = request else {
                panic!("{config}: {ran:?}")
            };
            assert_eq!(
                (request.status, request.response_bytes),
                (status, bytes),
                "{config}"
            );
            let words: Vec<_> = ran.trail.phases.iter().map(|time| time.phase).collect();
            for phase in [Phase::Connect, Phase::Send, Phase::Wait, Phase::Receive] {
                assert!(words.contains(&phase), "{config}: {words:?}");
            }
        }
    });
}

#[test]
fn a_run_that_is_ended_while_it_reads_leaves_nothing() {
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| EVENTS.to_vec(), Then::Hangs);
        for behaviour in ["spin", "sleep", "panic"] {
            let attempt = harness
                .guest(behaviour)
                .hold(2)
                .on_each("exchange")
                .against(&peer);
            let ran = attempt
                .quota(|quota| quota.cpu = ms(500))
                .timeout(ms(3_000))
                .run()
                .await;
            ran.leaves_nothing();
            assert_eq!(ran.usage.reclaimed, 2, "{behaviour}: {ran:?}");
        }
    });
}

#[test]
fn an_exchange_that_nobody_reads_is_idle_in_the_live_view() {
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| EVENTS.to_vec(), Then::Hangs);
        let shutdown = CancellationToken::new();
        let attempt = harness.guest("sleep").hold(2).on_each("exchange");
        let run = attempt
            .against(&peer)
            .timeout(ms(30_000))
            .shutdown(&shutdown)
            .run();
        let mut run = pin!(run);
        let are_idle = async {
            let activities = || harness.ledger().live().into_iter().map(|lease| lease.activity);
            while !activities().eq([Activity::Idle; 2]) {
                tokio::time::sleep(ms(5)).await;
            }
        };
        tokio::select! {
            ran = &mut run => panic!("{ran:?}"),
            () = are_idle => shutdown.cancel(),
        }
        run.await.leaves_nothing();
    });
}
