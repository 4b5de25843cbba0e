//! Name servers that send wrong answers, fail or do not answer.

use std::net::{Ipv4Addr, SocketAddr};

use canary::grant::Networks;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::dns::{Behaviour, EdnsRejection, FORGED, Zone};
use canary_tests::peer::plain;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::json;

#[test]
fn a_bad_name_server_is_an_answer_and_leaves_nothing() {
    // A long time-out where an answer comes, for a busy machine. Without an answer the run takes until the time-out,
    // after opening two connections; less than the 3 s after which a lookup gives up by itself.
    let (answers, silence) = (ms(20_000), ms(2_500));
    let behaviours = [
        (Behaviour::NoSuchName, "NXDOMAIN", answers),
        (Behaviour::Fails, "SERVFAIL", answers),
        (Behaviour::Silent, "timeout(resolve)", silence),
        (Behaviour::WrongId, "timeout(resolve)", silence),
        (Behaviour::WrongQuestion, "timeout(resolve)", silence),
        (Behaviour::Garbage, "timeout(resolve)", silence),
    ];
    alone(async {
        for (behaviour, answer, timeout) in behaviours {
            let server = Zone::new().default_behaviour(behaviour).start();
            let harness = Harness::settings().name_server(server.address()).start().await;
            let peer = plain::echo();
            let place = format!("a.test:{}", peer.address().port());
            let attempt = harness
                .guest_with("connect", json!([place]))
                .hold(2)
                .against(&peer);
            let ran = attempt.allow("tcp://a.test:*").timeout(timeout).run().await;
            ran.leaves_nothing();
            assert!(ran.answer().contains(answer), "{behaviour:?}: {ran:?}");
            assert!(
                !ran.answer().contains(&FORGED.to_string()),
                "{behaviour:?}: {ran:?}"
            );
            assert_eq!(ran.usage.reclaimed, 2, "{behaviour:?}");
        }
    });
}

#[test]
fn a_check_with_name_servers_of_its_own_asks_these_and_no_others() {
    alone(async {
        let peer = plain::echo();
        let nobody = Ipv4Addr::new(127, 0, 0, 99);
        let of_machine = Zone::new().address("a.test", nobody).start();
        let of_check = Zone::new().address("a.test", Ipv4Addr::LOCALHOST).start();
        let harness = Harness::settings()
            .name_server(of_machine.address())
            .start()
            .await;
        let own = of_check.address().to_string();
        let question = harness
            .guest_with("resolve", json!(["a.test"]))
            .allow("dns://a.test");
        let answered = question.name_server(&own).run().await;
        assert_eq!(answered.leaves_nothing().answer(), "NOERROR 127.0.0.1");
        let place = format!("a.test:{}", peer.address().port());
        let connection = harness.plugin("tcp").target(&place);
        let connected = connection.clone().name_server(&own).run().await;
        assert_eq!(
            connected.leaves_nothing().ended(),
            "pass",
            "{:?}",
            connected.outcome
        );
        assert!(of_machine.questions().is_empty());
        let refused = connection.run().await;
        assert_eq!(refused.leaves_nothing().ended(), "fail", "{:?}", refused.outcome);
        assert!(!of_machine.questions().is_empty());
    });
}

#[test]
fn a_name_server_in_a_blocked_network_is_asked_nothing() {
    alone(async {
        let server = Zone::new().address("a.test", [192, 0, 2, 2]).start();
        let blocked = Networks::parse(["loopback"]).unwrap();
        let harness = Harness::settings().blocked(blocked).start().await;
        let ran = harness
            .guest_with("resolve", json!(["a.test"]))
            .allow("dns://a.test")
            .name_server(&server.address().to_string())
            .run()
            .await;
        let expected = format!(
            "denied(the name server {} is in the blocked network 127.0.0.0/8)",
            server.address()
        );
        assert_eq!(ran.leaves_nothing().answer(), expected);
        assert_eq!(server.questions().len(), 0);
    });
}

