//! Name servers that lie, fail or fall silent.

use std::net::Ipv4Addr;

use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::dns::{FORGED, Manner, Zone};
use canary_tests::peer::plain;
use serde_json::json;

#[test]
fn a_bad_name_server_is_an_answer_and_leaves_nothing() {
    // Who answers has all the time that a busy machine takes. For the others the guest's time is spent in full, after it
    // has two connections.
    let (answers, silence) = (ms(20_000), ms(1_500));
    let manners = [
        (Manner::NoSuchName, "NXDOMAIN", answers),
        (Manner::Fails, "SERVFAIL", answers),
        (Manner::Silent, "timeout(resolve)", silence),
        (Manner::WrongId, "timeout(resolve)", silence),
        (Manner::WrongQuestion, "timeout(resolve)", silence),
        (Manner::Garbage, "timeout(resolve)", silence),
    ];
    alone(async {
        for (manner, answer, timeout) in manners {
            let server = Zone::new().otherwise(manner).start();
            let harness = Harness::settings().name_server(server.address()).start().await;
            let peer = plain::echo();
            let place = format!("a.test:{}", peer.address().port());
            let trial = harness
                .guest_with("connect", json!([place]))
                .hold(2)
                .against(&peer);
            let ran = trial.allow("tcp://a.test:*").timeout(timeout).run().await;
            ran.leaves_nothing();
            assert!(ran.answer().contains(answer), "{manner:?}: {ran:?}");
            assert!(!ran.answer().contains(&FORGED.to_string()), "{manner:?}: {ran:?}");
            assert_eq!(ran.usage.reclaimed, 2, "{manner:?}");
        }
    });
}

/// A question carries its name to whoever serves the zone: the name itself is what would leave.
#[test]
fn a_name_without_a_grant_is_asked_of_nobody() {
    const NAME: &str = "73656372.evil.test";
    let ways = [
        (
            "resolve",
            json!([NAME, "73656372.EVIL.test.", "asked.test.evil.test", "localhost"]),
        ),
        ("connect", json!([format!("{NAME}:80"), format!("{NAME}.:443")])),
        ("fetch", json!({ "url": format!("http://{NAME}/") })),
        ("fetch", json!({ "connect_to": format!("{NAME}:80") })),
        ("fetch", json!({ "proxy": format!("http://{NAME}:80") })),
    ];
    alone(async {
        let server = Zone::new().address(NAME, Ipv4Addr::LOCALHOST).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        for (behaviour, parameters) in ways {
            let ran = harness
                .guest_with(behaviour, parameters.clone())
                .allow("tcp://127.0.0.0/8:*")
                .allow("dns://asked.test")
                .run()
                .await;
            ran.leaves_nothing();
            for answer in ran.answers() {
                assert!(
                    answer.starts_with("denied("),
                    "{behaviour} {parameters}: {answer}"
                );
                assert!(answer.contains("`allow`"), "{behaviour} {parameters}: {answer}");
            }
            assert_eq!(ran.usage.lookups, 0, "{behaviour} {parameters}");
        }
        assert!(server.questions().is_empty(), "{:?}", server.questions());
    });
}

#[test]
fn a_server_of_the_guests_choice_takes_granted_names_only() {
    alone(async {
        let server = Zone::new().address("asked.test", Ipv4Addr::LOCALHOST).start();
        let harness = Harness::new().await;
        let asking = |grants: &[&str]| {
            let trial = harness.guest_with("ask_server", json!(server.address().to_string()));
            let trial = trial.allow(&format!("tcp://{}", server.address()));
            grants.iter().fold(trial, |trial, grant| trial.allow(grant)).run()
        };
        let ran = asking(&[]).await;
        assert!(
            ran.leaves_nothing().answer().contains("`dns://asked.test`"),
            "{ran:?}"
        );
        assert_eq!(server.questions().len(), 0);
        let ran = asking(&["dns://asked.test"]).await;
        assert_eq!(ran.leaves_nothing().answer(), "NOERROR 127.0.0.1");
    });
}

#[test]
fn a_name_that_is_granted_by_name_may_be_looked_up() {
    alone(async {
        let zone = Zone::new().address("a.test", Ipv4Addr::LOCALHOST);
        let server = zone.address("b.c.test", Ipv4Addr::LOCALHOST).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let trial = harness.guest_with("resolve", json!(["A.test.", "b.c.test", "c.test", r"x\.c.test"]));
        let ran = trial.target("a.test:80").allow("dns://*.c.test").run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answers()[..2], ["NOERROR 127.0.0.1"; 2]);
        assert!(ran.answers()[2].starts_with("denied("), "{ran:?}");
        assert!(ran.answers()[3].starts_with("invalid("), "{ran:?}");
        assert_eq!(server.questions().len(), 2);
    });
}

#[test]
fn an_answer_too_long_for_a_datagram_comes_over_tcp() {
    alone(async {
        let zone = Zone::new().address("long.test", Ipv4Addr::LOCALHOST);
        let server = zone.otherwise(Manner::Truncates).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let trial = harness.guest_with("resolve", json!(["long.test"]));
        let ran = trial.allow("dns://long.test").run().await;
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
