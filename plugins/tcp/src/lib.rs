//! Connects, and executes a dialogue of sends and expectations.

mod check;
pub mod config;
mod dialogue;
mod plan;
mod template;

use std::time::Duration;

use canary_sdk::tcp::{ConnectOptions, Connection, Timings};
use canary_sdk::tls::Session;
use canary_sdk::{
    Assertion, Check, Endpoint, Error, ErrorCode, Metric, Probe, Problem, Problems, Status, Stopwatch,
    TargetForm, Timestamp, Verdict,
};

pub use config::Config;
use config::Latency;
use dialogue::{Dialogue, Limits};
use plan::Plan;

/// The `tcp` plugin.
#[derive(Debug)]
pub struct Tcp;

impl Probe for Tcp {
    type Config = Config;
    const NAME: &'static str = "tcp";
    const SUMMARY: &'static str = "Connects to a TCP port and holds a conversation";
    const TARGETS: &'static [TargetForm] = &[TargetForm::HostPort];

    const MEASUREMENTS: &'static [Metric] = &[
        Metric::new("resolve.duration", "s", "Time to resolve the name."),
        Metric::new("connect.duration", "s", "Time to connect."),
        Metric::new(
            "handshake.duration",
            "s",
            "Time of the TLS handshake at the start of the connection.",
        ),
        Metric::new("dialogue.duration", "s", "Total time of all steps."),
        Metric::new(
            "certificate.days_left",
            "d",
            "Time until the server's certificate expires; negative once it has.",
        ),
    ];
    const SECRETS: &'static [&'static str] = &["/tls/client_key", "/dialogue/*/start_tls/client_key"];

    fn check_config(config: &Config) -> Vec<Problem> {
        let mut problems = Problems::default();
        check::check(config, &mut problems);
        problems.into_vec()
    }

    fn check_target(target: &str, config: &Config) -> Vec<Problem> {
        let problem = match target.parse::<Endpoint>() {
            Ok(endpoint) => check::check_endpoint(&endpoint, config),
            Err(error) => Some(Problem::target(error)),
        };
        problem.into_iter().collect()
    }

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let endpoint = check.endpoint()?;
        let mut problems = Problems::default();
        let plan = Plan::new(&check.config, &mut problems);
        problems.into_result()?;
        let config = &check.config;
        let place = || Ok(endpoint.clone());
        config.addresses.judge(check, config.ip_family, place, |scope| {
            let stopwatch = Stopwatch::start();
            let connection = scope.connect(connect_options(config), &endpoint)?;
            let left = || Some(scope.time?.saturating_sub(stopwatch.elapsed()));
            evaluate(check, &connection, &plan, left)
        })
    }
}

/// Evaluates a connection; `left` is how long that may take, if it is less than the run.
fn evaluate(
    check: &Check<Config>,
    connection: &Connection,
    plan: &Plan,
    left: impl Fn() -> Option<Duration>,
) -> Result<Verdict, Error> {
    let session = plan
        .tls
        .as_ref()
        .map(|options| connection.start_tls(options))
        .transpose()?;
    let mut verdict = connected(connection, &check.config, plan.steps.len());
    if let Some(session) = &session {
        report_tls(&mut verdict, session, check.now);
    }
    let limits = Limits {
        time: left(),
        cpu: check.quotas.cpu,
    };
    let dialogue = Dialogue::new(connection, limits);
    run_dialogue(&mut verdict, dialogue, plan, check.now)?;
    Ok(verdict)
}

canary_sdk::export_probe!(Tcp);

fn connect_options(config: &Config) -> ConnectOptions {
    let options = ConnectOptions::default().ip_family(config.ip_family);
    match &config.source_address {
        Some(address) => options.source_address(address),
        None => options,
    }
}

/// The verdict before the first step.
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
    if let Some(networks) = &config.peer_address {
        verdict.extend([networks.judge(&info.peer)]);
    }
    if let Some(limits) = config.latency {
        evaluate_latency(&mut verdict, limits, took);
    }
    verdict
        .set_attribute("network.peer", info.peer)
        .set_attribute("network.local", info.local)
        .measure_time("resolve.duration", info.timings.resolve)
        .measure_time("connect.duration", info.timings.connect)
        .measure_time("handshake.duration", info.timings.handshake);
    verdict
}

/// Time to resolve, to connect and, if TLS begins with the first byte, to shake hands.
fn time_to_connect(timings: &Timings) -> Duration {
    [timings.resolve, timings.connect, timings.handshake]
        .into_iter()
        .flatten()
        .sum()
}

fn evaluate_latency(verdict: &mut Verdict, limits: Latency, took: Duration) {
    let is_over = |limit: Option<canary_sdk::Duration>| limit.filter(|limit| took > limit.get());
    let (status, message) = match (is_over(limits.fail), is_over(limits.warn)) {
        (Some(limit), _) => (Status::Fail, format!("{took:.1?}, more than `fail` ({limit})")),
        (None, Some(limit)) => (Status::Warn, format!("{took:.1?}, more than `warn` ({limit})")),
        (None, None) => (Status::Pass, format!("{took:.1?}")),
    };
    verdict.assert("latency", status, message);
}

/// Performs the steps up to the first that fails.
fn run_dialogue(
    verdict: &mut Verdict,
    mut dialogue: Dialogue<'_>,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), Error> {
    let stopwatch = Stopwatch::start();
    for (number, step) in (1..).zip(&plan.steps) {
        let name = format!("step {number} {}", step.key());
        match dialogue.perform(step) {
            Ok(message) => verdict.extend([Assertion::new(name, Status::Pass, message)]),
            Err(failure) => {
                match failure.net_error() {
                    Some(error) if error.code == ErrorCode::Invalid => return Err(error.into()),
                    Some(error) => {
                        verdict.set_error(&error);
                    }
                    None => {}
                }
                verdict.extend([if failure.is_own() {
                    Assertion::unknown(name, failure.to_string())
                } else {
                    Assertion::new(name, Status::Fail, failure.to_string())
                }]);
                break;
            }
        }
    }
    for (name, value) in dialogue.shown_captures() {
        verdict.set_attribute(format!("capture.{name}"), value);
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
    if let Err(reason) = session.verified() {
        verdict.set_attribute("certificate.untrusted_reason", reason);
    }
    if let Some(leaf) = session.leaf() {
        verdict.set_attribute("certificate.not_after", leaf.not_after.to_string());
        verdict.measure("certificate.days_left", leaf.days_left(now), "d");
    }
}

#[cfg(test)]
mod checks;
#[cfg(test)]
mod tests;