/// A question reveals the name to the operator of the zone, so a name without a grant must not be sent at all.
#[test]
fn a_name_without_a_grant_is_asked_of_nobody() {
    const NAME: &str = "73656372.evil.test";
    let cases = [
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
        for (behaviour, parameters) in cases {
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
            assert_eq!(ran.usage.used.lookups, 0, "{behaviour} {parameters}");
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
            let attempt = harness.guest_with("ask_server", json!(server.address().to_string()));
            let attempt = attempt.allow(&format!("tcp://{}", server.address()));
            grants
                .iter()
                .fold(attempt, |attempt, grant| attempt.allow(grant))
                .run()
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
        let attempt = harness.guest_with("resolve", json!(["A.test.", "b.c.test", "c.test", r"x\.c.test"]));
        let ran = attempt.target("a.test:80").allow("dns://*.c.test").run().await;
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
        let server = zone.default_behaviour(Behaviour::Truncates).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let attempt = harness.guest_with("resolve", json!(["long.test"]));
        let ran = attempt.allow("dns://long.test").run().await;
        assert_eq!(ran.leaves_nothing().answer(), "NOERROR 127.0.0.1");
        let transports: Vec<_> = server.questions().iter().map(|asked| asked.over_tcp).collect();
        assert_eq!(transports, [false, true]);
    });
}

#[test]
fn a_guest_that_is_stopped_in_the_middle_of_a_lookup_leaves_nothing() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Silent).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let attempt = harness.guest_with("flood_connects", 100).allow("tcp://*:*");
        let asked = async {
            while server.questions().len() < 2 {
                tokio::task::yield_now().await;
            }
            harness.ledger().leased()
        };
        tokio::select! {
            ran = attempt.run() => panic!("it ended: {ran:?}"),
            leased = asked => assert_eq!(leased, 2, "one question of each kind"),
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
    });
}

/// Time-out in milliseconds that is long enough for any answer on a busy machine.
const PATIENT: u64 = 20_000;

#[test]
fn a_name_may_have_any_byte_that_dns_allows() {
    const NAMES: [&str; 6] = [
        "web_1.test",
        "_x._y.test",
        "a!b.test",
        "-a.test",
        "a-.test",
        "xn--.test",
    ];
    alone(async {
        let zone = NAMES
            .iter()
            .fold(Zone::new(), |zone, name| zone.address(name, Ipv4Addr::LOCALHOST));
        let server = zone.start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        for name in NAMES {
            let target = format!("{name}:{}", peer.address().port());
            let ran = harness
                .plugin("tcp")
                .target(&target)
                .timeout(ms(PATIENT))
                .run()
                .await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{name}: {ran:?}");
        }
    });
}

/// A loopback address at which nothing listens.
const CLOSED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

#[test]
fn a_name_server_that_refuses_is_noticed_at_once() {
    alone(async {
        let harness = Harness::settings().name_server(CLOSED).start().await;
        let attempt = harness.guest_with("resolve", json!(["a.test"]));
        let ran = attempt.allow("dns://a.test").timeout(ms(PATIENT)).run().await;
        let answer = ran.leaves_nothing().answer();
        assert!(
            answer.contains("DNS server 127.0.0.1:1: connection refused"),
            "{answer}"
        );

        let server = Zone::new().address("a.test", Ipv4Addr::LOCALHOST).start();
        let settings = Harness::settings()
            .name_server(CLOSED)
            .name_server(server.address());
        let harness = settings.start().await;
        let attempt = harness.guest_with("resolve", json!(["a.test", "a.test"]));
        let ran = attempt.allow("dns://a.test").timeout(ms(PATIENT)).run().await;
        assert_eq!(ran.leaves_nothing().answers(), ["NOERROR 127.0.0.1"; 2]);
    });
}

