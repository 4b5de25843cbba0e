use insta::assert_snapshot;

use super::*;
use crate::tests::settings;

fn problems(alerts: &str) -> String {
    settings(alerts).unwrap_err()
}

#[test]
fn every_setting_is_read() {
    let settings = settings(
        "repeat_interval: 1h
external_url: https://canary.example.com
notifiers:
  oncall: { type: pagerduty, routing_key: '${env:SECRET}', statuses: [down] }
  ops: { type: slack, url: 'https://hooks.slack.com/services/${env:SECRET}', timeout: 5s, max_age: 2h }
  am: { type: alertmanager, url: 'http://alertmanager:9093/prefix/', headers: { authorization: 'Bearer ${env:SECRET}' } }
  hook: { type: webhook, url: 'http://hook/', method: put, template: '{\"text\": {{ summary | tojson }} }' }
  text: { type: webhook, url: 'http://hook/', content_type: text/plain, template: '{{ title }}' }
  mail: { type: email, host: smtp.example.com, port: 2525, tls: implicit, user: me, password: '${env:SECRET}', from: canary@example.com, to: ops@example.com }",
    )
    .unwrap();
    assert_eq!(settings.repeat_interval, Some(Duration::from_hours(1)));
    assert_eq!(settings.names(), ["am", "hook", "mail", "oncall", "ops", "text"]);
    let find = |name: &str| settings.notifiers.iter().find(|one| &*one.name == name).unwrap();
    assert_eq!(find("oncall").statuses, BTreeSet::from([Status::Down]));
    assert_eq!(
        find("ops").statuses,
        BTreeSet::from([Status::Down, Status::Unknown])
    );
    assert_eq!(find("ops").timeout, Duration::from_secs(5));
    assert_eq!(find("ops").max_age, Duration::from_hours(2));
    assert!(find("am").resend_interval().is_some());
    let shown = format!("{settings:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn every_setting_has_a_default() {
    let settings = settings("").unwrap();
    assert_eq!(settings.repeat_interval, Some(DEFAULT_REPEAT_INTERVAL));
    assert!(settings.notifiers.is_empty());
}

#[test]
fn a_warning_says_when_nobody_is_notified_of_checks_without_verdicts() {
    let notifiers = |statuses: &str| {
        let all = ["a", "b"].map(|name| format!("  {name}: {{ type: slack, url: 'http://x/'{statuses} }}"));
        settings(&format!("notifiers:\n{}", all.join("\n"))).unwrap()
    };
    assert!(
        notifiers(", statuses: [down, degraded]")
            .unnoticed_status()
            .is_some()
    );
    assert_eq!(notifiers(", statuses: [down, unknown]").unnoticed_status(), None);
    assert_eq!(notifiers("").unnoticed_status(), None, "the default has it");
    assert_eq!(settings("").unwrap().unnoticed_status(), None);
}

#[test]
fn reminders_can_be_switched_off() {
    assert_eq!(settings("repeat_interval: none").unwrap().repeat_interval, None);
}

#[test]
fn a_key_of_an_earlier_version_is_refused_with_its_name_today() {
    let problems = problems(
        "remind: 1h
runner: https://canary.example.com
notifiers: { ops: { type: slack, url: 'http://x/', on: [down] } }",
    );
    for renamed in [
        "unknown key `remind` in `alerts`\nhint: renamed to `repeat_interval`",
        "unknown key `runner` in `alerts`\nhint: renamed to `external_url`",
        "unknown key `on` in `alerts.notifiers.ops`\nhint: renamed to `statuses`",
    ] {
        assert!(problems.contains(renamed), "{problems}");
    }
}

#[test]
fn every_problem_is_reported_with_its_position() {
    let problems = problems(
        "repeat_interval: 1s
external_url: canary.example.com
notifiers:
  'a b': { type: slack, url: 'https://example.com/' }
  nothing: {}
  typo: { type: slak, url: 'https://example.com/' }
  slack: { type: slack, ur: 'https://example.com/', statuses: [dwn] }
  pager: { type: pagerduty, url: 'ftp://example.com/', statuses: [] }
  am: { type: alertmanager, url: 'http://example.com:0/', ca: missing.pem }
  hook: { type: webhook, url: 'http://example.com/#x', method: GET }
  mail: { type: email, from: nobody, to: [a@b.c, d], user: me, port: 0, tls: maybe }",
    );
    let all_types = NotifierType::alternatives();
    assert_snapshot!(problems.replace(&all_types, "ALL TYPES"));
}

#[test]
fn a_template_is_tried_when_settings_load() {
    assert_snapshot!(problems(
        "notifiers:
  syntax: { type: webhook, url: 'http://example.com/', template: '{{ title' }
  name:
    type: webhook
    url: http://example.com/
    template: |
      {
        \"text\": {{ sumary | tojson }}
      }
  quotes: { type: webhook, url: 'http://example.com/', template: '{\"text\": \"{{ summary }}\"}' }
  endless: { type: webhook, url: 'http://example.com/', template: '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}' }"
    ));
}

#[test]
fn no_problem_shows_a_secret() {
    let problems = problems(
        "notifiers:
  a: { type: slack, url: '${env:SECRET}' }
  b: { type: pagerduty, routing_key: x, headers: { authorization: \"${env:SECRET}\\n\" } }
  c: { type: email, host: h, from: '${env:SECRET}', to: [a@b.c], password: '${env:SECRET}' }
  d: { type: webhook, url: 'http://h/', template: '${env:SECRET}' }",
    );
    assert!(!problems.contains("s3cr3t"), "{problems}");
    assert_eq!(problems.matches("hint").count(), 4, "{problems}");
}
