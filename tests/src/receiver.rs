//! Receivers of notifications, made from the public documentation of the real ones: they refuse what those refuse,
//! remember what they took, and misbehave when told to.

pub mod smtp;

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::peer::http::{Reply, Request, Site};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// The path of the Slack webhook.
pub const SLACK_PATH: &str = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";
/// The key of the PagerDuty service.
pub const ROUTING_KEY: &str = "R0123456789ABCDEF0123456789ABCDE";

/// What a receiver does with what it could take.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// Reads it and never answers.
    Silent,
    /// Answers this.
    Answers(Reply),
}

/// What is made of a request, and said to it.
enum Verdict {
    Takes(Reply),
    Refuses(Reply),
}

type Judge = fn(&Request) -> Verdict;

struct State {
    judge: Judge,
    mood: Mutex<Mood>,
    taken: watch::Sender<Vec<Request>>,
}

/// An HTTP receiver on loopback.
pub struct Receiver {
    site: Site,
    state: Arc<State>,
}

impl Receiver {
    /// Takes any POST, PUT or PATCH.
    #[must_use]
    pub fn webhook() -> Self {
        Self::start(webhook)
    }

    /// The same over TLS.
    #[must_use]
    pub fn webhook_tls(config: ServerConfig) -> Self {
        let state = State::new(webhook);
        let shared = state.clone();
        Self {
            site: Site::start_tls(config, move |request| shared.answer(request)),
            state,
        }
    }

    /// Slack's incoming webhooks at [`SLACK_PATH`]
    /// (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
    /// <https://docs.slack.dev/reference/block-kit/blocks>).
    #[must_use]
    pub fn slack() -> Self {
        Self::start(slack)
    }

    /// PagerDuty's Events API v2 at `/v2/enqueue`, for [`ROUTING_KEY`]
    /// (<https://developer.pagerduty.com/docs/send-alert-event>).
    #[must_use]
    pub fn pagerduty() -> Self {
        Self::start(pagerduty)
    }

    fn start(judge: Judge) -> Self {
        let state = State::new(judge);
        let shared = state.clone();
        Self {
            site: Site::start(move |request| shared.answer(request)),
            state,
        }
    }

    /// What it does from now on.
    pub fn set(&self, mood: Mood) {
        *self.state.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// What it took so far, in its order.
    #[must_use]
    pub fn taken(&self) -> Vec<Request> {
        self.state.taken.borrow().clone()
    }

    /// The JSON of what it took so far.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        let taken = self.state.taken.borrow();
        let parsed = taken.iter().map(|request| serde_json::from_slice(&request.body));
        parsed.filter_map(Result::ok).collect()
    }

    /// Waits until it took so many. Never ends if it does not: bound it with a time-out.
    pub async fn until(&self, count: usize) {
        let mut taken = self.state.taken.subscribe();
        // The sender lives as long as this.
        let _there = taken.wait_for(|taken| taken.len() >= count).await;
    }
}

impl Deref for Receiver {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl State {
    fn new(judge: Judge) -> Arc<Self> {
        Arc::new(Self {
            judge,
            mood: Mutex::new(Mood::Takes),
            taken: watch::Sender::default(),
        })
    }

    fn answer(&self, request: &Request) -> Reply {
        let reply = match (self.judge)(request) {
            Verdict::Takes(reply) => reply,
            Verdict::Refuses(refusal) => return refusal,
        };
        let mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match mood {
            Mood::Takes => {
                self.taken.send_modify(|taken| taken.push(request.clone()));
                reply
            }
            Mood::Silent => reply.after(FOR_EVER),
            Mood::Answers(reply) => reply,
        }
    }
}

fn webhook(request: &Request) -> Verdict {
    match request.method {
        Method::POST | Method::PUT | Method::PATCH => Verdict::Takes(Reply::status(204)),
        _ => Verdict::Refuses(Reply::status(405)),
    }
}

/// A POST of JSON.
fn posted(request: &Request) -> Option<Value> {
    let is_json = request.header("content-type")?.starts_with("application/json");
    let is_post = request.method == Method::POST;
    serde_json::from_slice(&request.body)
        .ok()
        .filter(|_| is_json && is_post)
}

/// The text at a JSON pointer; nothing where there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn slack(request: &Request) -> Verdict {
    let refuse = |status, word: &str| Verdict::Refuses(Reply::status(status).body(word.to_owned()));
    if request.path() != SLACK_PATH {
        return refuse(404, "no_service");
    }
    let Some(message) = posted(request) else {
        return refuse(400, "invalid_payload");
    };
    let blocks = message.pointer("/blocks").and_then(Value::as_array);
    let blocks = blocks.map_or(&[][..], Vec::as_slice);
    if text(&message, "/text").is_empty() && blocks.is_empty() {
        return refuse(400, "no_text");
    }
    match blocks.len() <= 50 && blocks.iter().all(is_block) {
        true => Verdict::Takes(Reply::text("ok")),
        false => refuse(400, "invalid_blocks"),
    }
}

fn is_block(block: &Value) -> bool {
    let is_text = |value: &Value, types: &[&str], limit: usize| {
        let length = text(value, "/text").chars().count();
        types.contains(&text(value, "/type")) && (1..=limit).contains(&length)
    };
    let any = ["plain_text", "mrkdwn"];
    let part = |pointer| block.pointer(pointer).unwrap_or(&Value::Null);
    match text(block, "/type") {
        "header" => is_text(part("/text"), &["plain_text"], 150),
        "section" => is_text(part("/text"), &any, 3000),
        "context" => part("/elements").as_array().is_some_and(|elements| {
            (1..=10).contains(&elements.len()) && elements.iter().all(|element| is_text(element, &any, 3000))
        }),
        _ => false,
    }
}

fn pagerduty(request: &Request) -> Verdict {
    let json = |status, body: Value| {
        let reply = Reply::status(status).header("content-type", "application/json");
        reply.body(body.to_string())
    };
    if request.path() != "/v2/enqueue" {
        return Verdict::Refuses(Reply::status(404));
    }
    let event = posted(request).unwrap_or_default();
    match wrong(&event) {
        Some(error) => {
            let message = "Event object is invalid";
            let body = json!({"status": "invalid event", "message": message, "errors": [error]});
            Verdict::Refuses(json(400, body))
        }
        None => {
            let key = text(&event, "/dedup_key");
            let body = json!({"status": "success", "message": "Event processed", "dedup_key": key});
            Verdict::Takes(json(202, body))
        }
    }
}

/// What PagerDuty has against an event.
fn wrong(event: &Value) -> Option<&'static str> {
    let length = |pointer| text(event, pointer).chars().count();
    let severities = ["critical", "error", "warning", "info"];
    if text(event, "/routing_key") != ROUTING_KEY {
        return Some("'routing_key' is not a key of a service");
    }
    if length("/dedup_key") > 255 {
        return Some("'dedup_key' is longer than 255 characters");
    }
    match text(event, "/event_action") {
        "resolve" | "acknowledge" => (length("/dedup_key") == 0).then_some("'dedup_key' is missing"),
        "trigger" if !(1..=1024).contains(&length("/payload/summary")) => {
            Some("'payload.summary' is missing or too long")
        }
        "trigger" if length("/payload/source") == 0 => Some("'payload.source' is missing"),
        "trigger" if !severities.contains(&text(event, "/payload/severity")) => {
            Some("'payload.severity' is invalid")
        }
        "trigger" => None,
        _ => Some("'event_action' is invalid"),
    }
}
