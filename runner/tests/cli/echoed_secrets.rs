//! Every peer of a service echoes every secret in the suite and the settings. No output of the service may contain one,
//! whether it belongs to the check or receiver that produced the text or to another one.

use std::fs;
use std::path::Path;

use canary_tests::collector::{Collector, Protocol};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::smtp::{MailServer, Protection};
use canary_tests::receiver::{Receiver, ReceiverMode};
use canary_tests::terminal::Terminal;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::reload::put;
use super::secrets::{long, written};
use super::service_process::{LIMIT, Service};
use super::{canary, folder};

/// The secrets by environment variable, and where each is used.
const HOLDERS: [(&str, &str); 8] = [
    // In a header of a check.
    ("HEADER", "Tok-%41\"Q x;7fG-93kd02"),
    // In the path of a webhook.
    ("HOOK", "hook-Zk3vTq81-path"),
    // In a header of another webhook.
    ("BEARER", "bearer-Lm29xWcv-77"),
    ("ROUTING", "routing-Pq55rTzu-key"),
    ("MAIL", "mail-Xs71bNhy-password"),
    ("CANARY_ADMIN_TOKEN", "admin-Gw64yUjk-token"),
    ("PING", "ping-Dd83oKle-uuid"),
    ("COLLECTOR", "collector-Ry46aFgb-key"),
];

/// All secrets, including the long one of another check.
fn secrets() -> Vec<String> {
    let short = HOLDERS.iter().map(|(_, value)| (*value).to_owned());
    short.chain([long()]).collect()
}

/// A response with all secrets, as JSON and as plain text.
fn echo() -> Reply {
    let line = HOLDERS.map(|(_, value)| value).join(" ");
    Reply::json(json!({ "line": line, "all": secrets() }).to_string()).header("x-said", &line)
}

fn refusal() -> Reply {
    Reply::status(400).body(secrets().join("\n"))
}

/// Two checks with secrets and one without, of a site that echoes all secrets.
fn suite(site: &Site) -> String {
    let port = site.address().port();
    let quoting = r#"expect: { headers: { x-said: nothing }, json: { "$.line": nothing, "$.all": nothing }, body: { not_matches: "[a-z]+-.*" } }"#;
    format!(
        r#"
defaults: {{ interval: 3s, timeout: 3s, retries: 0, failure_threshold: 1 }}
checks:
  - {{ name: with, plugin: http, target: "http://127.0.0.1:{port}/", config: {{ headers: {{ x-token: "${{env:HEADER}}" }}, {quoting} }} }}
  - {{ name: long, plugin: http, target: "http://127.0.0.1:{port}/", config: {{ expect: {{ body: {{ contains: "${{env:LONG}}" }} }} }} }}
  - {{ name: without, plugin: http, target: "http://127.0.0.1:{port}/", config: {{ {quoting} }} }}
"#
    )
}

struct Receivers {
    takes: Receiver,
    refuse: [Receiver; 4],
    mail: MailServer,
    pinged: Site,
    collector: Collector,
    /// Rejects logs.
    logs: Site,
}

impl Receivers {
    fn start() -> Self {
        let refuse = [(); 4].map(|()| Receiver::webhook());
        for receiver in &refuse {
            receiver.set(ReceiverMode::Respond(refusal()));
        }
        Self {
            takes: Receiver::webhook(),
            refuse,
            mail: MailServer::start(Protection::None),
            pinged: Site::start(|_| refusal()),
            collector: Collector::start(Protocol::Http),
            logs: Site::start(|_| refusal()),
        }
    }

    fn settings(&self) -> String {
        let url = |place: usize, path: &str| self.refuse[place].url("http", path);
        format!(
            r#"
alerts:
  notifiers:
    takes: {{ type: webhook, url: "{takes}" }}
    webhook: {{ type: webhook, url: "{webhook}" }}
    slack: {{ type: slack, url: "{slack}" }}
    pagerduty: {{ type: pagerduty, url: "{pagerduty}", routing_key: "${{env:ROUTING}}" }}
    alertmanager: {{ type: alertmanager, url: "{alertmanager}", headers: {{ authorization: "Bearer ${{env:BEARER}}" }} }}
    mail: {{ type: email, host: 127.0.0.1, port: {mail}, tls: none, user: canary, password: "${{env:MAIL}}", from: a@b.example, to: c@d.example }}
heartbeat: {{ url: "{pinged}", interval: 1s }}
"#,
            takes = self.takes.url("http", "/"),
            webhook = url(0, "/${env:HOOK}"),
            slack = url(1, "/services/T0/B0/q8"),
            pagerduty = url(2, "/v2/enqueue"),
            alertmanager = url(3, "/"),
            mail = self.mail.port(),
            pinged = self.pinged.url("http", "/${env:PING}"),
        )
    }

    /// What each receiver got, without the secret that is meant for it.
    fn delivered(&self) -> Vec<(String, String)> {
        let arrivals = self.collector.arrivals().requests;
        let sent = arrivals.iter().map(|arrival| format!("{:?}", arrival.message));
        let mails = self.mail.mails().into_iter().map(|mail| mail.data);
        let mut delivered = vec![
            ("otlp".to_owned(), sent.collect()),
            ("mails".to_owned(), mails.collect()),
        ];
        let receivers = [&*self.takes]
            .into_iter()
            .chain(self.refuse.iter().map(|receiver| &**receiver));
        for (place, site) in receivers.chain([&self.logs, &self.pinged]).enumerate() {
            for request in site.requests() {
                let body = String::from_utf8_lossy(&request.body).into_owned();
                delivered.push((format!("receiver {place}"), body.replace(HOLDERS[3].1, "")));
            }
        }
        delivered
    }
}

