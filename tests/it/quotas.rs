//! Each quota, with the guest that exceeds it.

use std::time::Duration;

use canary::quota::QuotaKind;
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::dns::Zone;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::{Hostile, plain};
use serde_json::json;

#[test]
fn two_sockets_stop_the_third() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest("return").hold(3).against(&peer);
        let ran = attempt.quota(|q| q.sockets = 2).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answers(), ["held", "held", "quota(sockets, 2)"]);
        assert_eq!(ran.denied(QuotaKind::Sockets), 1);
        assert_eq!((ran.usage.used.sockets_peak, ran.usage.reclaimed), (2, 2));
    });
}

#[test]
fn descriptors_of_any_kind_have_a_quota_of_their_own() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest("return").hold(4).against(&peer);
        let ran = attempt.quota(|q| q.fds = 3).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answer(), "quota(fds, 3)");
        assert_eq!(ran.denied(QuotaKind::Fds), 1);
    });
}

#[test]
fn connections_count_over_the_run_though_each_was_closed() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest_with("reconnect", 7).against(&peer);
        let ran = attempt.quota(|q| q.connections = 5).run().await;
        ran.leaves_nothing();
        assert_eq!(
            ran.answers()[4..],
            ["", "quota(connections, 5)", "quota(connections, 5)"]
        );
        assert_eq!(ran.denied(QuotaKind::Connections), 2);
        assert_eq!((ran.usage.used.sockets_peak, ran.usage.reclaimed), (1, 0));
        peer.until(|counts| counts.accepted >= 5).await;
        assert_eq!(peer.accepted(), 5);
    });
}

#[test]
fn lookups_stop_a_flood_of_questions() {
    alone(async {
        let server = Zone::new().start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let ran = harness
            .guest_with("flood_queries", 20)
            .allow("dns://*.flood.test")
            .quota(|q| q.lookups = 6)
            .run()
            .await;
        ran.leaves_nothing();
        assert!(ran.answers()[5].starts_with("NXDOMAIN"), "{ran:?}");
        assert_eq!(ran.answers()[6], "quota(lookups, 6)");
        assert_eq!(ran.denied(QuotaKind::Lookups), 14);
        assert_eq!(server.questions().len(), 6);
    });
}

#[test]
fn lookups_stop_a_flood_of_names_to_connect_to() {
    alone(async {
        let server = Zone::new().start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let attempt = harness.guest_with("flood_connects", 20).allow("tcp://*:*");
        let ran = attempt.quota(|q| q.lookups = 6).run().await;
        ran.leaves_nothing();
        assert!(ran.answers()[5].contains("NXDOMAIN"), "{ran:?}");
        assert_eq!(ran.answers()[6], "quota(lookups, 6)");
        assert_eq!((ran.usage.used.lookups, ran.denied(QuotaKind::Lookups)), (6, 14));
    });
}

#[test]
fn bytes_in_stop_a_guest_that_reads_without_end() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::EndlessBody.start();
        let attempt = harness.guest("read_without_end").hold(1).against(&peer);
        let ran = attempt.quota(|q| q.bytes_in = 100_000).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answer(), "quota(bytes_in, 100000)");
        assert_eq!(
            (ran.usage.used.bytes_in, ran.denied(QuotaKind::BytesIn)),
            (100_000, 1)
        );
    });
}

#[test]
fn bytes_out_stop_a_guest_that_sends_without_end() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let attempt = harness.guest("send_without_end").hold(1).against(&peer);
        let ran = attempt.quota(|q| q.bytes_out = 300_000).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answer(), "quota(bytes_out, 300000)");
        assert_eq!(
            (ran.usage.used.bytes_out, ran.denied(QuotaKind::BytesOut)),
            (300_000, 1)
        );
        peer.until(|counts| counts.received == 300_000).await;
    });
}

#[test]
fn a_body_that_the_quota_can_never_send_is_refused_before_anything_is_opened() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let attempt = harness.guest_with("fetch", json!({ "body": 100_001 }));
        let ran = attempt
            .against(&peer)
            .quota(|q| q.bytes_out = 100_000)
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(ran.answer(), "quota(bytes_out, 100000)");
        assert_eq!(
            (ran.usage.used.connections, ran.denied(QuotaKind::BytesOut)),
            (0, 1)
        );
    });
}

#[test]
fn memory_ends_the_run() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest("grow_memory").hold(2).against(&peer);
        let ran = attempt.quota(|q| q.memory = 8 << 20).run().await;
        ran.leaves_nothing();
        assert_eq!(
            ran.outcome.summary(),
            "stopped: quota `memory` is used up (limit 8 MiB)"
        );
        assert_eq!((ran.usage.reclaimed, ran.denied(QuotaKind::Memory)), (2, 1));
        assert!(ran.usage.used.memory_peak <= 8 << 20, "{:?}", ran.usage);
    });
}

#[test]
fn a_table_counts_as_memory() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.plugin("table").against(&peer);
        let ran = attempt.quota(|q| q.memory = 256 << 10).run().await;
        ran.leaves_nothing();
        assert_eq!(
            ran.outcome.summary(),
            "stopped: quota `memory` is used up (limit 256 KiB)"
        );
        assert_eq!(ran.usage.reclaimed, 3);
    });
}

