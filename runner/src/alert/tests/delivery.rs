//! Deliveries to receivers made from public documentation, and to hostile ones.

use std::future::Future;
use std::time::{Duration, SystemTime};

use canary_tests::certificate::Authority;
use canary_tests::peer::Hostile;
use canary_tests::peer::http::Reply;
use canary_tests::real::Alertmanager;
use canary_tests::receiver::{Mood, ROUTING_KEY, Receiver, SLACK_PATH};

use super::settings;
use crate::alert::answer::Answer;
use crate::alert::notification::{Event, Notification};
use crate::alert::notifier::Notifier;
use crate::alert::trial::{Trial, sample, try_out};
use crate::ledger::audit::Reserve;

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

pub(super) async fn trial(notifier: &Notifier) -> Trial {
    let reserve = Reserve::default();
    let trial = try_out(notifier, None, &reserve, SystemTime::now()).await;
    assert_eq!(format!("{reserve:?}"), "Reserve(0)");
    trial
}

/// The word of the failure, and what becomes of the notification.
pub(super) fn word(answer: &Answer) -> String {
    let fate = match answer {
        Answer::Delivered => return "delivered".to_owned(),
        Answer::Partly(_, unreached) if unreached.iter().all(|one| !one.is_for_now) => "partly",
        Answer::Partly(..) => "partly for now",
        Answer::Later(_, None) => "later",
        Answer::Later(_, Some(wait)) => return format!("{} after {wait:?}", answer.failure().unwrap().word),
        Answer::Held(_) => "held",
        Answer::Refused(_) => "refused",
        Answer::Rejected(_) => "rejected",
    };
    format!("{} {fate}", answer.failure().unwrap().word)
}

#[test]
fn slack_takes_the_begin_and_the_end_of_an_alert() {
    run(async {
        let slack = Receiver::slack();
        let notifier = notifier(&format!("type: slack, url: '{}'", slack.url("http", SLACK_PATH)));
        assert!(trial(&notifier).await.is_well());
        let texts = slack.bodies();
        assert_eq!(texts[0]["text"], "🔴 canary alert test is down");
        assert_eq!(texts[1]["text"], "🟢 canary alert test is up again");
    });
}

#[test]
fn a_slack_webhook_that_is_gone_holds_its_notifications() {
    run(async {
        let slack = Receiver::slack();
        let notifier = notifier(&format!(
            "type: slack, url: '{}'",
            slack.url("http", "/services/gone")
        ));
        let Trial { firing, resolved } = trial(&notifier).await;
        assert_eq!(word(&firing), "http_404 held");
        assert_eq!(
            firing.failure().unwrap().message,
            "the answer is 404 Not Found: no_service"
        );
        assert_eq!(resolved, None);
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
        assert!(trial(&right).await.is_well());
        let events = pagerduty.bodies();
        assert_eq!(events[0]["event_action"], "trigger");
        assert_eq!(events[1]["event_action"], "resolve");
        assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
        let wrong = notifier(&format!(
            "type: pagerduty, url: '{url}', routing_key: wrong-secret-key"
        ));
        let refused = trial(&wrong).await.firing;
        assert_eq!(word(&refused), "http_400 refused");
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
        assert!(trial(&trusting).await.is_well());
        assert_eq!(receiver.bodies()[0]["check"], "canary alert test");
        let doubting = notifier(&format!("type: webhook, url: '{url}'"));
        assert_eq!(word(&trial(&doubting).await.firing), "tls later");
    });
}

#[test]
fn a_webhook_sends_the_headers_that_are_set() {
    run(async {
        let receiver = Receiver::webhook();
        let url = receiver.url("http", "/hook?key=1");
        let yaml =
            format!("type: webhook, method: PUT, url: '{url}', headers: {{ authorization: Bearer x }}");
        assert!(trial(&notifier(&yaml)).await.is_well());
        let taken = receiver.taken();
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
        let reserve = Reserve::default();
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
            receiver.set(Mood::Answers(reply));
            let answer = notifier.deliver(&sample(SystemTime::now()), None, &reserve).await;
            assert_eq!(word(&answer), expected);
        }
    });
}

#[test]
fn no_hostile_receiver_holds_a_notifier_for_longer_than_its_time_out() {
    run(async {
        let reserve = Reserve::default();
        let limit = Duration::from_millis(300);
        for hostile in Hostile::ALL {
            let peer = hostile.start();
            let url = peer.url("http", "/");
            let notifier = notifier(&format!("type: webhook, url: '{url}', timeout: 300ms"));
            let notification = sample(SystemTime::now());
            let work = notifier.deliver(&notification, None, &reserve);
            let answer = tokio::time::timeout(limit * 10, work).await.unwrap();
            // Some of them say 200 before they go wrong, which is all that was asked.
            let is_fine = match &answer {
                Answer::Delivered | Answer::Held(_) | Answer::Later(..) => true,
                Answer::Refused(_) | Answer::Rejected(_) | Answer::Partly(..) => false,
            };
            assert!(is_fine, "{}: {answer:?}", hostile.name());
            assert_eq!(format!("{reserve:?}"), "Reserve(0)", "{}", hostile.name());
        }
    });
}

#[test]
fn nobody_at_the_address_means_later() {
    run(async {
        let address = Receiver::webhook().url("http", "/");
        let notifier = notifier(&format!("type: webhook, url: '{address}'"));
        assert_eq!(word(&trial(&notifier).await.firing), "connect later");
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
    let reserve = Reserve::default();
    let limit = Duration::from_secs(30);
    let answer = run(notifier.deliver(&firing, None, &reserve));
    assert_eq!(answer, Answer::Delivered);
    let alerts = alertmanager.wait_for(limit, |alerts| !alerts.is_empty());
    assert_eq!(alerts[0]["labels"]["check"], "canary alert test");
    assert_eq!(alerts[0]["labels"]["severity"], "critical");
    assert_eq!(alerts[0]["annotations"]["summary"], "canary alert test is down");
    // The same once more is the same alert.
    assert_eq!(
        run(notifier.tell_again(&[&firing], None, &reserve)),
        Answer::Delivered
    );
    assert_eq!(alertmanager.alerts().len(), 1);
    let resolved = Notification {
        number: 2,
        event: Event::Resolved,
        status: crate::status::Status::Up,
        previous: Some(firing.status),
        ..firing
    };
    assert_eq!(
        run(notifier.deliver(&resolved, None, &reserve)),
        Answer::Delivered
    );
    alertmanager.wait_for(limit, <[_]>::is_empty);
}
