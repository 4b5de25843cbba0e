//! A plugin that reads a stream of server-sent events, and expects an event within a time limit.
//!
//! Build it with `cargo build -p canary-sdk --example events --release --target wasm32-wasip2`.

use canary_sdk::http::{Exchange, Request};
use canary_sdk::{Check, Duration, Error, ErrorCode, Metric, Probe, Stopwatch, TargetForm, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

/// Maximum bytes of a line.
const LONGEST_LINE: u32 = 64 << 10;

/// What a suite writes under `config:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Kind of the event, as its `event:` line names it.
    event: String,
    /// How long to wait for it, once the stream has begun.
    within: Duration,
}

/// Waits for a server-sent event.
#[derive(Debug)]
pub struct Events;

impl Probe for Events {
    type Config = Config;
    const NAME: &'static str = "events";
    const SUMMARY: &'static str = "Waits for a server-sent event";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Url(&["http", "https"])];
    const MEASUREMENTS: &'static [Metric] = &[Metric::new(
        "event.delay",
        "s",
        "How long the event took to come, once the stream had begun.",
    )];

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let request = Request::get(&check.target).header("accept", "text/event-stream");
        let mut exchange = request.open()?;
        let head = exchange.head();
        let kind = head.header("content-type").unwrap_or_default().into_owned();
        let mut verdict = Verdict::pass(format!("the event `{}` came", check.config.event));
        verdict.assert("status", head.status == 200, head.status.to_string());
        verdict.assert("content_type", kind.starts_with("text/event-stream"), kind);

        let began = Stopwatch::start();
        match find(&mut exchange, &check.config)? {
            Ok(()) => verdict.measure_time("event.delay", began.elapsed()),
            Err(reason) => verdict.assert("event", false, reason),
        };
        // Dropping the exchange closes the stream.
        Ok(verdict)
    }
}

/// Reads until the event, or returns why it was not found.
fn find(exchange: &mut Exchange, config: &Config) -> Result<Result<(), String>, Error> {
    exchange.set_deadline(Some(config.within.get()));
    loop {
        match exchange.read_line(LONGEST_LINE) {
            Ok(Some(line)) => {
                if line
                    .strip_prefix("event:")
                    .is_some_and(|kind| kind.trim() == config.event)
                {
                    return Ok(Ok(()));
                }
            }
            Ok(None) => return Ok(Err("the stream ended before it".to_owned())),
            Err(late) if late.code == ErrorCode::Timeout => {
                return Ok(Err(format!("not within {}", config.within)));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

canary_sdk::export_probe!(Events);