/// The outputs of a service on its admin address and of client commands.
fn shown(service: &Service) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    let checks = ["with", "long", "without"].map(|name| format!("/api/v1/checks/{name}"));
    let paths = [
        "/",
        "/metrics",
        "/livez",
        "/readyz",
        "/api/v1/status",
        "/api/v1/connections",
    ];
    for path in paths.map(str::to_owned).into_iter().chain(checks) {
        let answer = service.get(&path).text();
        shown.push((path, answer));
    }
    for command in [
        &["status"][..],
        &["status", "--format", "json"],
        &["connections"],
        &["reload"],
    ] {
        let asking = service
            .client_command(command)
            .env("CANARY_ADMIN_TOKEN", HOLDERS[5].1);
        let ending = asking.run();
        shown.push((command.join(" "), ending.out + &ending.err));
    }
    shown.push(("top".to_owned(), top(service)));
    shown
}

fn top(service: &Service) -> String {
    let mut terminal = Terminal::open(200, 24);
    let top = service.client_command(&["top"]).on(&terminal).start();
    let picture = terminal.until(|picture| picture.contains("without"));
    terminal.press("\x03");
    let _ended = top.end();
    picture
}

/// Every file below a folder.
fn on_disk(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(on_disk(&path));
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            files.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
    files
}

fn assert_silent(outputs: &[(String, String)]) {
    let secrets = secrets();
    let forms: Vec<String> = secrets.iter().flat_map(|secret| written(secret)).collect();
    let detector = canary::suite::Secrets::new(secrets.iter().map(String::as_str));
    for (output, shown) in outputs {
        for form in &forms {
            assert!(!shown.contains(form.as_str()), "{output} shows {form}: {shown}");
        }
        assert!(!detector.contains_secret(shown), "{output}: {shown}");
    }
}

fn with_secrets(program: canary_tests::command::Program) -> canary_tests::command::Program {
    let program = program.env("LONG", long());
    let values = HOLDERS.into_iter();
    values.fold(program, |program, (name, value)| program.env(name, value))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "{what}");
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Runs a service whose peers echo all secrets, and collects all its outputs.
async fn outputs_of_service(log_format: &str) -> Vec<(String, String)> {
    let site = Site::start(|_| echo());
    let receivers = Receivers::start();
    let service = Service::start(&suite(&site), &receivers.settings(), |program| {
        with_secrets(program)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receivers.collector.url("http"))
            .env(
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                receivers.logs.url("http", "/v1/logs"),
            )
            .env(
                "OTEL_EXPORTER_OTLP_HEADERS",
                format!("authorization=Bearer%20{}", HOLDERS[7].1),
            )
            .env("OTEL_METRIC_EXPORT_INTERVAL", "300")
            .env("CANARY_LOG_FORMAT", log_format)
            .env("CANARY_STATE_DIR", "state")
    });
    let state = service.folder.path().join("state");
    service.until(&["status", "--format", "json"], |status| {
        let checks = status["checks"].as_array().unwrap();
        checks.iter().all(|check| check["last"].is_object())
    });
    receivers
        .collector
        .wait_for(LIMIT, |arrivals| arrivals.spans().roots().len() >= 3);
    until("everyone is told", || {
        let refusing = receivers
            .refuse
            .iter()
            .all(|receiver| !receiver.requests().is_empty());
        refusing && receivers.takes.delivered().len() >= 3 && !receivers.mail.mails().is_empty()
    })
    .await;
    until("what is refused is kept", || {
        on_disk(&state).iter().any(|(path, _)| path.contains("dead"))
    })
    .await;
    let broken = suite(&site).replace("interval: 3s", "interval: \"${env:HEADER}\"");
    put(service.folder.path(), "suite.yaml", broken);
    let mut outputs = shown(&service);
    outputs.extend(receivers.delivered());
    outputs.extend(on_disk(&state));
    service.process.signal(Signal::TERM);
    let ending = service.process.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    outputs.extend(on_disk(&state));
    outputs.extend([("log".to_owned(), ending.err), ("output".to_owned(), ending.out)]);
    outputs
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_holds_is_in_no_text_of_another_wherever_it_is_written() {
    let outputs = outputs_of_service("text").await;
    assert_silent(&outputs);
    let masked = |name: &str| {
        let mut of = outputs.iter().filter(|(output, _)| output.contains(name));
        assert!(
            of.any(|(_, shown)| shown.contains("***")),
            "nothing is masked in {name}"
        );
    };
    for name in [
        "/checks/without",
        "receiver 0",
        "mails",
        "dead",
        "state.db",
        "log",
    ] {
        masked(name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_where_the_log_is_json() {
    let outputs = outputs_of_service("json").await;
    assert_silent(&outputs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_without_secrets_shows_none_of_the_others_in_any_format() {
    let site = Site::start(|_| echo());
    let settings = Receivers::start().settings();
    for format in ["human", "json", "junit"] {
        let folder = folder(&[("suite.yaml", &suite(&site)), ("canary.yaml", &settings)]);
        let arguments = [
            "check",
            "suite.yaml",
            "--config",
            "canary.yaml",
            "--format",
            format,
        ];
        let ending = with_secrets(canary(&folder, &arguments)).run();
        assert_eq!(ending.code, 1, "{ending:?}");
        assert!(ending.out.contains("***"), "{ending:?}");
        assert_silent(&[(format.to_owned(), ending.out + &ending.err)]);
    }
}
