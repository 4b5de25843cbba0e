//! Excessive sizes from plugins and peers: an error, never a panic or unbounded memory in the host.

use canary::quota::QuotaKind;
use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::Hostile;
use canary_tests::peer::tls::HostileTls;
use serde_json::json;

#[test]
fn what_is_too_long_for_the_contract_is_invalid_in_every_function() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::EndlessLine.start();
        let attempt = harness.guest("extremes").against(&peer).allow("tcp://*:*");
        let ran = attempt
            .quota(|q| {
                (q.connections, q.lookups) = (64, 64);
                (q.memory, q.cpu) = (64 << 20, ms(20_000));
            })
            .timeout(ms(60_000))
            .run()
            .await;
        ran.leaves_nothing();
        let answers: Vec<_> = ran
            .verdict()
            .assertions
            .iter()
            .map(|note| (note.name.as_str(), note.message.as_str()))
            .collect();
        assert_eq!(answers.len(), 53, "{answers:?}");
        for (what, answer) in &answers {
            let expected = match *what {
                "max" => "protocol(no delimiter within",
                _ => "invalid(",
            };
            assert!(answer.starts_with(expected), "{what}: {answer}");
        }
        let named = [
            ("delimiter", "invalid(the delimiter is longer than 1 KiB)"),
            ("url", "invalid(the url is longer than 16 KiB)"),
            ("headers", "invalid(more than 256 headers)"),
            ("ca", "invalid(more than 512 ca certificates)"),
        ];
        for named in named {
            assert!(answers.contains(&named), "{named:?} is not among {answers:?}");
        }
    });
}

#[test]
fn what_the_host_computes_for_a_guest_uses_up_its_cpu() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::EndlessLine.start();
        let attempt = harness.guest("search_in_vain").hold(1).against(&peer);
        // More than receiving takes: that is denied once nine tenths are used.
        let ran = attempt
            .quota(|q| q.cpu = ms(1_000))
            .timeout(ms(60_000))
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(
            ran.outcome.summary(),
            "stopped: quota `cpu` is used up (limit 1s)"
        );
        assert_eq!(ran.denied(QuotaKind::Cpu), 1);
        assert!(ran.usage.used.cpu >= ms(1_000), "{:?}", ran.usage);
    });
}

#[test]
fn a_run_that_the_host_computes_for_ends_at_its_deadline() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::EndlessLine.start();
        let attempt = harness.guest("search_in_vain").hold(1).against(&peer);
        // More than receiving takes: a guest that still receives learns of the time-out, and answers.
        let ran = attempt
            .quota(|q| q.cpu = ms(60_000))
            .timeout(ms(3_000))
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(ran.ended(), "stopped: deadline");
    });
}

#[test]
fn informational_answers_without_end_end_the_exchange_after_a_few() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::InformationalFlood.start();
        let fetch = json!({ "http2": true, "max_body": 1_000 });
        let ran = harness.guest_with("fetch", fetch).against(&peer).run().await;
        ran.leaves_nothing();
        let answer = ran.answer();
        assert!(
            answer.starts_with("protocol(") && answer.contains("more than 64 header blocks"),
            "{answer}"
        );
        assert!(ran.usage.used.bytes_in < 200_000, "{:?}", ran.usage);
    });
}

#[test]
fn a_chain_of_too_many_certificates_is_refused_in_plain_words() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let peer = HostileTls::ManyCertificates.start(&authority);
        let ran = harness.guest("start_tls").against(&peer).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answer(), "the peer sent 81 certificates, more than 32");
    });
}
