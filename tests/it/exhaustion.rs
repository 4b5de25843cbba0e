//! When the host itself has no more to give.

use std::net::Ipv4Addr;

use canary::sandbox::EngineSettings;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::dns::Zone;
use canary_tests::peer::{Hostile, plain};
use serde_json::json;

#[test]
fn a_host_without_descriptors_says_so_to_the_guest() {
    alone(async {
        let harness = Harness::settings().budget(2).start().await;
        let peer = plain::echo();
        let ran = harness.guest("return").hold(3).against(&peer).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answers(), ["held", "held", "host_exhausted"]);
        assert!(
            ran.usage.denials.is_empty(),
            "it is not the check's fault: {ran:?}"
        );
    });
}

#[test]
fn a_check_that_got_no_descriptor_does_not_say_that_its_target_failed() {
    alone(async {
        let harness = Harness::settings().budget(0).start().await;
        let peer = plain::echo();
        for plugin in ["http", "tcp", "tls"] {
            let ran = harness.plugin(plugin).against(&peer).run().await;
            assert_eq!(ran.ended(), "stopped: descriptors", "{plugin}: {:?}", ran.outcome);
        }
    });
}

#[test]
fn a_name_that_could_not_be_asked_for_is_not_said_not_to_resolve() {
    alone(async {
        let server = Zone::new().address("a.test", Ipv4Addr::LOCALHOST).start();
        let settings = Harness::settings().budget(0).name_server(server.address());
        let harness = settings.start().await;
        let guest = harness.guest_with("connect", json!(["a.test:80"]));
        let ran = guest.allow("tcp://a.test:*").run().await;
        assert_eq!(ran.answer(), "host_exhausted", "{ran:?}");
        assert!(server.questions().is_empty());
    });
}

#[test]
fn what_one_run_holds_another_cannot_have_until_it_ends() {
    alone(async {
        let harness = Harness::settings().budget(4).start().await;
        let peer = Hostile::Silent.start();
        let greedy = harness
            .guest("sleep")
            .hold(4)
            .against(&peer)
            .timeout(ms(300))
            .run();
        let modest = async {
            peer.until(|counts| counts.open == 4).await;
            harness.guest("return").hold(1).against(&peer).run().await
        };
        let (greedy, modest) = tokio::join!(greedy, modest);
        assert_eq!(modest.answer(), "host_exhausted");
        assert_eq!(greedy.leaves_nothing().ended(), "stopped: deadline");
        let next = harness.guest("return").hold(4).against(&peer).run().await;
        assert_eq!(next.leaves_nothing().ended(), "pass");
    });
}

#[test]
fn a_run_that_finds_the_pool_exhausted_has_an_outcome() {
    alone(async {
        let settings = EngineSettings {
            concurrency: 1,
            memory_ceiling: 64 << 20,
        };
        let harness = Harness::settings().engine(settings).start().await;
        let peer = Hostile::Silent.start();
        let first = harness
            .guest("sleep")
            .hold(1)
            .against(&peer)
            .timeout(ms(300))
            .run();
        let second = async {
            peer.until(|counts| counts.open == 1).await;
            harness.guest("return").against(&peer).run().await
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(second.ended(), "faulted: instantiate", "{:?}", second.outcome);
        assert_eq!(first.leaves_nothing().ended(), "stopped: deadline");
        let third = harness.guest("return").against(&peer).run().await;
        assert_eq!(third.leaves_nothing().ended(), "pass");
    });
}
