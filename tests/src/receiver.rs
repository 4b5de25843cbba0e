//! Notification receivers, modelled on the public documentation of the real ones: they reject what those reject, record
//! what they accept, and misbehave on demand.

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
/// The PagerDuty routing key.
pub const ROUTING_KEY: &str = "R0123456789ABCDEF0123456789ABCDE";

/// How a receiver handles valid requests.
#[derive(Clone, Debug)]
pub enum ReceiverMode {
    /// Accepts it.
    Accept,
    /// Reads it and never responds.
    Silent,
    /// Responds with this.
    Respond(Reply),
}

/// Whether a request is valid, with the response.
enum Validation {
    Accepted(Reply),
    Refused(Reply),
}

type Validate = fn(&Request) -> Validation;

struct State {
    validate: Validate,
    mode: Mutex<ReceiverMode>,
    delivered: watch::Sender<Vec<Request>>,
}

/// An HTTP receiver on loopback.
pub struct Receiver {
    site: Site,
    state: Arc<State>,
}

impl Receiver {
    /// A webhook that accepts any POST, PUT or PATCH.
    #[must_use]
    pub fn webhook() -> Self {
        Self::start(webhook)
    }

    /// A webhook over TLS.
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

    fn start(validate: Validate) -> Self {
        let state = State::new(validate);
        let shared = state.clone();
        Self {
            site: Site::start(move |request| shared.answer(request)),
            state,
        }
    }

    /// Sets how it handles requests from now on.
    pub fn set(&self, mode: ReceiverMode) {
        *self.state.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// The accepted requests, in order.
    #[must_use]
    pub fn delivered(&self) -> Vec<Request> {
        self.state.delivered.borrow().clone()
    }

    /// The JSON bodies of the accepted requests.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        let delivered = self.state.delivered.borrow();
        let parsed = delivered
            .iter()
            .map(|request| serde_json::from_slice(&request.body));
        parsed.filter_map(Result::ok).collect()
    }

    /// Waits until it has accepted this many requests. Waits forever otherwise: use a time-out.
    pub async fn until(&self, count: usize) {
        let mut delivered = self.state.delivered.subscribe();
        // The sender lives as long as this.
        let _there = delivered.wait_for(|delivered| delivered.len() >= count).await;
    }
}

impl Deref for Receiver {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl State {
    fn new(validate: Validate) -> Arc<Self> {
        Arc::new(Self {
            validate,
            mode: Mutex::new(ReceiverMode::Accept),
            delivered: watch::Sender::default(),
        })
    }

    fn answer(&self, request: &Request) -> Reply {
        let reply = match (self.validate)(request) {
            Validation::Accepted(reply) => reply,
            Validation::Refused(refusal) => return refusal,
        };
        let mode = self.mode.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match mode {
            ReceiverMode::Accept => {
                self.delivered
                    .send_modify(|delivered| delivered.push(request.clone()));
                reply
            }
            ReceiverMode::Silent => reply.after(FOR_EVER),
            ReceiverMode::Respond(reply) => reply,
        }
    }
}

fn webhook(request: &Request) -> Validation {
    match request.method {
        Method::POST | Method::PUT | Method::PATCH => Validation::Accepted(Reply::status(204)),
        _ => Validation::Refused(Reply::status(405)),
    }
}

/// The body of a POST request with JSON.
fn posted_json(request: &Request) -> Option<Value> {
    let is_json = request.header("content-type")?.starts_with("application/json");
    let is_post = request.method == Method::POST;
    serde_json::from_slice(&request.body)
        .ok()
        .filter(|_| is_json && is_post)
}

/// The text at a JSON pointer; empty if there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn slack(request: &Request) -> Validation {
    let refuse = |status, word: &str| Validation::Refused(Reply::status(status).body(word.to_owned()));
    if request.path() != SLACK_PATH {
        return refuse(404, "no_service");
    }
    let Some(message) = posted_json(request) else {
        return refuse(400, "invalid_payload");
    };
    let blocks = message.pointer("/blocks").and_then(Value::as_array);
    let blocks = blocks.map_or(&[][..], Vec::as_slice);
    if text(&message, "/text").is_empty() && blocks.is_empty() {
        return refuse(400, "no_text");
    }
    if blocks.len() <= 50 && blocks.iter().all(is_block) {
        Validation::Accepted(Reply::text("ok"))
    } else {
        refuse(400, "invalid_blocks")
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

fn pagerduty(request: &Request) -> Validation {
    let json = |status, body: Value| {
        let reply = Reply::status(status).header("content-type", "application/json");
        reply.body(body.to_string())
    };
    if request.path() != "/v2/enqueue" {
        return Validation::Refused(Reply::status(404));
    }
    let event = posted_json(request).unwrap_or_default();
    match pagerduty_error(&event) {
        Some(error) => {
            let message = "Event object is invalid";
            let body = json!({"status": "invalid event", "message": message, "errors": [error]});
            Validation::Refused(json(400, body))
        }
        None => {
            let key = text(&event, "/dedup_key");
            let body = json!({"status": "success", "message": "Event processed", "dedup_key": key});
            Validation::Accepted(json(202, body))
        }
    }
}

/// Why PagerDuty rejects an event.
fn pagerduty_error(event: &Value) -> Option<&'static str> {
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
