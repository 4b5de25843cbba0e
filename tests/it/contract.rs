//! Contract versions side by side, and configuration checks by plugins.

use std::error::Error as _;

use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptBuilder, AttemptResult, Harness, alone, load};
use canary_tests::peer::Hostile;
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::dns::Zone;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain;
use canary_tests::peer::tls::HostileTls;
use canary_tests::scripted;
use serde_json::{Value, json};

/// Built with the SDK of contract 0.1.
const EMPTY_0_1: &[u8] = include_bytes!("../components/0.1/empty.wasm");
const HOSTILE_0_1: &[u8] = include_bytes!("../components/0.1/hostile.wasm");

#[test]
fn a_plugin_of_contract_0_1_runs_for_ever() {
    alone(async {
        let harness = Harness::new().await;
        let ran = harness.plugin("empty-0.1").run().await;
        let verdict = ran.leaves_nothing().verdict();
        assert_eq!(
            (ran.ended().as_str(), verdict.summary.as_str()),
            ("pass", "nothing to do")
        );
    });
}

/// Behaviours of the guest, and the peer for each.
const ASKED: [(&str, Where); 13] = [
    (r#""return""#, Where::Echo),
    (r#""give_up""#, Where::Echo),
    (r#""panic""#, Where::Echo),
    (r#"{"log":3}"#, Where::Echo),
    (r#"{"connect":["127.0.0.1:1","192.0.2.1:1"]}"#, Where::Echo),
    (r#"{"reconnect":20}"#, Where::Echo),
    (
        r#"{"resolve":["known.test","unknown.test","denied.example"]}"#,
        Where::Echo,
    ),
    (r#"{"fetch":{"max_body":4,"max_redirects":3}}"#, Where::Site),
    (r#"{"fetch":{"max_redirects":0}}"#, Where::Site),
    (r#"{"fetch_all":[3,{"max_redirects":3}]}"#, Where::Site),
    (r#""fetch_absurd""#, Where::Site),
    (r#""start_tls""#, Where::Tls),
    (r#"{"fetch":{"connect_to":"nowhere"}}"#, Where::Site),
];

#[derive(Clone, Copy)]
enum Where {
    Echo,
    Site,
    Tls,
}

/// The outcome, the host's results as the guest saw them, its log and its usage. Where the guest failed is left out: the
/// two were built at different times.
fn seen(ran: &AttemptResult) -> impl PartialEq + std::fmt::Debug {
    let is_place = |text: &str| text.contains(" panicked at ") || text.starts_with("it ended in ");
    let log = ran.log.iter().map(|line| line.message.to_string());
    let log: Vec<_> = log.filter(|text| !is_place(text)).collect();
    let answers: Vec<_> = ran.answers().into_iter().map(str::to_owned).collect();
    let used = (
        ran.usage.used.connections,
        ran.usage.used.lookups,
        ran.usage.denials.clone(),
    );
    (ran.ended(), answers, log, used)
}

/// The same guest gets the same results from the host in both versions: an old contract version is served unchanged.
#[test]
fn a_plugin_of_contract_0_1_sees_what_the_same_plugin_of_the_current_one_sees() {
    alone(async {
        let names = Zone::new().address("known.test", [192, 0, 2, 9]).start();
        let harness = Harness::settings().name_server(names.address()).start().await;
        let (echo, tls) = (
            plain::echo(),
            HostileTls::Expired.start(&Authority::new("Test Root")),
        );
        let site = Site::start(|request| match request.path() {
            "/" => Reply::redirect(302, "/there"),
            _ => Reply::text("a long body"),
        });
        for (then, place) in ASKED {
            let target = match place {
                Where::Echo => echo.address().to_string(),
                Where::Site => site.url("http", "").replace("http://", ""),
                Where::Tls => tls.address().to_string(),
            };
            let then: Value = serde_json::from_str(then).unwrap();
            let attempt = |plugin: &str| {
                let attempt: AttemptBuilder<'_> =
                    harness.plugin(plugin).set("then", then.clone()).target(&target);
                attempt.allow("dns://*.test")
            };
            let (old, new) = (attempt("hostile-0.1").run().await, attempt("hostile").run().await);
            old.leaves_nothing();
            assert_eq!(seen(&old), seen(&new), "{then}");
        }
    });
}

#[test]
fn a_read_ends_by_its_deadline_and_the_connection_goes_on() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let ran = harness
            .guest_with("read_by_deadline", 20)
            .against(&peer)
            .run()
            .await;
        ran.leaves_nothing();
        assert_eq!(ran.answers(), ["timeout(receive)", "written", "`go on`"]);
    });
}

#[test]
fn a_read_that_does_not_wait_has_what_has_come() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let ran = harness.guest("read_ready").against(&peer).run().await;
        assert_eq!(ran.leaves_nothing().answer(), "false, then x");
    });
}

#[test]
fn a_connection_that_is_shut_down_for_writing_can_still_be_read() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let ran = harness.guest("half_close").against(&peer).run().await;
        ran.leaves_nothing();
        assert_eq!(
            ran.answers(),
            [
                "written",
                "shut",
                "invalid(the connection is shut down for writing)",
                "over",
                "0 bytes"
            ]
        );
    });
}

#[test]
fn a_body_without_an_end_is_read_for_as_long_as_is_wanted() {
    const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: up\n\n";
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| EVENTS.to_vec(), Then::Hangs);
        let fetch = json!({ "max_body": 100, "read_for": 50 });
        let ran = harness.guest_with("fetch", fetch).against(&peer).run().await;
        assert_eq!(
            ran.leaves_nothing().answer(),
            "200 kept 10 of 10 truncated false hops 0"
        );
        let config = |contains: &str| json!({ "body": { "contains": contains } });
        for (contains, ended) in [("data: up", "pass"), ("data: down", "fail")] {
            let check = harness.plugin("http").against(&peer).set("read_for", "50ms");
            let ran = check.set("expect", config(contains)).run().await;
            assert_eq!(ran.leaves_nothing().ended(), ended, "{ran:?}");
        }
    });
}

