//! Name servers that lie, fail or fall silent.

use std::net::Ipv4Addr;

use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::dns::{FORGED, Manner, Zone};
use canary_tests::peer::plain;
use serde_json::json;

#[test]
fn a_bad_name_server_is_an_answer_and_leaves_nothing() {
    let manners = [
        (Manner::NoSuchName, "NXDOMAIN"),
        (Manner::Fails, "SERVFAIL"),
        (Manner::Silent, "timeout(resolve)"),
        (Manner::WrongId, "timeout(resolve)"),
        (Manner::WrongQuestion, "timeout(resolve)"),
        (Manner::Garbage, "timeout(resolve)"),
    ];
    alone(async {
        for (manner, answer) in manners {
            let server = Zone::new().otherwise(manner).start();
            let harness = Harness::settings().name_server(server.address()).start().await;
            let peer = plain::echo();
            let place = format!("a.test:{}", peer.address().port());
            let trial = harness
                .guest_with("connect", json!([place]))
                .hold(2)
                .against(&peer);
            let ran = trial.allow("tcp://a.test:*").timeout(ms(250)).run().await;
            ran.leaves_nothing();
            assert!(ran.answer().contains(answer), "{manner:?}: {ran:?}");
            assert!(!ran.answer().contains(&FORGED.to_string()), "{manner:?}: {ran:?}");
            assert_eq!(ran.usage.reclaimed, 2, "{manner:?}");
        }
    });
}

#[test]
fn an_answer_too_long_for_a_datagram_comes_over_tcp() {
    alone(async {
        let zone = Zone::new().address("long.test", Ipv4Addr::LOCALHOST);
        let server = zone.otherwise(Manner::Truncates).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let ran = harness.guest_with("resolve", json!(["long.test"])).run().await;
        assert_eq!(ran.leaves_nothing().answer(), "NOERROR 127.0.0.1");
        let transports: Vec<_> = server.questions().iter().map(|asked| asked.over_tcp).collect();
        assert_eq!(transports, [false, true]);
    });
}

#[test]
fn a_guest_that_is_stopped_in_the_middle_of_a_lookup_leaves_nothing() {
    alone(async {
        let server = Zone::new().otherwise(Manner::Silent).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let trial = harness.guest_with("flood_connects", 100).allow("tcp://*:*");
        let asked = async {
            while server.questions().len() < 2 {
                tokio::task::yield_now().await;
            }
            harness.ledger().leased()
        };
        tokio::select! {
            ran = trial.run() => panic!("it ended: {ran:?}"),
            leased = asked => assert_eq!(leased, 2, "one question of each kind"),
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}
