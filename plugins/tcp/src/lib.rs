//! Connects, and holds a conversation of sends and expectations.

pub mod config;
mod dialogue;
mod plan;
mod template;

use std::time::Duration;

use canary_sdk::tcp::{ConnectOptions, Connection, Timings};
use canary_sdk::tls::Session;
use canary_sdk::{Check, Error, NetError, Probe, Status, Stopwatch, Timestamp, Verdict};

pub use config::Config;
use config::Latency;
use dialogue::Dialogue;
use plan::Plan;

/// The `tcp` plugin.
#[derive(Debug)]
pub struct Tcp;

impl Probe for Tcp {
    type Config = Config;
    const NAME: &'static str = "tcp";
    const SUMMARY: &'static str = "Connects to a TCP port and holds a conversation";
    const TARGET_SYNTAX: &'static str = "HOST:PORT";

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let endpoint = check.endpoint()?;
        let plan = Plan::new(&check.config)?;
        let connection = connect_options(&check.config).connect(&endpoint)?;
        let session = plan
            .tls
            .as_ref()
            .map(|options| connection.start_tls(options))
            .transpose()?;

        let mut verdict = connected(&connection, &check.config, plan.steps.len());
        if let Some(session) = &session {
            report_tls(&mut verdict, session, check.now);
        }
        converse(&mut verdict, &connection, &plan, check.now)?;
        Ok(verdict)
    }
}

canary_sdk::export_probe!(Tcp);

fn connect_options(config: &Config) -> ConnectOptions {
    let source_address = config.source_address.clone();
    ConnectOptions {
        ip_family: config.ip_family,
        source_address,
        timeout: None,
    }
}

/// What is known before the first step.
fn connected(connection: &Connection, config: &Config, steps: usize) -> Verdict {
    let info = connection.info();
    let took = time_to_connect(&info.timings);
    let reached = format!("connected to {} in {took:.1?}", info.peer);
    let mut verdict = Verdict::pass(match steps {
        0 => reached.clone(),
        1 => format!("{reached}, 1 step as expected"),
        _ => format!("{reached}, {steps} steps as expected"),
    });
    verdict.assert("connect", Status::Pass, reached);
    if let Some(limits) = config.latency {
        judge_latency(&mut verdict, limits, took);
    }
    verdict
        .set_attribute("network.peer", info.peer)
        .set_attribute("network.local", info.local)
        .measure_time("resolve.duration", info.timings.resolve)
        .measure_time("connect.duration", info.timings.connect)
        .measure_time("handshake.duration", info.timings.handshake);
    verdict
}

/// Name, connection, and the handshake when TLS begins with the first byte.
fn time_to_connect(timings: &Timings) -> Duration {
    [timings.resolve, timings.connect, timings.handshake]
        .into_iter()
        .flatten()
        .sum()
}

fn judge_latency(verdict: &mut Verdict, limits: Latency, took: Duration) {
    let is_over = |limit: Option<canary_sdk::Duration>| limit.filter(|limit| took > limit.get());
    let (status, message) = match (is_over(limits.fail), is_over(limits.warn)) {
        (Some(limit), _) => (Status::Fail, format!("{took:.1?}, more than `fail` ({limit})")),
        (None, Some(limit)) => (Status::Warn, format!("{took:.1?}, more than `warn` ({limit})")),
        (None, None) => (Status::Pass, format!("{took:.1?}")),
    };
    verdict.assert("latency", status, message);
}

/// Goes through the steps up to the first that fails.
fn converse(
    verdict: &mut Verdict,
    connection: &Connection,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), Error> {
    let stopwatch = Stopwatch::start();
    let mut dialogue = Dialogue::new(connection);
    for (number, step) in (1..).zip(&plan.steps) {
        let name = format!("step {number} {}", step.word());
        match dialogue.perform(step) {
            Ok(message) => verdict.assert(name, Status::Pass, message),
            Err(failure) => {
                match failure.net_error() {
                    Some(error @ NetError::Invalid(_)) => return Err(error.clone().into()),
                    Some(error) => {
                        verdict.set_error(error);
                    }
                    None => {}
                }
                verdict.assert(name, Status::Fail, failure.to_string());
                break;
            }
        };
    }
    if let Some(session) = &dialogue.session {
        report_tls(verdict, session, now);
    }
    if !plan.steps.is_empty() {
        verdict.measure_time("dialogue.duration", stopwatch.elapsed());
    }
    Ok(())
}

fn report_tls(verdict: &mut Verdict, session: &Session, now: Timestamp) {
    verdict
        .set_attribute("tls.version", session.version.to_string())
        .set_attribute("tls.cipher_suite", &session.cipher_suite);
    if let Err(reason) = &session.verified {
        verdict.set_attribute("certificate.untrusted_reason", reason);
    }
    if let Some(leaf) = session.leaf() {
        verdict.set_attribute("certificate.not_after", leaf.not_after.to_string());
        verdict.measure("certificate.days_left", leaf.days_left(now), "d");
    }
}

#[cfg(test)]
mod tests;
