//! The recorded steps of a run: a plugin without any tracing code gets a full trace.

use std::net::Ipv4Addr;

use canary::trace::{ClosedBy, EndCause, Phase, Request, Step, StepKind};
use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::dns::{Behaviour, Zone};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::HostileTls;
use canary_tests::peer::{Hostile, plain};
use serde_json::json;

/// Each step as a word, with its error code.
fn words(ran: &AttemptResult) -> Vec<String> {
    let word = |step: &Step| {
        let kind = match &step.kind {
            StepKind::Instantiate => "instantiate",
            StepKind::Lookup(_) => "lookup",
            StepKind::Connect { .. } => "connect",
            StepKind::Handshake(_) => "handshake",
            StepKind::Request(_) => "request",
        };
        match &step.error {
            Some(error) => format!("{kind}: {}", error.code),
            None => kind.to_owned(),
        }
    };
    ran.trail.steps.iter().map(word).collect()
}

fn requests(ran: &AttemptResult) -> Vec<Request> {
    let request = |step: &'_ Step| match &step.kind {
        StepKind::Request(request) => Some(request.as_ref().clone()),
        _ => None,
    };
    ran.trail.steps.iter().filter_map(request).collect()
}

fn phases(ran: &AttemptResult) -> Vec<(Phase, Option<&'static str>)> {
    ran.trail
        .phases
        .iter()
        .map(|time| (time.phase, time.error))
        .collect()
}

#[test]
fn a_request_by_name_over_tls_writes_down_each_step_in_order() {
    alone(async {
        let zone = Zone::new().address("shop.test", Ipv4Addr::LOCALHOST).start();
        let harness = Harness::settings().name_server(zone.address()).start().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&["shop.test"]).valid_until_days(60).issue();
        let site = Site::start_tls(certificate.server_config(), |_| Reply::text("hello"));
        let target = format!("https://shop.test:{}/a?card=4111#top", site.address().port());
        let attempt = harness.plugin("http").target(&target);
        let ran = attempt
            .set("tls", json!({ "ca": authority.pem() }))
            .set("expect", json!({ "body": { "contains": "hello" } }))
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        assert_eq!(
            words(&ran),
            ["instantiate", "lookup", "connect", "handshake", "request"]
        );
        let [request] = &requests(&ran)[..] else {
            panic!("{ran:?}")
        };
        assert_eq!(
            request.url.as_str(),
            format!("https://shop.test:{}/a", site.address().port())
        );
        assert_eq!((request.status, request.response_bytes), (Some(200), Some(5)));
        let Some(StepKind::Handshake(shaken)) = ran.trail.steps.get(3).map(|step| &step.kind) else {
            panic!("{ran:?}")
        };
        assert_eq!(
            (shaken.version, shaken.server_name.as_str()),
            (Some("1.3"), "shop.test")
        );
        assert_eq!(shaken.untrusted, None);
        assert!(
            shaken
                .leaf
                .as_ref()
                .is_some_and(|leaf| leaf.subject.contains("shop.test"))
        );
        for (before, after) in ran.trail.steps.iter().zip(&ran.trail.steps[1..]) {
            assert!(
                before.started + before.took <= after.started,
                "{before:?} {after:?}"
            );
        }
    });
}

#[test]
fn each_redirect_is_a_request_of_its_own() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|request| match request.path() {
            "/old" => Reply::redirect(302, "/new"),
            _ => Reply::text("hello"),
        });
        let ran = harness
            .plugin("http")
            .target(&site.url("http", "/old"))
            .run()
            .await;
        let requests: Vec<_> = requests(&ran)
            .iter()
            .map(|asked| (asked.hop, asked.status))
            .collect();
        assert_eq!(requests, [(0, Some(302)), (1, Some(200))]);
    });
}

#[test]
fn the_step_in_which_the_time_ran_out_is_written_down() {
    alone(async {
        let server = Zone::new().default_behaviour(Behaviour::Silent).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let silent = Hostile::Silent.start();
        let hello = HostileTls::SilentAfterHello.start(&Authority::new("Test Root"));
        let full = plain::full();
        let names = harness
            .guest_with("connect", json!(["silent.test:80"]))
            .allow("tcp://silent.test:80");
        let cases = [
            (names, "lookup: timeout", Phase::Resolve),
            (
                harness.guest("read_line").against(&full),
                "connect: timeout",
                Phase::Connect,
            ),
            (
                harness.guest("start_tls").against(&hello),
                "handshake: timeout",
                Phase::Handshake,
            ),
            (
                harness.guest_with("fetch", json!({})).against(&silent),
                "request: timeout",
                Phase::Wait,
            ),
        ];
        for (attempt, last, phase) in cases {
            // Less than the 3 s after which a lookup gives up by itself.
            let ran = attempt.timeout(ms(1_500)).run().await;
            assert_eq!(words(&ran).last().map(String::as_str), Some(last), "{ran:?}");
            assert!(phases(&ran).contains(&(phase, Some("timeout"))), "{ran:?}");
        }
    });
}

#[test]
fn bytes_that_a_guest_reads_and_writes_itself_are_time_in_a_phase() {
    alone(async {
        let harness = Harness::new().await;
        let silent = Hostile::Silent.start();
        let ran = harness
            .guest("read_line")
            .against(&silent)
            .timeout(ms(2_000))
            .run()
            .await;
        assert!(
            phases(&ran).contains(&(Phase::Receive, Some("timeout"))),
            "{ran:?}"
        );
    });
}

#[test]
fn denials_and_reclaimed_connections_are_written_down() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let attempt = harness.guest("read_line").hold(3).against(&peer);
        let ran = attempt.quota(|quota| quota.sockets = 3).run().await;
        assert!(!ran.trail.denied.is_empty(), "{ran:?}");
        let taken = ran.trail.connections.iter();
        let taken = taken.filter(|connection| matches!(connection.closed_by, ClosedBy::Host(_)));
        assert_eq!(u64::try_from(taken.count()).unwrap(), ran.usage.reclaimed);
        assert_eq!(ran.usage.closed[&ClosedBy::Host(EndCause::Returned)], 3);
        assert_eq!(ran.usage.opened[&None], 3);
    });
}