#[test]
fn cpu_ends_the_run() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest("spin").hold(2).against(&peer);
        // Enough for the connections on a slow machine.
        let ran = attempt.quota(|q| q.cpu = ms(300)).timeout(ms(30_000)).run().await;
        ran.leaves_nothing();
        assert_eq!(
            ran.outcome.summary(),
            "stopped: quota `cpu` is used up (limit 300ms)"
        );
        assert_eq!((ran.usage.reclaimed, ran.denied(QuotaKind::Cpu)), (2, 1));
        assert!(ran.usage.used.cpu >= ms(300), "{:?}", ran.usage);
    });
}

#[test]
fn a_plugin_that_looks_at_its_cpu_ends_in_time() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest_with("spin_until", 40).against(&peer);
        let ran = attempt
            .quota(|q| q.cpu = ms(5_000))
            .timeout(ms(30_000))
            .run()
            .await;
        ran.leaves_nothing();
        let seen: u64 = ran.answer().parse().expect("nanoseconds");
        let (seen, used) = (Duration::from_nanos(seen), ran.usage.used.cpu);
        assert!(ms(40) <= seen && seen <= used, "{seen:?} of {used:?}");
    });
}

#[test]
fn waiting_does_not_count_as_cpu() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let attempt = harness.guest("read_line").against(&peer);
        let ran = attempt
            .quota(|q| q.cpu = ms(1_000))
            .timeout(ms(5_000))
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(ran.answer(), "timeout(receive)");
        assert!(ran.usage.used.cpu < ms(1_000), "{:?}", ran.usage);
    });
}

#[test]
fn log_lines_beyond_the_quota_are_dropped_and_long_ones_cut() {
    alone(async {
        let harness = Harness::new().await;
        let ran = harness
            .guest_with("log", 100)
            .quota(|q| q.log_lines = 10)
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(ran.ended(), "pass");
        assert_eq!((ran.log.len(), ran.denied(QuotaKind::LogLines)), (10, 90));
        assert!(
            ran.log
                .iter()
                .all(|line| line.message.len() <= 4 * 1024 + '…'.len_utf8())
        );
    });
}

#[test]
fn measurements_beyond_the_quota_are_left_out_of_a_verdict_that_stays_as_it_is() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|_| Reply::text("x"));
        let attempt = harness.plugin("http").against(&site);
        let ran = attempt.quota(|q| q.measurements = 2).run().await;
        ran.leaves_nothing();
        assert_eq!(
            (ran.ended(), ran.verdict().measurements.len()),
            ("pass".to_owned(), 2)
        );
        assert_eq!(ran.usage.used.measurements, 2);
        assert!(ran.denied(QuotaKind::Measurements) > 0, "{:?}", ran.usage);
    });
}

#[test]
fn more_handles_than_a_guest_may_hold_are_a_fault_and_all_are_closed() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::ClosesAtOnce.start();
        let attempt = harness.guest("return").hold(1_100).against(&peer);
        let ran = attempt
            .quota(|q| (q.sockets, q.fds, q.connections, q.cpu) = (2_000, 2_000, 2_000, ms(20_000)))
            .timeout(ms(60_000))
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(ran.ended(), "faulted: limit", "{:?}", ran.outcome);
        assert!(ran.usage.reclaimed >= 1_000, "{:?}", ran.usage);
    });
}

#[test]
fn a_guest_holds_64_exchanges_at_most() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|_| Reply::text("x"));
        for (concurrent, expected) in [
            (63, "200 over 1.1 hops 0"),
            (64, "invalid(more than 64 exchanges at once)"),
        ] {
            let attempt = harness.guest_with("stream", json!({ "beside": concurrent }));
            let attempt = attempt
                .against(&site)
                .quota(|quota| (quota.sockets, quota.fds, quota.connections) = (100, 100, 100))
                .quota(|quota| quota.cpu = ms(20_000));
            let ran = attempt.timeout(ms(60_000)).run().await;
            assert_eq!(ran.leaves_nothing().answers()[0], expected);
        }
    });
}

#[test]
fn what_exchanges_that_are_over_keep_counts_as_memory_until_they_are_dropped() {
    const MEMORY: u64 = 12 << 20;
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(
            |_| {
                let long = "x".repeat(60_000);
                format!("HTTP/1.1 200 OK\r\nlong: {long}\r\ncontent-length: 1\r\n\r\nx").into_bytes()
            },
            Then::Closes,
        );
        let attempt = |drops: bool| {
            let stream = json!({ "ended": 63, "drops": drops });
            let attempt = harness.guest_with("stream", stream).against(&peer);
            attempt
                .quota(|q| (q.memory, q.connections, q.cpu) = (MEMORY, 100, ms(20_000)))
                .timeout(ms(20_000))
                .run()
        };
        let held = attempt(false).await;
        assert_eq!(held.leaves_nothing().ended(), "warn", "{:?}", held.outcome);
        assert_eq!(held.answers()[0], format!("quota(memory, {MEMORY})"));
        assert_eq!(held.denied(QuotaKind::Memory), 1);
        assert!(held.usage.used.memory_peak <= MEMORY, "{:?}", held.usage);
        let dropped = attempt(true).await;
        assert_eq!(
            dropped.leaves_nothing().answers()[0],
            "63 are over",
            "{dropped:?}"
        );
        assert!(dropped.usage.used.memory_peak < held.usage.used.memory_peak);
    });
}
