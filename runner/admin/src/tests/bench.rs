//! An admin state that tests fill by hand.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::super::*;
use canary_net::ledger::{Budget, Page, PageOwner, RunRef};
use canary_record::Recorder;
use canary_record::quota::Quota;
use canary_run::outcome::{Outcome, StopCause, VerdictStatus};
use canary_run::publish::Restored;
use canary_settings::Token;
use canary_suite::{Check, CheckId, Secrets};
use canary_system::age::Since;
use canary_telemetry::sample;
use canary_watch::health::HealthIssue;

pub(super) const TOKEN: &str = "correct-horse-battery";

/// A fixed time plus `seconds`.
pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_000_000 + seconds)
}

impl AdminListener {
    /// A listener on a free port of loopback.
    pub(super) fn sample() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            access: AccessPolicy::new(None, false),
            tls: None,
            hosts: Hosts::default(),
        }
    }
}

/// The state behind the admin server, modified by tests.
pub(super) struct Bench {
    pub(super) store: StatusStore,
    pub(super) ledger: Arc<Ledger>,
    pub(super) reloads: ReloadStatus,
    issues: Arc<Mutex<Vec<HealthIssue>>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            store: StatusStore::default(),
            ledger: Ledger::new(Budget::new(100)),
            reloads: ReloadStatus::default(),
            issues: Arc::default(),
        }
    }

    /// With one check of each kind: `good`, `bad`, `new`, and `many` with a target in its id.
    pub(super) fn busy() -> Self {
        let bench = Self::new();
        let mut many = Check::minimal("many@http://a/b?c", Duration::from_secs(30));
        many.name = "many".to_owned();
        let checks = [
            Check::minimal("good", Duration::from_secs(10)),
            Check::minimal("new", Duration::from_secs(10)),
            Check::minimal("bad", Duration::from_secs(10)),
            many,
        ]
        .map(Arc::new);
        bench
            .store
            .apply_suite(&checks, &mut Restored::default(), Instant::now());
        bench.reloads.initial_load(at(0));
        let [good, _, bad, many] = &checks;
        let failed = || Outcome::Completed(sample::verdict(VerdictStatus::Fail));
        let passed = || Outcome::Completed(sample::verdict(VerdictStatus::Pass));
        let limit = Duration::from_secs(5);
        bench.run(good, passed(), 1);
        bench.run(bad, failed(), 1);
        bench.run(bad, failed(), 11);
        bench.run(many, Outcome::Stopped(StopCause::Deadline { limit }), 2);
        bench
    }

    pub(super) fn run(&self, check: &Arc<Check>, outcome: Outcome, seconds: u64) {
        let run = canary_run::outcome::Run {
            check: Arc::clone(check),
            outcome,
            ..sample::run()
        };
        self.store.schedule(check, Since::at(at(seconds))).unwrap();
        self.store.start(&check.id);
        self.store.publish(&Arc::new(run), at(seconds));
    }

    pub(super) fn page(&self, check: &str) -> Arc<Page> {
        let owner = PageOwner {
            check: CheckId::new(check),
            run: Some(RunRef {
                trace_id: [7; 16],
                plugin: "leak".into(),
            }),
            attempt: 1,
        };
        let recorder = Recorder::new(Secrets::default(), Quota::default().record);
        self.ledger.open_page(owner, Quota::default(), recorder)
    }

    pub(super) fn set_issues(&self, issues: Vec<HealthIssue>) {
        *self.issues.lock().unwrap() = issues;
    }

    pub(super) fn state(&self, metrics: impl Fn(Format) -> String + Send + Sync + 'static) -> AdminState {
        let issues = Arc::clone(&self.issues);
        AdminState {
            store: self.store.clone(),
            ledger: Arc::clone(&self.ledger),
            reloads: self.reloads.clone(),
            features: vec!["mail"],
            started: (at(0), Instant::now()),
            health: Box::new(move || HealthReport {
                issues: issues.lock().unwrap().clone(),
            }),
            metrics: Box::new(move |format| Box::new(std::iter::once(metrics(format)))),
            reload: Box::new(|| Box::pin(async { Ok(4) })),
        }
    }

    /// The response to `GET path`, as JSON.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        ask(&self.state(|_| String::new()), Method::GET, path, "").await
    }
}

/// The response of a server with a token on a loopback address.
pub(super) async fn ask(state: &AdminState, method: Method, path: &str, token: &str) -> (u16, Value) {
    let access = AccessPolicy::new(Some(Token::new(TOKEN)), false);
    let request = Request::builder().method(method).uri(path);
    let request = match token {
        "" => request,
        token => request.header(AUTHORIZATION, format!("Bearer {token}")),
    };
    let response = routes::handle(&request.body(()).unwrap(), state, &access).await;
    let status: StatusCode = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body);
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    (status.as_u16(), json.unwrap_or_else(|_| text()))
}
