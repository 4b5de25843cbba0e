//! Exhausted resources of the host.

use std::net::Ipv4Addr;

use canary::sandbox::EngineSettings;
use canary::trace::StepKind;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::dns::Zone;
use canary_tests::peer::{Hostile, plain};
use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[test]
fn a_host_without_descriptors_says_so_to_the_guest_and_believes_no_warning_after_that() {
    alone(async {
        let harness = Harness::settings().budget(2).start().await;
        let peer = plain::echo();
        let ran = harness.guest("return").hold(3).against(&peer).run().await;
        ran.leaves_nothing();
        let connects = ran
            .trail
            .steps
            .iter()
            .filter(|step| matches!(step.kind, StepKind::Connect { .. }));
        let errors: Vec<_> = connects
            .map(|step| step.error.as_ref().map(|error| error.code))
            .collect();
        assert_eq!(errors, [None, None, Some("host_exhausted")]);
        assert_eq!(ran.ended(), "stopped: descriptors");
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
        assert_eq!(ran.ended(), "stopped: descriptors", "{ran:?}");
        assert!(server.questions().is_empty());
    });
}

#[test]
fn what_one_run_holds_another_waits_for_and_has_when_it_ends() {
    alone(async {
        let harness = Harness::settings().budget(3).start().await;
        let peer = Hostile::Silent.start();
        let greedy = |shutdown: &CancellationToken| {
            let guest = harness.guest("sleep").hold(3).against(&peer);
            guest.timeout(ms(60_000)).shutdown(shutdown).run()
        };
        let modest = || harness.guest("return").hold(1).against(&peer).run();
        let shutdown = CancellationToken::new();
        let end_while_another_waits = async {
            let is_awaited = || {
                let pools = harness.ledger().pools().snapshots();
                pools
                    .iter()
                    .any(|pool| pool.name == "descriptors" && pool.waiting > 0)
            };
            while !is_awaited() {
                tokio::time::sleep(ms(5)).await;
            }
            shutdown.cancel();
        };
        let patient = async {
            peer.until(|counts| counts.open == 3).await;
            tokio::join!(modest(), end_while_another_waits).0
        };
        let (first, patient) = tokio::join!(greedy(&shutdown), patient);
        assert_eq!(patient.answer(), "held");
        assert_eq!(first.leaves_nothing_of_its_own().ended(), "stopped: shutdown");
        // The peer may not have noticed the end of the earlier connections.
        peer.until(|counts| counts.open == 0).await;
        let shutdown = CancellationToken::new();
        let in_vain = async {
            peer.until(|counts| counts.open == 3).await;
            let ran = modest().await;
            shutdown.cancel();
            ran
        };
        let (first, in_vain) = tokio::join!(greedy(&shutdown), in_vain);
        assert_eq!(in_vain.ended(), "stopped: descriptors");
        assert_eq!(first.leaves_nothing().ended(), "stopped: shutdown");
    });
}

#[test]
fn a_run_that_finds_the_pool_exhausted_is_no_fault_of_its_plugin() {
    alone(async {
        let settings = EngineSettings {
            concurrency: 1,
            memory_ceiling: 64 << 20,
        };
        let harness = Harness::settings().engine(settings).start().await;
        let peer = Hostile::Silent.start();
        // One instance for a run, and eight for plugins that describe themselves.
        let shutdown = CancellationToken::new();
        let sleeper = || {
            let guest = harness.guest("sleep").hold(1).against(&peer);
            guest.timeout(ms(60_000)).shutdown(&shutdown)
        };
        let first = join_all((0..9).map(|_| sleeper().run()));
        let second = async {
            peer.until(|counts| counts.open == 9).await;
            let ran = harness.guest("return").against(&peer).run().await;
            shutdown.cancel();
            ran
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(second.ended(), "stopped: instances", "{:?}", second.outcome);
        assert!(
            first.iter().all(|ran| ran.ended() == "stopped: shutdown"),
            "{first:?}"
        );
        let third = harness.guest("return").against(&peer).run().await;
        assert_eq!(third.leaves_nothing().ended(), "pass");
    });
}
