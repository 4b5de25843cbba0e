//! Every hostile guest against every hostile peer.

use std::time::Duration;

use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptBuilder, AttemptResult, Harness, alone, ms};
use canary_tests::peer::tls::HostileTls;
use canary_tests::peer::{Hostile, Peer};
use serde_json::json;

/// Behaviours that end a run while connections are held, each with its outcome, which no peer can change.
const ENDINGS: [(&str, &str); 12] = [
    ("return", "completed"),
    ("huge_verdict", "completed"),
    ("give_up", "faulted: gave_up"),
    ("panic", "faulted: trap"),
    ("exit", "faulted: trap"),
    ("recurse", "faulted: trap"),
    ("bad_text", "faulted: trap"),
    ("grow_memory", "stopped: quota"),
    ("spin", "stopped: quota"),
    ("flood_log", "stopped: quota"),
    ("connect_without_end", "stopped: quota"),
    ("sleep", "stopped: deadline"),
];

/// Small quotas for a test with hundreds of runs. The host's work for a handshake counts as the run's CPU time as well.
fn small(attempt: AttemptBuilder<'_>) -> AttemptBuilder<'_> {
    attempt.timeout(ms(10_000)).quota(|q| {
        q.cpu = ms(500);
        q.memory = 4 << 20;
    })
}

/// The shortest timeout after which a guest has as long as it can have to answer that its time is over.
const ANSWERED: Duration = ms(5_000);

/// Connections that a guest holds when its run ends.
const HELD: u32 = 3;

/// Runs every ending with held connections; returns the minimum of reclaimed connections.
async fn face(harness: &Harness, peer: &Peer, what: &str, name: &str) -> u64 {
    let mut reclaimed = u64::MAX;
    for (behaviour, ending) in ENDINGS {
        let guest = || harness.guest(behaviour).hold(HELD).on_each(what).against(peer);
        let ran = match behaviour {
            "sleep" => asleep(guest).await,
            _ => small(guest()).run().await,
        };
        ran.leaves_nothing();
        let ended = match ran.outcome.verdict() {
            Some(_) => "completed".to_owned(),
            None => ran.ended(),
        };
        assert_eq!(ended, ending, "{behaviour} against {name}: {:?}", ran.outcome);
        reclaimed = reclaimed.min(ran.usage.reclaimed);
    }
    reclaimed
}

/// Runs until the deadline; once more with a longer one if it was over before any connection was held, as on a busy
/// machine.
async fn asleep<'a>(guest: impl Fn() -> AttemptBuilder<'a>) -> AttemptResult {
    let ran = small(guest()).timeout(ms(200)).run().await;
    if ran.usage.reclaimed == u64::from(HELD) {
        return ran;
    }
    ran.leaves_nothing();
    small(guest()).timeout(ms(5_000)).run().await
}

#[test]
fn every_guest_that_holds_connections_to_any_hostile_peer_ends_as_it_should() {
    alone(async {
        let harness = Harness::new().await;
        for kind in Hostile::ALL {
            let peer = kind.start();
            let reclaimed = face(&harness, &peer, "request", kind.name()).await;
            // Whether a connect succeeds before the reset depends on the kernel.
            assert!(
                reclaimed == u64::from(HELD) || kind == Hostile::Resets,
                "{}: {reclaimed}",
                kind.name()
            );
            let table = small(harness.plugin("table").against(&peer)).run().await;
            assert_eq!(
                table.leaves_nothing().ended(),
                "stopped: quota",
                "table against {}",
                kind.name()
            );
        }
    });
}

#[test]
fn every_guest_that_holds_exchanges_ends_as_it_should() {
    alone(async {
        let harness = Harness::new().await;
        for kind in [Hostile::EndlessBody, Hostile::LargeBody, Hostile::HalfOpen] {
            let peer = kind.start();
            let reclaimed = face(&harness, &peer, "exchange", kind.name()).await;
            assert_eq!(reclaimed, u64::from(HELD), "{}", kind.name());
        }
    });
}

#[test]
fn every_guest_that_holds_tls_to_any_hostile_peer_ends_as_it_should() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        for kind in HostileTls::ALL {
            let peer = kind.start(&authority);
            match kind {
                // The handshake takes until the deadline.
                HostileTls::SilentAfterHello | HostileTls::StopsMidway => {
                    for behaviour in ["return", "panic", "sleep", "spin"] {
                        let attempt = small(harness.guest(behaviour).hold(3).on_each("tls").against(&peer));
                        attempt.timeout(ms(120)).run().await.leaves_nothing();
                    }
                }
                // The host closes a connection whose handshake failed.
                HostileTls::HugeChain
                | HostileTls::ClosesAfterHello
                | HostileTls::Alert
                | HostileTls::Garbage => {
                    face(&harness, &peer, "tls", kind.name()).await;
                }
                _ => assert_eq!(
                    face(&harness, &peer, "tls", kind.name()).await,
                    u64::from(HELD),
                    "{}",
                    kind.name()
                ),
            }
        }
    });
}

