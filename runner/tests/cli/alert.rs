//! `canary alert test`: whether notifiers work.

use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::{ROUTING_KEY, Receiver, ReceiverMode, SLACK_PATH};

use super::{accepted, canary, folder, http_check};

fn config(slack: &Receiver, pagerduty: &Receiver) -> String {
    format!(
        "alerts:
  notifiers:
    ops: {{ type: slack, url: \"{}\" }}
    oncall: {{ type: pagerduty, url: '{}', routing_key: \"${{env:PD_KEY}}\" }}\n",
        slack.url("http", SLACK_PATH),
        pagerduty.url("http", "/v2/enqueue"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_notifier_is_told_of_an_alert_that_begins_and_is_over() {
    let (slack, pagerduty) = (Receiver::slack(), Receiver::pagerduty());
    let folder = folder(&[("canary.yaml", &config(&slack, &pagerduty))]);
    let command = canary(&folder, &["alert", "test", "--config", "canary.yaml"]);
    let ending = command.env("PD_KEY", ROUTING_KEY).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert_eq!(
        ending.out,
        "oncall           pagerduty    ok: firing and resolved notifications sent
ops              slack        ok: firing and resolved notifications sent\n"
    );
    assert_eq!((slack.delivered().len(), pagerduty.delivered().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_work_says_why_and_shows_no_secret() {
    let (slack, pagerduty) = (Receiver::slack(), Receiver::pagerduty());
    pagerduty.set(ReceiverMode::Respond(Reply::status(403).body(ROUTING_KEY)));
    let folder = folder(&[("canary.yaml", &config(&slack, &pagerduty))]);
    let command = canary(&folder, &["alert", "test", "oncall", "--config", "canary.yaml"]);
    let ending = command.env("PD_KEY", ROUTING_KEY).run();
    assert_eq!(ending.code, 1, "{ending:?}");
    assert_eq!(
        ending.out,
        "oncall           pagerduty    failed: HTTP 403 Forbidden: ***\n"
    );
    assert!(slack.delivered().is_empty());
}

#[test]
fn a_notifier_that_is_not_there_is_a_mistake_of_usage() {
    let folder = folder(&[(
        "canary.yaml",
        "alerts: { notifiers: { ops: { type: slack, url: 'http://127.0.0.1:1/' } } }",
    )]);
    let ending = canary(&folder, &["alert", "test", "opps", "--config", "canary.yaml"]).run();
    assert_eq!(ending.code, 64);
    assert_eq!(ending.err, "error: unknown notifier `opps`; configured: `ops`\n");
    let ending = canary(&folder, &["alert", "test"]).run();
    assert_eq!(ending.code, 64);
    assert!(ending.err.contains("no notifiers are configured"), "{ending:?}");
}

#[test]
fn settings_that_are_wrong_are_told_with_their_place_before_anything_starts() {
    let folder = folder(&[(
        "canary.yaml",
        "alerts:\n  notifiers:\n    ops: { type: slak, url: 'http://127.0.0.1:1/' }\n",
    )]);
    let ending = canary(&folder, &["alert", "test", "--config", "canary.yaml"]).run();
    assert_eq!(ending.code, 64);
    assert!(
        ending
            .err
            .contains("canary.yaml:3:18: `alerts.notifiers.ops.type`: unknown notifier type `slak`"),
        "{ending:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_names_a_notifier_which_the_runner_does_not_have_is_a_problem() {
    let suite = "checks:
  - { name: web, plugin: tcp, target: '127.0.0.1:1', alert: { notify: [opps] } }\n";
    let config = "alerts: { notifiers: { ops: { type: slack, url: 'http://127.0.0.1:1/' } } }";
    let folder = folder(&[("suite.yaml", suite), ("canary.yaml", config)]);
    let ending = canary(&folder, &["validate", "suite.yaml", "--config", "canary.yaml"]).run();
    assert_eq!(ending.code, 3, "{ending:?}");
    assert!(ending.err.contains("did you mean `ops`?"), "{ending:?}");
    // Without the runner's settings the notifier cannot be checked.
    let ending = canary(&folder, &["validate", "suite.yaml"]).run();
    assert_eq!(ending.code, 0, "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_goes_down_is_told_while_the_service_runs() {
    let target = Site::start(|_| Reply::status(503));
    let hook = Site::start(|_| Reply::status(200));
    let suite = format!(
        "defaults: {{ interval: 1s, timeout: 1s, retries: 0 }}\nchecks:\n{}",
        http_check("page", &target, "/")
    );
    let settings = format!(
        "alerts: {{ notifiers: {{ hook: {{ type: webhook, url: \"{}\" }} }} }}\n",
        hook.url("http", "/hook")
    );
    let folder = folder(&[("suite.yaml", &suite), ("canary.yaml", &settings)]);
    let arguments = ["run", "suite.yaml", "--config", "canary.yaml"];
    let running = canary(&folder, &arguments).start();
    accepted(&hook, 1).await;
    while hook.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(running);
    let body = String::from_utf8(hook.requests()[0].body.to_vec()).unwrap();
    assert!(body.contains("page") && body.contains("down"), "{body}");
}