#[test]
fn a_request_ends_by_its_own_time() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::Silent.start();
        let ran = harness
            .guest_with("fetch", json!({ "timeout": 1_000 }))
            .against(&peer)
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().answer(), "timeout(wait)");
    });
}

#[test]
fn an_error_says_what_the_peer_sent_in_place_of_the_protocol() {
    alone(async {
        let harness = Harness::new().await;
        let peer = canned(|_| b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), Then::Hangs);
        let ran = harness.plugin("http").against(&peer).run().await;
        let verdict = ran.leaves_nothing().verdict();
        assert!(verdict.summary.starts_with("receive: "), "{verdict:?}");
        assert!(verdict.summary.contains("SSH-2.0"), "{verdict:?}");
    });
}

/// The error of loading these bytes.
async fn refused(component: &[u8]) -> String {
    let Err(error) = load(component).await else {
        return "loaded".to_owned();
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn a_component_of_another_contract_is_refused_with_all_versions_named() {
    alone(async {
        for component in [EMPTY_0_1, HOSTILE_0_1] {
            for (number, contract) in [("0.3.0", "0.3"), ("1.0.0", "1.0"), ("9.9.9", "9.9")] {
                assert_eq!(
                    refused(&scripted::with_contract_version(component, number)).await,
                    format!(
                        "not a plugin for this host: it was built for contract {contract}; this runner serves 0.1 and 0.2"
                    )
                );
            }
            assert!(
                load(&scripted::with_contract_version(component, "0.1.9"))
                    .await
                    .is_ok()
            );
        }
    });
}

#[test]
fn a_component_that_is_not_what_it_says_is_refused_for_what_it_lacks() {
    alone(async {
        let reason = refused(&scripted::with_contract_version(EMPTY_0_1, "0.2.0")).await;
        assert!(
            reason.starts_with(
                "not a plugin for this host: its `canary:check/probe` does not match the contract: "
            ),
            "{reason}"
        );
    });
}

/// The problems that the hostile guest reports for a configuration that makes it do `action` in `check-config`.
async fn check_config(harness: &Harness, action: Value) -> Result<Vec<String>, String> {
    let config = json!({ "judge": action });
    let result = harness.check_config("hostile", "127.0.0.1:1", &config).await;
    let shown = |problem: canary::sandbox::ConfigProblem| format!("{:?}: {}", problem.at, problem.message);
    match result {
        Ok(problems) => Ok(problems.into_iter().map(shown).collect()),
        Err(outcome) => Err(outcome.summary()),
    }
}

#[test]
fn a_plugin_judges_a_configuration_within_limits_and_without_a_network() {
    alone(async {
        let harness = Harness::new().await;
        let (echo, site) = (plain::echo(), Site::start(|_| Reply::text("")));
        let fetch = json!({ "url": site.url("http", "/") });
        let stream = json!({ "request": fetch });
        let cases = [
            (json!("return"), Ok(vec![])),
            (json!("give_up"), Ok(vec!["it cannot do its work"])),
            (
                json!({ "connect": [echo.address().to_string()] }),
                Ok(vec!["connect: denied("]),
            ),
            (
                json!({ "connect": ["localhost:80"] }),
                Ok(vec!["connect: denied("]),
            ),
            (json!({ "resolve": ["a.test"] }), Ok(vec!["query: denied("])),
            (
                json!({ "ask_server": "127.0.0.1:53" }),
                Ok(vec!["query: denied("]),
            ),
            (json!({ "fetch": fetch }), Ok(vec!["fetch: denied("])),
            (json!({ "stream": stream }), Ok(vec!["open: denied("])),
            (json!("start_tls"), Ok(vec!["tls: denied("])),
            (json!("panic"), Err("trapped")),
            (json!("spin"), Err("quota `cpu` is used up (limit 2s)")),
            (
                json!("grow_memory"),
                Err("quota `memory` is used up (limit 64 MiB)"),
            ),
        ];
        for (action, expected) in cases {
            match (check_config(&harness, action.clone()).await, expected) {
                (Ok(problems), Ok(expected)) => {
                    assert_eq!(problems.len(), expected.len(), "{action}: {problems:?}");
                    for (problem, part) in problems.iter().zip(expected) {
                        let place = r#"Config(["judge"]): "#;
                        assert!(
                            problem.starts_with(&format!("{place}{part}")),
                            "{action}: {problem}"
                        );
                    }
                }
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{action}: {reason}"),
                (result, expected) => panic!("{action}: {result:?}, not {expected:?}"),
            }
        }
        assert_eq!((harness.descriptors_left(), harness.ledger().leased()), (0, 0));
        assert_eq!(site.requests().len(), 0);
    });
}

#[test]
fn a_target_can_be_what_is_wrong() {
    alone(async {
        let harness = Harness::new().await;
        let config = json!({ "judge": "return" });
        let result = harness.check_config("hostile", "no port", &config).await;
        let problems = result.unwrap();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].at, canary::sandbox::ProblemAt::Target);
    });
}

#[test]
fn a_plugin_of_contract_0_1_has_no_objections() {
    alone(async {
        let harness = Harness::new().await;
        let result = harness
            .check_config("empty-0.1", "a", &json!({ "unknown": 1 }))
            .await;
        assert_eq!(result, Ok(Vec::new()));
    });
}
