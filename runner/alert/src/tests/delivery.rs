//! Deliveries to receivers made from public documentation, and to hostile ones.

use std::future::Future;
use std::time::{Duration, SystemTime};

use canary_tests::certificate::Authority;
use canary_tests::peer::Hostile;
use canary_tests::peer::http::Reply;
use canary_tests::real::Alertmanager;
use canary_tests::receiver::{ROUTING_KEY, Receiver, ReceiverMode, SLACK_PATH};

use super::settings;
use crate::delivery_result::DeliveryResult;
use crate::notification::{Event, Notification};
use crate::notifier::Notifier;
use crate::sample_notification::sample;
use crate::test_notification::{TestNotification, send_test};
use canary_net::ledger::audit::InternalFds;

/// Runs a test on a runtime of its own, whose threads serve its receivers.
pub(super) fn run<F: Future>(test: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(test)
}

pub(super) fn notifier(yaml: &str) -> Notifier {
    let mut settings = settings(&format!("notifiers: {{ it: {{ {yaml} }} }}")).unwrap();
    settings.notifiers.remove(0)
}

pub(super) async fn send_test_to(notifier: &Notifier) -> TestNotification {
    let internal_fds = InternalFds::default();
    let result = send_test(notifier, None, &internal_fds, SystemTime::now()).await;
    assert_eq!(format!("{internal_fds:?}"), "InternalFds(0)");
    result
}

/// The code of the failure, and the result for the notification.
pub(super) fn outcome(answer: &DeliveryResult) -> String {
    let fate = match answer {
        DeliveryResult::Sent => return "delivered".to_owned(),
        DeliveryResult::PartlySent(_, unreached) if unreached.iter().all(|one| !one.is_temporary) => "partly",
        DeliveryResult::PartlySent(..) => "partly for now",
        DeliveryResult::Retry(_, None) => "later",
        DeliveryResult::Retry(_, Some(wait)) => {
            return format!("{} after {wait:?}", answer.failure().unwrap().code);
        }
        DeliveryResult::Blocked(_) => "held",
        DeliveryResult::Refused(_) => "refused",
        DeliveryResult::Rejected(_) => "rejected",
    };
    format!("{} {fate}", answer.failure().unwrap().code)
}

#[test]
fn slack_takes_the_begin_and_the_end_of_an_alert() {
    run(async {
        let slack = Receiver::slack();
        let notifier = notifier(&format!("type: slack, url: '{}'", slack.url("http", SLACK_PATH)));
        assert!(send_test_to(&notifier).await.is_delivered());
        let texts = slack.bodies();
        assert_eq!(texts[0]["text"], "🔴 canary alert test is down");
        assert_eq!(texts[1]["text"], "🟢 canary alert test is up again");
    });
}

#[test]
fn a_slack_webhook_that_is_gone_blocks_its_notifications() {
    run(async {
        let slack = Receiver::slack();
        let notifier = notifier(&format!(
            "type: slack, url: '{}'",
            slack.url("http", "/services/gone")
        ));
        let TestNotification { firing, resolved } = send_test_to(&notifier).await;
        assert_eq!(outcome(&firing), "http_404 held");
        assert_eq!(
            firing.failure().unwrap().message,
            "HTTP 404 Not Found: no_service"
        );
        assert_eq!(resolved, None);
    });
}

#[test]
fn a_workflow_of_teams_takes_the_begin_and_the_end_of_an_alert_and_its_signature_stays_secret() {
    run(async {
        let teams = Receiver::webhook();
        let url = teams.url("http", "/workflows/1/invoke?sp=%2Ftriggers&sig=s1gn-4tur3");
        let notifier = notifier(&format!("type: teams, url: '{url}'"));
        assert!(send_test_to(&notifier).await.is_delivered());
        let colors = teams.bodies().into_iter().map(|body| {
            let card = &body["attachments"][0]["content"];
            card["body"][0]["inlines"][0]["color"].clone()
        });
        assert_eq!(colors.collect::<Vec<_>>(), ["attention", "good"]);
        // Workflows answer before they post.
        teams.set(ReceiverMode::Respond(Reply::status(202)));
        assert!(send_test_to(&notifier).await.is_delivered());
        let refusal = Reply::status(401).body("the signature s1gn-4tur3 is wrong");
        teams.set(ReceiverMode::Respond(refusal));
        let refused = send_test_to(&notifier).await.firing;
        assert_eq!(outcome(&refused), "http_401 held");
        assert_eq!(
            refused.failure().unwrap().message,
            "HTTP 401 Unauthorized: the signature *** is wrong"
        );
    });
}