#[test]
fn every_hostile_peer_is_an_answer_to_an_http_request() {
    alone(async {
        let harness = Harness::new().await;
        for kind in Hostile::ALL {
            let peer = kind.start();
            let fetch = json!({ "max_body": 1_000, "max_redirects": 5 });
            let attempt = harness.guest_with("fetch", fetch).hold(1).against(&peer);
            let ran = attempt
                .quota(|q| q.bytes_in = 64 << 10)
                .timeout(ANSWERED)
                .run()
                .await;
            ran.leaves_nothing();
            let answer = ran.answer();
            let expected = http_answers(kind);
            assert!(
                expected.iter().any(|expected| answer.starts_with(expected)),
                "{}: {answer}",
                kind.name()
            );
        }
    });
}

fn http_answers(kind: Hostile) -> &'static [&'static str] {
    match kind {
        Hostile::Silent | Hostile::NeverReads => &["timeout(wait)"],
        // A machine that stalls may not have seen the first byte.
        Hostile::Drips(_) => &["timeout(receive)", "timeout(wait)"],
        // Whether the end or the reset is seen first depends on the kernel.
        Hostile::ClosesAtOnce | Hostile::Resets => &["closed", "reset"],
        Hostile::HalfOpen => &["closed(the connection was closed after 11 of 100 bytes of the body"],
        Hostile::ShortBody => &["closed(the connection was closed after 9 of 100 bytes of the body"],
        Hostile::EndlessBody | Hostile::LargeBody | Hostile::EndlessHeaders => &["quota(bytes_in"],
        // The flood is HTTP/2, and no valid response for other clients.
        Hostile::EndlessLine | Hostile::InformationalFlood | Hostile::Garbage => &["protocol("],
        Hostile::RedirectLoop => &["protocol(more than 5 redirects, the next to "],
        Hostile::RedirectToPrivate | Hostile::RedirectToMetadata | Hostile::RedirectToLoopback => {
            &["denied("]
        }
    }
}

#[test]
fn every_hostile_peer_is_an_answer_to_an_https_request() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        for kind in HostileTls::ALL {
            let peer = kind.start(&authority);
            let fetch = json!({
                "url": peer.url("https", "/"),
                "require_valid": true,
                "ca_certificates": authority.pem(),
            });
            let attempt = harness.guest_with("fetch", fetch).hold(1).against(&peer);
            let ran = attempt.timeout(ANSWERED).run().await;
            ran.leaves_nothing();
            let answer = ran.answer();
            assert!(
                answer.starts_with(https_answer(kind)),
                "{}: {answer}",
                kind.name()
            );
        }
    });
}

fn https_answer(kind: HostileTls) -> &'static str {
    match kind {
        HostileTls::SilentAfterHello | HostileTls::StopsMidway => "timeout(handshake)",
        HostileTls::SilentAfterHandshake => "timeout(wait)",
        HostileTls::ClosesAfterHello => "closed",
        HostileTls::OnlyTls12 | HostileTls::LargeBody => "200 kept 0",
        _ => "tls(",
    }
}

#[test]
fn every_hostile_peer_is_a_verdict_of_the_http_plugin() {
    alone(async {
        let harness = Harness::new().await;
        for kind in Hostile::ALL {
            let peer = kind.start();
            let attempt = harness.plugin("http").against(&peer).set("max_redirects", 3);
            let ran = attempt.timeout(ANSWERED).run().await;
            ran.leaves_nothing();
            let expected = if kind == Hostile::LargeBody {
                "pass"
            } else {
                "fail"
            };
            assert_eq!(ran.ended(), expected, "{}: {:?}", kind.name(), ran.outcome);
        }
    });
}

#[test]
fn requests_that_make_no_sense_are_answered_one_by_one() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::LargeBody.start();
        let attempt = harness.guest("fetch_absurd").against(&peer);
        let attempt = attempt.quota(|q| q.cpu = ms(20_000)).timeout(ms(60_000));
        let ran = attempt.run().await;
        ran.leaves_nothing();
        let answers = ran.answers();
        assert_eq!(answers.len(), 15, "{ran:?}");
        assert!(
            answers[..8].iter().all(|answer| answer.starts_with("invalid(")),
            "{answers:?}"
        );
    });
}

#[test]
fn a_thousand_requests_at_once_stay_within_the_quota() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::LargeBody.start();
        let ran = harness
            .guest_with("fetch_all", json!([1_000, {}]))
            .against(&peer)
            .quota(|q| q.cpu = ms(20_000))
            .timeout(ms(60_000))
            .run()
            .await;
        ran.leaves_nothing();
        assert!(ran.usage.used.sockets_peak <= 4, "{:?}", ran.usage);
        assert_eq!(ran.answers()[..4], ["200"; 4]);
    });
}
