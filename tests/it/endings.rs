//! However a run ends, all its resources are released when its outcome is available.

use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::{Hostile, plain};

#[test]
fn a_guest_that_keeps_its_connections_and_returns_leaves_none() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let ran = harness.guest("return").hold(4).against(&peer).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.ended(), "pass");
        assert_eq!((ran.usage.used.sockets_peak, ran.usage.reclaimed), (4, 4));
    });
}

#[test]
fn every_way_to_end_a_run_has_its_outcome_and_reclaims_the_connections() {
    let endings = [
        ("return", "pass"),
        ("give_up", "faulted: gave_up"),
        ("panic", "faulted: trap"),
        ("exit", "faulted: trap"),
        ("recurse", "faulted: trap"),
        ("bad_text", "faulted: trap"),
        ("huge_call", "faulted: limit"),
        ("grow_memory", "stopped: quota"),
        ("spin", "stopped: quota"),
        ("sleep", "stopped: deadline"),
        ("flood_log", "stopped: quota"),
        ("huge_verdict", "pass"),
    ];
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        for (behaviour, ending) in endings {
            let attempt = harness.guest(behaviour).hold(3).against(&peer);
            // A busy machine takes its time to open the connections, and to compute as much as the quota.
            let timeout = ms(if behaviour == "sleep" { 3_000 } else { 30_000 });
            let ran = attempt.quota(|q| q.cpu = ms(500)).timeout(timeout).run().await;
            ran.leaves_nothing();
            assert_eq!(ran.ended(), ending, "{behaviour}: {:?}", ran.outcome);
            assert_eq!(ran.usage.reclaimed, 3, "{behaviour}");
        }
    });
}

#[test]
fn a_verdict_is_cut_to_what_a_person_may_read() {
    alone(async {
        let harness = Harness::new().await;
        let attempt = harness.guest("huge_verdict");
        let ran = attempt
            .quota(|quota| (quota.record, quota.cpu) = (1 << 20, ms(20_000)))
            .timeout(ms(30_000))
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().answers().len(), 64);
        let longest = 4 * 1024 + '…'.len_utf8();
        assert!(ran.answers().iter().all(|answer| answer.len() <= longest));
    });
}