#[test]
fn a_webhook_of_discord_takes_the_begin_and_the_end_of_an_alert_and_its_token_stays_secret() {
    run(async {
        let discord = Receiver::webhook();
        let url = discord.url("http", "/api/webhooks/4711/t0k3n-of-discord");
        let notifier = notifier(&format!("type: discord, url: '{url}'"));
        assert!(send_test_to(&notifier).await.is_delivered());
        let titles = discord.bodies();
        let titles = titles.iter().map(|body| &body["embeds"][0]["title"]);
        assert_eq!(
            titles.collect::<Vec<_>>(),
            ["canary alert test is down", "canary alert test is up again"]
        );
        let refusal = Reply::status(404).body("Unknown Webhook t0k3n-of-discord");
        discord.set(ReceiverMode::Respond(refusal));
        let refused = send_test_to(&notifier).await.firing;
        assert_eq!(outcome(&refused), "http_404 held");
        assert_eq!(
            refused.failure().unwrap().message,
            "HTTP 404 Not Found: Unknown Webhook ***"
        );
    });
}

#[test]
fn pagerduty_takes_a_trigger_and_a_resolve_of_one_key() {
    run(async {
        let pagerduty = Receiver::pagerduty();
        let url = pagerduty.url("http", "/v2/enqueue");
        let right = notifier(&format!(
            "type: pagerduty, url: '{url}', routing_key: {ROUTING_KEY}"
        ));
        assert!(send_test_to(&right).await.is_delivered());
        let events = pagerduty.bodies();
        assert_eq!(events[0]["event_action"], "trigger");
        assert_eq!(events[1]["event_action"], "resolve");
        assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
        let wrong = notifier(&format!(
            "type: pagerduty, url: '{url}', routing_key: wrong-secret-key"
        ));
        let refused = send_test_to(&wrong).await.firing;
        assert_eq!(outcome(&refused), "http_400 refused");
        assert!(!refused.failure().unwrap().message.contains("wrong-secret-key"));
    });
}

#[test]
fn a_webhook_over_tls_is_trusted_by_its_own_authority_only() {
    run(async {
        let authority = Authority::new("Test Root");
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let leaf = authority.leaf(&["127.0.0.1"]).issue();
        let receiver = Receiver::webhook_tls(leaf.server_config());
        let url = receiver.url("https", "/hook");
        let trusting = notifier(&format!("type: webhook, url: '{url}', ca: {}", ca.display()));
        assert!(send_test_to(&trusting).await.is_delivered());
        assert_eq!(receiver.bodies()[0]["check"], "canary alert test");
        let doubting = notifier(&format!("type: webhook, url: '{url}'"));
        assert_eq!(outcome(&send_test_to(&doubting).await.firing), "tls later");
    });
}

#[test]
fn a_webhook_sends_the_headers_that_are_set() {
    run(async {
        let receiver = Receiver::webhook();
        let url = receiver.url("http", "/hook?key=1");
        let yaml =
            format!("type: webhook, method: PUT, url: '{url}', headers: {{ authorization: Bearer x }}");
        assert!(send_test_to(&notifier(&yaml)).await.is_delivered());
        let taken = receiver.delivered();
        assert_eq!(taken[0].method, "PUT");
        assert_eq!(taken[0].uri, "/hook?key=1");
        assert_eq!(taken[0].header("authorization"), Some("Bearer x"));
        assert_eq!(taken[0].header("content-type"), Some("application/json"));
    });
}

