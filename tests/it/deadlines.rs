//! The deadline of an attempt: a guest gets a time-out error early enough to return a verdict, or is stopped.

use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::dns::{Behaviour, Zone};
use canary_tests::peer::tls::HostileTls;
use canary_tests::peer::{Hostile, plain};
use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[track_caller]
fn answered_in_time(ran: &AttemptResult, answer: &str) {
    ran.leaves_nothing_of_its_own();
    // A guest that is late has no answer.
    assert_eq!(ran.answer(), answer);
}

#[test]
fn a_guest_learns_in_which_phase_the_time_ran_out_and_still_answers() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Silent).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let (silent, deaf) = (Hostile::Silent.start(), Hostile::NeverReads.start());
        let hello = HostileTls::SilentAfterHello.start(&Authority::new("Test Root"));
        let full = plain::full();
        let names = harness
            .guest_with("connect", json!(["silent.test:80"]))
            .allow("tcp://silent.test:80");
        // The time for the answer grows with the timeout, up to one of 5 s. A lookup gives up by itself after 3 s.
        let cases = [
            (names.timeout(ms(2_500)), "timeout(resolve)"),
            (harness.guest("read_line").against(&full), "timeout(connect)"),
            (harness.guest("start_tls").against(&hello), "timeout(handshake)"),
            (harness.guest("send_without_end").against(&deaf), "timeout(send)"),
            (
                harness.guest_with("fetch", json!({})).against(&silent),
                "timeout(wait)",
            ),
            (harness.guest("read_line").against(&silent), "timeout(receive)"),
        ];
        // At once, since each takes its whole time.
        let runs = cases
            .clone()
            .map(|(attempt, _)| attempt.quota(|q| q.bytes_out = 1 << 30).run());
        for (ran, (_, answer)) in join_all(runs).await.iter().zip(cases) {
            answered_in_time(ran, answer);
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}

#[test]
fn a_guest_that_ignores_the_time_out_is_stopped() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let attempt = harness.guest("ignore_errors").hold(2).against(&peer);
        let ran = attempt.timeout(ms(2_000)).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.outcome.summary(), "stopped at its deadline of 2s");
        assert_eq!(ran.usage.reclaimed, 2);
    });
}

#[test]
fn a_guest_that_sleeps_is_stopped() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let attempt = harness.guest("sleep").hold(4).against(&peer);
        let ran = attempt.timeout(ms(2_000)).run().await;
        ran.leaves_nothing();
        assert_eq!(
            (ran.ended().as_str(), ran.usage.reclaimed),
            ("stopped: deadline", 4)
        );
    });
}

#[test]
fn a_shutdown_ends_a_run_with_an_outcome_of_its_own() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let shutdown = CancellationToken::new();
        let run = harness
            .guest("sleep")
            .hold(3)
            .against(&peer)
            .shutdown(&shutdown)
            .run();
        let held = async {
            peer.until(|counts| counts.open == 3).await;
            shutdown.cancel();
        };
        let (ran, ()) = tokio::join!(run, held);
        ran.leaves_nothing();
        assert_eq!(ran.ended(), "stopped: shutdown");
        // The peer may see the third connection before the guest does, which then has nothing of it yet.
        let reclaimed = ran.usage.reclaimed;
        assert!((2..=3).contains(&reclaimed), "{reclaimed}");
    });
}

#[test]
fn a_run_that_is_dropped_half_way_leaves_nothing() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let run = harness.guest("sleep").hold(3).against(&peer).run();
        tokio::select! {
            ran = run => panic!("it ended: {ran:?}"),
            _held = peer.until(|counts| counts.open == 3) => {}
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}
