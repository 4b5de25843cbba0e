//! Large responses whose bodies are not read, repeatedly.

use canary_tests::harness::{AttemptBuilder, Harness, alone};
use canary_tests::peer::{Hostile, Peer};
use futures_util::stream::{self, StreamExt};
use serde_json::json;

const RUNS: usize = 1_000;
const MANY_RUNS: usize = 10_000;
const AT_ONCE: usize = 16;

#[test]
fn a_thousand_large_pages_that_are_not_read_leave_no_socket() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::LargeBody.start();
        for _ in 0..RUNS {
            let ran = harness.plugin("http").against(&peer).run().await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
            assert_eq!(ran.usage.reclaimed, 0);
        }
        assert_eq!(peer.accepted(), RUNS);
    });
}

#[test]
fn a_thousand_runs_that_keep_every_connection_leave_no_socket() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::LargeBody.start();
        for _ in 0..RUNS {
            let attempt = harness.guest("return").hold(4).on_each("request").against(&peer);
            let ran = attempt.run().await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
            assert_eq!(ran.usage.reclaimed, 4);
        }
        assert_eq!(
            harness.ledger().reclaimed(),
            1 + 4 * 1_000,
            "one of them to warm up"
        );
    });
}

#[test]
fn ten_thousand_runs_of_every_kind_leave_the_descriptors_as_they_were() {
    alone(async {
        let harness = Harness::new().await;
        let peers = [
            Hostile::Silent,
            Hostile::ClosesAtOnce,
            Hostile::Resets,
            Hostile::HalfOpen,
            Hostile::ShortBody,
        ]
        .map(Hostile::start);
        let attempts = (0..MANY_RUNS).map(|number| quick(&harness, number, &peers[number % peers.len()]));
        let mut runs = stream::iter(attempts)
            .map(AttemptBuilder::run)
            .buffer_unordered(AT_ONCE);
        while let Some(ran) = runs.next().await {
            ran.leaves_nothing_of_its_own();
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}

/// One of the behaviours that end quickly by themselves.
fn quick<'h>(harness: &'h Harness, number: usize, peer: &Peer) -> AttemptBuilder<'h> {
    const BEHAVIOURS: [&str; 6] = ["return", "panic", "give_up", "recurse", "exit", "bad_text"];
    let attempt = match BEHAVIOURS.get(number % (BEHAVIOURS.len() + 1)) {
        Some(behaviour) => harness.guest(behaviour),
        None => harness.guest_with("reconnect", json!(3)),
    };
    let what = if number.is_multiple_of(2) {
        "nothing"
    } else {
        "request"
    };
    attempt.hold(2).on_each(what).against(peer)
}