#[test]
fn a_silent_name_server_of_two_fails_no_check_and_is_asked_last_from_then_on() {
    alone(async {
        let silent = Zone::new().default_behaviour(Behaviour::Silent).start();
        let good = Zone::new().address("a.test", Ipv4Addr::LOCALHOST).start();
        let settings = Harness::settings().name_server(silent.address());
        let harness = settings.name_server(good.address()).start().await;
        let peer = plain::echo();
        let target = format!("a.test:{}", peer.address().port());
        let run = || harness.plugin("tcp").target(&target).timeout(ms(PATIENT)).run();
        assert_eq!(run().await.leaves_nothing().ended(), "pass");
        let asked = silent.asked("a.test");
        assert!(asked >= 2, "{asked}: for both families");
        // On a busy machine an answer may be so late that the silent server is asked as well, but not each time.
        for _ in 0..10 {
            let asked = silent.asked("a.test");
            assert_eq!(run().await.leaves_nothing().ended(), "pass");
            if silent.asked("a.test") == asked {
                return;
            }
        }
        panic!("the silent server is asked each time");
    });
}

#[test]
fn a_server_that_fails_is_asked_again_after_the_others() {
    alone(async {
        let failing = Zone::new().default_behaviour(Behaviour::Fails).start();
        let good = Zone::new().address("a.test", Ipv4Addr::LOCALHOST).start();
        let settings = Harness::settings().name_server(failing.address());
        let harness = settings.name_server(good.address()).start().await;
        let attempt = harness.guest_with("resolve", json!(["a.test", "b.test"]));
        let ran = attempt.allow("dns://*.test").timeout(ms(PATIENT)).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answers()[0], "NOERROR 127.0.0.1");
        assert!(ran.answers()[1].starts_with("NXDOMAIN"), "{ran:?}");
    });
}

#[test]
fn a_server_that_does_not_know_edns_is_asked_without_it() {
    let cases = [
        EdnsRejection::BareHeader,
        EdnsRejection::Code(ResponseCode::FormErr),
        EdnsRejection::Code(ResponseCode::NotImp),
        EdnsRejection::Dropped,
    ];
    alone(async {
        for way in cases {
            let zone = Zone::new().address("a.test", Ipv4Addr::LOCALHOST);
            let server = zone.default_behaviour(Behaviour::WithoutEdns(way)).start();
            let harness = Harness::settings().name_server(server.address()).start().await;
            let attempt = harness.guest_with("resolve", json!(["a.test", "a.test"]));
            let ran = attempt.allow("dns://a.test").timeout(ms(PATIENT)).run().await;
            assert_eq!(
                ran.leaves_nothing().answers(),
                ["NOERROR 127.0.0.1"; 2],
                "{way:?}"
            );
            let edns: Vec<_> = server.questions().iter().map(|asked| asked.edns).collect();
            assert_eq!(edns, [true, false, false], "{way:?}: it is remembered");
        }
    });
}

#[test]
fn addresses_are_asked_for_without_edns_as_glibc_does() {
    alone(async {
        let server = Zone::new().address("a.test", Ipv4Addr::LOCALHOST).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        let target = format!("a.test:{}", peer.address().port());
        let ran = harness
            .plugin("tcp")
            .target(&target)
            .timeout(ms(PATIENT))
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "pass");
        assert!(server.questions().iter().all(|asked| !asked.edns));
    });
}

#[test]
fn ipv6_addresses_that_never_come_hold_nothing_up() {
    alone(async {
        let zone = Zone::new().address("a.test", Ipv4Addr::LOCALHOST);
        let server = zone.default_behaviour(Behaviour::DropsAaaa).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        let target = format!("a.test:{}", peer.address().port());
        let ran = harness
            .plugin("tcp")
            .target(&target)
            .timeout(ms(PATIENT))
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "pass");
        let of = |kind| {
            server
                .questions()
                .iter()
                .filter(|asked| asked.kind == kind)
                .count()
        };
        assert_eq!(
            (of(RecordType::A), of(RecordType::AAAA)),
            (1, 1),
            "nothing is asked again"
        );
    });
}