#[test]
fn answers_that_say_later_are_believed() {
    run(async {
        let receiver = Receiver::webhook();
        let notifier = notifier(&format!("type: webhook, url: '{}'", receiver.url("http", "/")));
        let internal_fds = InternalFds::default();
        for (reply, expected) in [
            (Reply::status(500), "http_500 later"),
            (
                Reply::status(429).header("retry-after", "17"),
                "http_429 after 17s",
            ),
            (
                Reply::status(503).header("retry-after", "0"),
                "http_503 after 0ns",
            ),
            (Reply::status(401), "http_401 held"),
            (Reply::status(302).header("location", "/login"), "http_302 held"),
            (Reply::status(422), "http_422 refused"),
        ] {
            receiver.set(ReceiverMode::Respond(reply));
            let answer = notifier
                .send(&sample(SystemTime::now()), None, &internal_fds)
                .await;
            assert_eq!(outcome(&answer), expected);
        }
    });
}

#[test]
fn no_hostile_receiver_holds_a_notifier_for_longer_than_its_time_out() {
    run(async {
        let internal_fds = InternalFds::default();
        // Far longer than the time-out, for a busy machine.
        let limit = Duration::from_secs(60);
        let mut timeouts = Vec::new();
        for hostile in Hostile::ALL {
            let peer = hostile.start();
            let url = peer.url("http", "/");
            let notifier = notifier(&format!("type: webhook, url: '{url}', timeout: 300ms"));
            let notification = sample(SystemTime::now());
            let work = notifier.send(&notification, None, &internal_fds);
            let answer = tokio::time::timeout(limit, work).await.unwrap();
            // Some of them say 200 before they go wrong, which is all that was asked.
            let is_fine = match &answer {
                DeliveryResult::Sent | DeliveryResult::Blocked(_) | DeliveryResult::Retry(..) => true,
                DeliveryResult::Refused(_) | DeliveryResult::Rejected(_) | DeliveryResult::PartlySent(..) => {
                    false
                }
            };
            assert!(is_fine, "{}: {answer:?}", hostile.name());
            assert_eq!(
                format!("{internal_fds:?}"),
                "InternalFds(0)",
                "{}",
                hostile.name()
            );
            if matches!(hostile, Hostile::Silent | Hostile::NeverReads | Hostile::Drips(_)) {
                let failure = answer.failure().unwrap();
                assert_eq!(failure.code, "timeout", "{}", hostile.name());
                timeouts.push(failure.message.clone());
            }
        }
        // The HTTP client has the same limit without naming it, and may be sooner by a moment.
        assert!(
            timeouts.contains(&"no response within 300ms".to_owned()),
            "{timeouts:?}"
        );
    });
}

#[test]
fn nobody_at_the_address_means_later() {
    run(async {
        // Bound and not listening, so that nobody else gets the port.
        let nobody = tokio::net::TcpSocket::new_v4().unwrap();
        nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = nobody.local_addr().unwrap();
        let notifier = notifier(&format!("type: webhook, url: 'http://{address}/'"));
        assert_eq!(outcome(&send_test_to(&notifier).await.firing), "connect later");
    });
}

#[test]
fn a_real_alertmanager_gets_an_alert_and_its_resolve() {
    let Some(alertmanager) = Alertmanager::start() else {
        return;
    };
    let notifier = notifier(&format!(
        "type: alertmanager, url: 'http://{}'",
        alertmanager.address()
    ));
    let now = SystemTime::now();
    let firing = sample(now);
    let internal_fds = InternalFds::default();
    let limit = Duration::from_secs(30);
    let answer = run(notifier.send(&firing, None, &internal_fds));
    assert_eq!(answer, DeliveryResult::Sent);
    let alerts = alertmanager.wait_for(limit, |alerts| !alerts.is_empty());
    assert_eq!(alerts[0]["labels"]["check"], "canary alert test");
    assert_eq!(alerts[0]["labels"]["severity"], "critical");
    assert_eq!(alerts[0]["annotations"]["summary"], "canary alert test is down");
    // The same once more is the same alert.
    assert_eq!(
        run(notifier.resend_firing(&[&firing], None, &internal_fds)),
        DeliveryResult::Sent
    );
    assert_eq!(alertmanager.alerts().len(), 1);
    let resolved = Notification {
        number: 2,
        event: Event::Resolved,
        status: canary_run::status::Status::Up,
        previous: Some(firing.status),
        ..firing
    };
    assert_eq!(
        run(notifier.send(&resolved, None, &internal_fds)),
        DeliveryResult::Sent
    );
    alertmanager.wait_for(limit, <[_]>::is_empty);
}
