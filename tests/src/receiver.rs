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

/// Judges a request: what is said to one that is taken, or to one that is not.
type Judge = fn(&Request) -> Result<Reply, Reply>;

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
            Ok(reply) => reply,
            Err(refusal) => return refusal,
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

fn webhook(request: &Request) -> Result<Reply, Reply> {
    match request.method {
        Method::POST | Method::PUT | Method::PATCH => Ok(Reply::status(204)),
        _ => Err(Reply::status(405)),
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

fn slack(request: &Request) -> Result<Reply, Reply> {
    let refuse = |status, word: &str| Err(Reply::status(status).body(word.to_owned()));
    if request.path() != SLACK_PATH {
        return refuse(404, "no_service");
    }
    let Some(message) = posted(request) else {
        return refuse(400, "invalid_payload");
    };
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    if message["text"].as_str().is_none_or(str::is_empty) && blocks.is_empty() {
        return refuse(400, "no_text");
    }
    let are_blocks = blocks.len() <= 50 && blocks.iter().all(is_block);
    match are_blocks {
        true => Ok(Reply::text("ok")),
        false => refuse(400, "invalid_blocks"),
    }
}

fn is_block(block: &Value) -> bool {
    let is_text = |text: &Value, types: &[&str], limit: usize| {
        let length = text["text"].as_str().map_or(0, |text| text.chars().count());
        types.contains(&text["type"].as_str().unwrap_or_default()) && (1..=limit).contains(&length)
    };
    let any = ["plain_text", "mrkdwn"];
    match block["type"].as_str() {
        Some("header") => is_text(&block["text"], &["plain_text"], 150),
        Some("section") => is_text(&block["text"], &any, 3000),
        Some("context") => block["elements"].as_array().is_some_and(|elements| {
            (1..=10).contains(&elements.len()) && elements.iter().all(|element| is_text(element, &any, 3000))
        }),
        _ => false,
    }
}

fn pagerduty(request: &Request) -> Result<Reply, Reply> {
    let refuse = |error: &str| {
        let body = json!({
            "status": "invalid event", "message": "Event object is invalid", "errors": [error],
        });
        Err(Reply::status(400)
            .header("content-type", "application/json")
            .body(body.to_string()))
    };
    if request.path() != "/v2/enqueue" {
        return Err(Reply::status(404));
    }
    let Some(event) = posted(request) else {
        return refuse("the body is no JSON");
    };
    if event["routing_key"] != ROUTING_KEY {
        return refuse("'routing_key' is not a key of a service");
    }
    let key = event["dedup_key"].as_str().unwrap_or_default();
    if key.chars().count() > 255 {
        return refuse("'dedup_key' is longer than 255 characters");
    }
    let payload = &event["payload"];
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let severities = ["critical", "error", "warning", "info"];
    match event["event_action"].as_str() {
        Some("resolve" | "acknowledge") if key.is_empty() => return refuse("'dedup_key' is missing"),
        Some("resolve" | "acknowledge") => {}
        Some("trigger") if !(1..=1024).contains(&length(&payload["summary"])) => {
            return refuse("'payload.summary' is missing or too long");
        }
        Some("trigger") if length(&payload["source"]) == 0 => return refuse("'payload.source' is missing"),
        Some("trigger") if !severities.contains(&payload["severity"].as_str().unwrap_or_default()) => {
            return refuse("'payload.severity' is invalid");
        }
        Some("trigger") => {}
        _ => return refuse("'event_action' is invalid"),
    }
    let taken = json!({"status": "success", "message": "Event processed", "dedup_key": key});
    Ok(Reply::status(202)
        .header("content-type", "application/json")
        .body(taken.to_string()))
}
