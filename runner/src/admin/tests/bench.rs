//! A runner whose parts are there, and are worked by hand.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::super::*;
use crate::age::Since;
use crate::ledger::{Budget, Page, PageOwner, RunMark};
use crate::outcome::{Outcome, StopCause, VerdictStatus};
use crate::publish::Restored;
use crate::quota::Quota;
use crate::record::Recorder;
use crate::settings::Token;
use crate::suite::{Check, CheckId, Secrets};
use crate::telemetry::sample;
use crate::watch::health::Complaint;

pub(super) const TOKEN: &str = "correct-horse-battery";

/// When everything happens.
pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_000_000 + seconds)
}

impl Door {
    /// On a free port of loopback.
    pub(super) fn sample() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            gate: Gate::new(None, false),
            tls: None,
            hosts: Hosts::default(),
        }
    }
}

/// What a test does, and the answers see.
pub(super) struct Bench {
    pub(super) board: Board,
    pub(super) ledger: Arc<Ledger>,
    pub(super) reloads: Reloads,
    complaints: Arc<Mutex<Vec<Complaint>>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            board: Board::default(),
            ledger: Ledger::new(Budget::new(100)),
            reloads: Reloads::default(),
            complaints: Arc::default(),
        }
    }

    /// With a check of each fate: `good`, `bad`, `new`, and `many` with a target in its id.
    pub(super) fn busy() -> Self {
        let bench = Self::new();
        let mut many = Check::plain("many@http://a/b?c", Duration::from_secs(30));
        many.name = "many".to_owned();
        let checks = [
            Check::plain("good", Duration::from_secs(10)),
            Check::plain("new", Duration::from_secs(10)),
            Check::plain("bad", Duration::from_secs(10)),
            many,
        ]
        .map(Arc::new);
        bench
            .board
            .keep(&checks, &mut Restored::default(), Instant::now());
        bench.reloads.begun(at(0));
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
        let run = crate::outcome::Run {
            check: Arc::clone(check),
            outcome,
            ..sample::run()
        };
        self.board.schedule(check, Since::at(at(seconds))).unwrap();
        self.board.start(&check.id);
        self.board.publish(&Arc::new(run), at(seconds));
    }

    pub(super) fn page(&self, check: &str) -> Arc<Page> {
        let owner = PageOwner {
            check: CheckId::new(check),
            run: Some(RunMark {
                trace_id: [7; 16],
                plugin: "leak".into(),
            }),
            attempt: 1,
        };
        let recorder = Recorder::new(Secrets::default(), Quota::default().record);
        self.ledger.open_page(owner, Quota::default(), recorder)
    }

    pub(super) fn complain(&self, complaints: Vec<Complaint>) {
        *self.complaints.lock().unwrap() = complaints;
    }

    pub(super) fn shown(&self, metrics: impl Fn(Format) -> String + Send + Sync + 'static) -> Shown {
        let complaints = Arc::clone(&self.complaints);
        Shown {
            board: self.board.clone(),
            ledger: Arc::clone(&self.ledger),
            reloads: self.reloads.clone(),
            started: (at(0), Instant::now()),
            health: Box::new(move || Checkup {
                complaints: complaints.lock().unwrap().clone(),
            }),
            metrics: Box::new(move |format| Box::new(std::iter::once(metrics(format)))),
            reload: Box::new(|| Box::pin(async { Ok(4) })),
        }
    }

    /// What is answered to `GET path`, as JSON.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        ask(&self.shown(|_| String::new()), Method::GET, path, "").await
    }
}

/// What is answered on an address with a token, which only this machine reaches.
pub(super) async fn ask(shown: &Shown, method: Method, path: &str, token: &str) -> (u16, Value) {
    let gate = Gate::new(Some(Token::new(TOKEN)), false);
    let request = Request::builder().method(method).uri(path);
    let request = match token {
        "" => request,
        token => request.header(AUTHORIZATION, format!("Bearer {token}")),
    };
    let page = route::route(&request.body(()).unwrap(), shown, &gate).await;
    let status: StatusCode = page.status();
    let body = page.into_body().collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body);
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    (status.as_u16(), json.unwrap_or_else(|_| text()))
}
