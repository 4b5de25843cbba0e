//! The tls plugin: reports the contents of a certificate, whatever is wrong with it.

mod badssl;
mod key_possession;
mod pss;
mod sni;

use canary::outcome::Verdict;
use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::starttls::{Protocol, StartTlsBehaviour};
use canary_tests::peer::tls::{HostileTls, NAMES};
use futures_util::future::join_all;

/// The value of an attribute, or an empty text.
fn attribute<'v>(verdict: &'v Verdict, key: &str) -> &'v str {
    let found = verdict.attributes.iter().find(|(known, _)| known == key);
    found.map_or("", |(_, value)| value)
}

#[track_caller]
fn shows(ran: &AttemptResult, reason: &str) {
    let verdict = ran.leaves_nothing().verdict();
    assert_eq!(ran.ended(), "fail");
    assert!(attribute(verdict, "certificate.not_after").ends_with('Z'));
    assert_eq!(attribute(verdict, "certificate.trusted"), "false");
    assert!(
        attribute(verdict, "certificate.untrusted_reason").contains(reason),
        "{verdict:?}"
    );
    let days_left = verdict
        .measurements
        .iter()
        .find(|number| number.name == "certificate.days_left");
    assert!(days_left.is_some(), "{verdict:?}");
}

#[test]
fn a_bad_certificate_is_shown_with_its_end_the_days_left_and_the_reason() {
    let kinds = [
        (HostileTls::Expired, "expired"),
        (HostileTls::NotYetValid, "not valid"),
        (HostileTls::SelfSigned, ""),
        (HostileTls::Untrusted, "issuer"),
        (HostileTls::WrongName, "127.0.0.1"),
    ];
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        for (kind, reason) in kinds {
            let peer = kind.start(&authority);
            let attempt = harness.plugin("tls").against(&peer).set("ca", authority.pem());
            shows(&attempt.run().await, reason);
        }
    });
}

#[test]
fn an_expired_certificate_has_days_left_below_zero() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let peer = HostileTls::Expired.start(&authority);
        let ran = harness
            .plugin("tls")
            .against(&peer)
            .set("ca", authority.pem())
            .run()
            .await;
        let days: f64 = attribute(ran.verdict(), "certificate.days_left")
            .parse()
            .expect("a number");
        assert!(days < 0.0, "{ran:?}");
    });
}

#[test]
fn every_hostile_peer_is_a_verdict_of_the_tls_plugin() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        for kind in HostileTls::ALL {
            let peer = kind.start(&authority);
            let attempt = harness.plugin("tls").against(&peer).set("ca", authority.pem());
            // Only from 5 s on has a guest as long as it can have to answer after a time-out.
            let ran = attempt.timeout(ms(5_000)).run().await;
            let is_good = matches!(
                kind,
                HostileTls::OnlyTls12 | HostileTls::SilentAfterHandshake | HostileTls::LargeBody
            );
            let expected = if is_good { "pass" } else { "fail" };
            assert_eq!(
                ran.leaves_nothing().ended(),
                expected,
                "{}: {:?}",
                kind.name(),
                ran.outcome
            );
        }
    });
}

#[test]
fn every_protocol_turns_to_tls_and_no_conduct_of_a_server_leaves_anything() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).valid_until_days(60).issue();
        for behaviour in StartTlsBehaviour::ALL {
            let start = |protocol: Protocol| protocol.start(behaviour, certificate.server_config());
            let servers = Protocol::ALL.map(|protocol| (protocol, start(protocol)));
            // At once, since a silent server takes each run's whole time. Only from 5 s on has a guest as long as it
            // can have to answer after that.
            let runs = servers.iter().map(|(protocol, peer)| {
                let attempt = harness.plugin("tls").against(peer);
                let attempt = attempt.set("starttls", protocol.name());
                attempt.set("ca", authority.pem()).timeout(ms(5_000)).run()
            });
            for ((protocol, _), ran) in servers.iter().zip(join_all(runs).await) {
                ran.leaves_nothing_of_its_own();
                let expected = if behaviour == StartTlsBehaviour::Upgrades {
                    "pass"
                } else {
                    "fail"
                };
                assert_eq!(
                    ran.ended(),
                    expected,
                    "{protocol:?} {behaviour:?}: {:?}",
                    ran.outcome
                );
            }
            assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
        }
    });
}
